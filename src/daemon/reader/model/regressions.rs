//! Scripts that once failed, as short as they could be made.

use std::fs;

use rusqlite::Connection;

use super::script::Op::{
    self, Archive, CopyIn, CopyTruncate, Crash, Delete, Edit, Glance, HardLink, Look, NewFile, Reload, Replace,
    Restore, RotateIn, RotateOut, Start, Stop, Truncate, Wait, Write, WriteLate,
};
use super::script::{News, Text};
use super::{Model, run};

#[test]
fn scripts_that_once_failed() {
    let scripts: [&[Op]; 53] = [
        // Born and rotated away while nobody watched, in a directory without any file that was known.
        &[Stop, Write(0, Text::Lines(1)), RotateOut(0), Start, Look(News::None)],
        // Another content than the one that was read, and rotated away before anybody saw it.
        &[Write(1, Text::Lines(1)), Look(News::Notified), Truncate(1), RotateOut(1), WriteLate, Crash],
        // Written under one of two names, and that name deleted.
        &[Write(1, Text::Lines(1)), HardLink(1), Look(News::Notified), Write(1, Text::Lines(1)), Delete(1)],
        // Another file in its place that begins like the half line that was read.
        &[Write(1, Text::Piece(18)), Look(News::Notified), Write(1, Text::Lines(1)), Replace(1)],
        &[Write(0, Text::Piece(18)), Look(News::Notified), Replace(0)],
        // Copied, truncated and renamed between two looks: the copy is named after the name its original had.
        &[Write(2, Text::Lines(1)), Look(News::Notified), CopyTruncate(2), RotateIn(2), Look(News::Lost)],
        // Read in part, copied and truncated in the middle of a line.
        &[
            Write(2, Text::Long),
            Write(2, Text::Long),
            Glance(News::Notified),
            CopyTruncate(2),
            Write(0, Text::Lines(1)),
        ],
        // The same with a line that was not read before, in a copy outside the source.
        &[Write(1, Text::Lines(1)), Look(News::Notified), Write(1, Text::Lines(1)), CopyTruncate(1), RotateIn(1)],
        // Rotated away while nobody watched; the next run ends before it has looked.
        &[Write(2, Text::Lines(1)), Crash, Wait(6), RotateOut(2), Start, Stop],
        // A copy of a copy: what was reported of the newest record was reported of all of them.
        &[Write(0, Text::Lines(5)), Look(News::Notified), Restore(0), Look(News::Notified), Restore(0)],
        &[Write(0, Text::Lines(5)), Look(News::Notified), Restore(0), Look(News::Notified), CopyTruncate(0)],
        &[Write(0, Text::Lines(5)), Look(News::Notified), Restore(0), Look(News::Notified), Stop, Restore(0), Start],
        &[
            Write(0, Text::Lines(5)),
            Look(News::Notified),
            Restore(0),
            Look(News::Notified),
            Crash,
            CopyTruncate(0),
            Write(0, Text::Lines(1)),
            Start,
        ],
        // A copy in the source that was not looked at again before its original held other lines.
        &[
            Write(0, Text::Lines(3)),
            Look(News::Notified),
            Write(0, Text::Lines(3)),
            Look(News::Notified),
            CopyIn(0),
            Truncate(0),
            Write(0, Text::Lines(3)),
            CopyIn(0),
            Truncate(0),
            Write(0, Text::Lines(6)),
        ],
        // The end of its newest record is still to come.
        &[Write(0, Text::Lines(3)), Glance(News::Notified), CopyIn(0), Truncate(0)],
        &[Write(0, Text::Lines(3)), Look(News::Notified), Write(0, Text::Lines(1)), Glance(News::Notified), CopyIn(0)],
        // The copy had no whole line when it was looked at, and its original has another name by the next start.
        &[Write(0, Text::Lines(1)), Look(News::Notified), CopyIn(0), Stop, RotateOut(0)],
        &[Write(0, Text::Lines(1)), Look(News::Notified), CopyIn(0), RotateIn(0)],
        &[Write(0, Text::Lines(1)), Look(News::Notified), CopyIn(0), Stop, RotateIn(0)],
        // The file that `sed -i` writes was seen before it took the name.
        &[Write(0, Text::Lines(5)), Look(News::Notified), Edit(0)],
        &[Write(2, Text::Lines(1)), Glance(News::Notified), Edit(2), CopyIn(2)],
        &[Write(0, Text::Lines(5)), Look(News::Notified), Edit(0), Look(News::Notified), Edit(0), Crash, Start],
        // Truncated behind a copy before its turn came: nothing of it was read by then.
        &[Write(1, Text::Long), Look(News::Notified), Write(0, Text::Lines(1)), Reload, CopyTruncate(0), Wait(6)],
        // The same, and longer than before by the time it is read.
        &[
            Write(1, Text::Long),
            Look(News::Notified),
            Write(0, Text::Lines(1)),
            Reload,
            CopyTruncate(0),
            Write(0, Text::Lines(3)),
            Wait(6),
        ],
        // Copied and truncated between two runs under one of two names, and that one rotated away.
        &[
            Write(1, Text::Lines(1)),
            HardLink(1),
            Look(News::Notified),
            Crash,
            Write(1, Text::Lines(1)),
            CopyTruncate(1),
            RotateOut(1),
            Start,
        ],
        &[
            Write(1, Text::Lines(1)),
            HardLink(1),
            Look(News::Notified),
            Crash,
            Write(1, Text::Lines(1)),
            CopyTruncate(1),
            Delete(1),
            Start,
        ],
        // The same in one run, read in part.
        &[
            Write(1, Text::Lines(2)),
            Write(0, Text::Lines(1)),
            CopyIn(0),
            Write(0, Text::Lines(1)),
            Write(0, Text::Lines(1)),
            Write(0, Text::Lines(1)),
            Write(2, Text::Long),
            HardLink(2),
            Glance(News::Lost),
            CopyTruncate(2),
            CopyIn(0),
            Stop,
        ],
        // Two copies of one content that is gone.
        &[
            Write(0, Text::Long),
            Glance(News::Notified),
            CopyIn(0),
            Write(0, Text::Piece(2)),
            Glance(News::Notified),
            CopyTruncate(0),
        ],
        &[Write(0, Text::Long), Glance(News::Notified), CopyIn(0), CopyTruncate(0)],
        // The original of a copy goes between two runs.
        &[Write(2, Text::Lines(1)), Look(News::Notified), CopyIn(2), Stop, Delete(2)],
        // Put in its place, and copied from there, between two looks.
        &[Write(2, Text::Lines(1)), Glance(News::Notified), Edit(2), CopyIn(2), Look(News::None)],
        // The same before a reload.
        &[Write(1, Text::Lines(1)), Look(News::Notified), Edit(1), Reload, Look(News::None)],
        // Nobody was told yet whose place it took.
        &[Write(2, Text::Lines(1)), Look(News::Notified), Edit(2), Stop],
        &[Write(0, Text::Lines(1)), Look(News::Notified), Edit(0), RotateIn(0)],
        &[Write(2, Text::Lines(1)), Look(News::Notified), Edit(2), Write(2, Text::Lines(1)), Restore(2)],
        &[Write(1, Text::Lines(1)), Look(News::Notified), Edit(1), Write(1, Text::Long), CopyIn(1)],
        &[Write(0, Text::Lines(1)), Look(News::Notified), Crash, Start, Edit(0)],
        // The name of the original is another file's by the time the copy is whole.
        &[Write(1, Text::Lines(1)), Look(News::Notified), CopyIn(1), Replace(1)],
        // Copied from what took the place of another.
        &[
            Write(0, Text::Lines(1)),
            Look(News::Notified),
            Write(0, Text::Piece(1)),
            Restore(0),
            Write(0, Text::Lines(1)),
            Look(News::Notified),
            CopyTruncate(0),
        ],
        &[Write(2, Text::Lines(1)), Look(News::Notified), Edit(2), CopyTruncate(2)],
        &[
            Write(1, Text::Piece(86)),
            Look(News::Notified),
            Write(1, Text::Lines(1)),
            CopyTruncate(1),
            Look(News::Notified),
            Crash,
        ],
        &[Write(2, Text::Long), Look(News::Notified), Edit(2), Crash, HardLink(2)],
        &[Write(2, Text::Crlf), Glance(News::Notified), CopyIn(2), RotateIn(2), Crash],
        // An open last line that stands in a deleted file and in what took its place.
        &[Write(2, Text::Lines(1)), Write(2, Text::Piece(86)), Look(News::Notified), Edit(2), Delete(2)],
        &[
            Write(2, Text::Lines(1)),
            Write(2, Text::Piece(86)),
            Look(News::Notified),
            Restore(2),
            Wait(11),
            Write(2, Text::Lines(1)),
        ],
        // Half a copy held only what stands in any file.
        &[
            Write(2, Text::Continuation),
            Write(2, Text::Lines(1)),
            Look(News::Notified),
            CopyIn(2),
            RotateIn(2),
            Write(0, Text::Lines(1)),
        ],
        &[Write(1, Text::Long), Glance(News::Notified), CopyIn(1), Reload, RotateIn(1)],
        &[
            Write(2, Text::Lines(1)),
            Write(0, Text::Lines(1)),
            CopyTruncate(0),
            Look(News::Notified),
            Restore(2),
            Look(News::Notified),
            Write(2, Text::Lines(1)),
            Crash,
            Start,
            Edit(2),
        ],
        &[
            Write(1, Text::Lines(1)),
            Look(News::Notified),
            Restore(1),
            Reload,
            Write(1, Text::Lines(1)),
            CopyTruncate(1),
            Write(0, Text::Lines(1)),
        ],
        &[
            Write(0, Text::Lines(1)),
            NewFile,
            RotateOut(0),
            Restore(0),
            CopyIn(0),
            Write(1, Text::Lines(2)),
            Look(News::Notified),
            Write(0, Text::Lines(1)),
            Replace(1),
            Restore(0),
            Look(News::Notified),
            Write(0, Text::Lines(3)),
            RotateIn(0),
            CopyIn(2),
            Edit(1),
        ],
        &[
            Write(2, Text::Long),
            Look(News::Notified),
            Restore(2),
            CopyTruncate(2),
            Look(News::Notified),
            Look(News::None),
            Delete(2),
            Reload,
        ],
        // Appended to what was kept before, again and again, in one run and in several.
        &[Write(0, Text::Lines(3)), Archive(0), Write(0, Text::Long), Archive(0), Write(0, Text::Lines(1)), Archive(0)],
        &[Write(0, Text::Lines(3)), Archive(0), Crash, Start, Write(0, Text::Lines(3)), Archive(0), Crash],
    ];
    for script in scripts {
        run(script);
    }
}

