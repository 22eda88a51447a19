//! What a scan says beside its output: messages and a progress bar, both on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{ScanArgs, ScanFormat};
use crate::visible::visible;

/// Less than this is read before a bar could be looked at.
const MIN_BYTES: u64 = 32 * 1024 * 1024;

pub struct Console {
    bar: ProgressBar,
}

impl Console {
    /// A console for reading `total_bytes` (before unpacking).
    pub fn new(args: &ScanArgs, total_bytes: u64) -> Console {
        if !is_bar_wanted(args, total_bytes) {
            return Console { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr()).with_style(style());
        bar.enable_steady_tick(Duration::from_millis(200));
        Console { bar }
    }

    /// So many bytes more were read.
    pub fn advance(&self, n_bytes: u64) {
        self.bar.inc(n_bytes);
    }

    /// Prints a message on a line of its own; whatever it holds, it stays one line.
    pub fn tell(&self, message: &str) {
        // With standard error closed there is nobody left to tell.
        self.bar.suspend(|| drop(writeln!(io::stderr(), "paytriage: {}", visible(message))));
    }

    /// Removes the bar, before anything is printed that is to stay.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Events that scroll by on the same terminal are progress enough.
fn is_bar_wanted(args: &ScanArgs, total_bytes: u64) -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let is_shared = args.format == ScanFormat::Json && io::stdout().is_terminal();
    !args.no_progress && total_bytes >= MIN_BYTES && !is_dumb && !is_shared && io::stderr().is_terminal()
}

fn style() -> ProgressStyle {
    // The template is a constant; the default style stands in for a broken one.
    ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
