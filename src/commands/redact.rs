//! `paytriage redact`: a filter that shows what would be masked. Reads as the daemon does, line by line.

use std::io::{BufRead, Write};

use anyhow::{Context, Result};

use super::setup::redactor_from;
use crate::cli::RedactArgs;
use crate::exit::Exit;
use crate::record::{Charset, Text};

/// Longest line that is taken as one; a longer one is masked in parts of this size.
const MAX_LINE: u64 = 1024 * 1024;

/// Copies `input` to `out` with secrets masked, escapes undone and control characters made visible, and says on `err` how
/// many places were masked.
///
/// # Errors
/// A configuration that is wrong, or streams that cannot be read or written.
pub fn run(args: &RedactArgs, input: &mut dyn BufRead, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit> {
    let redactor = redactor_from(args.config.as_deref())?;
    let mut line = Vec::new();
    let (mut n_lines, mut n_masks) = (0u64, 0u64);
    loop {
        line.clear();
        let mut part = std::io::Read::take(&mut *input, MAX_LINE);
        if part.read_until(b'\n', &mut line).context("cannot read standard input")? == 0 {
            break;
        }
        let text = Text::decode(&line, Charset::Auto).text;
        let (shown, masked) = redactor.redact(text.trim_end_matches('\n'), &[]);
        writeln!(out, "{}", shown.as_str())?;
        n_lines += 1;
        n_masks += u64::from(masked);
    }
    out.flush()?;
    writeln!(err, "{n_masks} masked in {n_lines} lines")?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_what_events_would_mask() {
        let mut input = &b"pay {\\\"auth_code\\\": \\\"130061098828009406\\\"} card 4111111111111111\nplain\n"[..];
        let (mut out, mut err) = (Vec::new(), Vec::new());
        run(&RedactArgs { config: None }, &mut input, &mut out, &mut err).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "pay {\"auth_code\": \"***\"} card 411111******1111\nplain\n");
        assert_eq!(String::from_utf8(err).unwrap(), "2 masked in 2 lines\n");
    }
}
