//! Scripts that once failed, as short as they could be made.

use super::run;
use super::script::{News, Op, Text};

#[test]
fn scripts_that_once_failed() {
    use Op::{Crash, Delete, HardLink, Look, RotateOut, Start, Stop, Truncate, Write, WriteLate};
    let scripts: [&[Op]; 3] = [
        // Born and rotated away while nobody watched, in a directory without any file that was known.
        &[Stop, Write(0, Text::Lines(1)), RotateOut(0), Start, Look(News::None)],
        // Another content than the one that was read, and rotated away before anybody saw it.
        &[Write(1, Text::Lines(1)), Look(News::Notified), Truncate(1), RotateOut(1), WriteLate, Crash],
        // Written under one of two names, and that name deleted.
        &[Write(1, Text::Lines(1)), HardLink(1), Look(News::Notified), Write(1, Text::Lines(1)), Delete(1)],
    ];
    for script in scripts {
        run(script);
    }
}
