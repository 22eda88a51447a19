//! Scripts that once failed, as short as they could be made.

use super::run;
use super::script::{News, Op, Text};

#[test]
fn scripts_that_once_failed() {
    use Op::{Look, RotateOut, Start, Stop, Write};
    let scripts: [&[Op]; 1] = [
        // Born and rotated away while nobody watched, in a directory without any file that was known.
        &[Stop, Write(0, Text::Lines(1)), RotateOut(0), Start, Look(News::None)],
    ];
    for script in scripts {
        run(script);
    }
}
