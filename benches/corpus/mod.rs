//! Merchant logs of any size: the same bytes for the same kind and size, on every machine and at every time.
//!
//! | kind | what it is |
//! |---|---|
//! | `Mixed` | a day of a shop: five formats, one line in a thousand is an error |
//! | `Clean` | the same without errors |
//! | `Storm` | the same, but every fifth line is an error, and each is an event |
//! | `Snake` | nothing but `UPPER_SNAKE` and `snake_case` identifiers made of given words, no event |

mod errors;
mod lines;
mod rng;
mod splitmix;
pub mod words;

use std::io::{self, Write};

use lines::{Clock, Format};
use rng::Rng;

/// So many lines of one service follow each other.
const RUN: u64 = 50;

#[derive(Debug, Clone, Copy)]
pub enum Kind<'w> {
    Mixed,
    Clean,
    Storm,
    Snake(&'w [String]),
}

/// What was written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    pub bytes: u64,
    pub lines: u64,
    /// Lines that are errors: paytriage makes an event of each.
    pub errors: u64,
}

/// Writes whole lines until there are `size` bytes or a little more.
///
/// # Errors
/// Those of `out`.
pub fn write(kind: Kind<'_>, size: u64, out: &mut impl Write) -> io::Result<Contents> {
    let mut rng = Rng::new(20_261_123);
    let mut clock = Clock::default();
    let mut format = Format::Nginx;
    let mut contents = Contents::default();
    let mut line = String::new();
    while contents.bytes < size {
        if contents.lines % RUN == 0 {
            format = rng.pick(&Format::ALL);
        }
        clock.tick(&mut rng);
        line.clear();
        let is_error = match kind {
            Kind::Mixed => rng.below(1000) == 0,
            Kind::Storm => contents.lines % 5 == 4,
            Kind::Clean | Kind::Snake(_) => false,
        };
        match kind {
            Kind::Snake(words) => words::line(words, &mut rng, &mut line),
            _ if is_error => errors::line(format, clock, &mut rng, &mut line),
            _ => lines::line(format, clock, &mut rng, &mut line),
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        contents.bytes += line.len() as u64;
        contents.lines += 1;
        contents.errors += u64::from(is_error);
    }
    Ok(contents)
}