#[test]
fn half_a_line_is_not_reported_beside_the_whole_of_it_in_a_copy() {
    for news in [News::Notified, News::Lost, News::None] {
        let script = [
            Write(0, Text::Piece(46)),
            Glance(News::Notified),
            Write(0, Text::Lines(1)),
            CopyTruncate(0),
            Write(0, Text::Calm),
            Look(news),
        ];
        assert_eq!(run(&script), 2, "{news:?}");
    }
    // Nothing has the rest of it.
    assert_eq!(run(&[Write(0, Text::Piece(46)), Glance(News::Notified), Truncate(0), Look(News::Notified)]), 1);
}

#[test]
fn contents_that_were_copied_and_cut_off_between_two_looks_are_found() {
    for news in [News::Notified, News::Lost, News::None] {
        let mut script = vec![Write(0, Text::Lines(1)), Look(News::Notified)];
        for _ in 0..3 {
            script.extend([Write(0, Text::Lines(2)), CopyTruncate(0)]);
        }
        script.push(Look(news));
        assert_eq!(run(&script), 7, "{news:?}");
    }
}

#[test]
fn damage_that_shows_at_the_end_loses_no_position() {
    let mut model = Model::new();
    [Write(0, Text::Lines(2)), Look(News::Notified)].into_iter().for_each(|op| model.step(op));
    let path = model.disk.state().join("paytriage.db");
    let beside = Connection::open(&path).unwrap();
    // Changed by another: what the reader has of it in memory counts no more.
    beside.execute_batch("UPDATE seen SET until_ms = until_ms; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    fs::write(&path, vec![0xa5; fs::metadata(&path).unwrap().len() as usize]).unwrap();
    [Stop, Start, Write(0, Text::Lines(1)), Look(News::Notified)].into_iter().for_each(|op| model.step(op));
    assert_eq!(model.seen.len(), 3);
}
