//! What can happen to logs and to their reader, in any order.

use proptest::prelude::*;

/// What is written in one go.
#[derive(Debug, Clone, Copy)]
pub enum Text {
    /// So many whole lines, each a failure.
    Lines(u8),
    /// A failure that ends with CRLF.
    Crlf,
    /// A line in which nothing failed.
    Calm,
    /// The first part of a failure's line, so many percent of it; the next text on this file begins with the rest.
    Piece(u8),
    /// A line that belongs to the record before it.
    Continuation,
    /// A failure in a line longer than what is looked at.
    Long,
    /// Zeros, as a truncation under a writer leaves them, and a failure right behind them.
    Zeros,
    /// A failure with bytes that are no text.
    Garbage,
}

/// How the reader learns of what happened since it last looked.
#[derive(Debug, Clone, Copy)]
pub enum News {
    Notified,
    /// Notifications were lost.
    Lost,
    /// There are none; it looks when it is time to.
    None,
}

/// One step. Files are named by a number.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    Write(u8, Text),
    /// A program that has not noticed the rotation writes to the file that was rotated last.
    WriteLate,
    /// To a name outside the source.
    RotateOut(u8),
    /// To another name of the source.
    RotateIn(u8),
    /// The copy has a name outside the source.
    CopyTruncate(u8),
    /// A copy with a name of the source, which the reader looks at before it is whole.
    CopyIn(u8),
    /// It is appended to what was kept of it before, under a name of the source, and truncated.
    Archive(u8),
    /// A copy takes its name, after the reader has looked at it, as `sed -i` does it.
    Edit(u8),
    Truncate(u8),
    Delete(u8),
    /// Another file takes the name.
    Replace(u8),
    /// A copy of it takes the name, as a restore does it.
    Restore(u8),
    /// A second name in the source.
    HardLink(u8),
    /// In a new directory.
    NewFile,
    /// The reader looks, reads to the end and stores.
    Look(News),
    /// The reader has one round, whatever it gets done.
    Glance(News),
    /// So many seconds pass.
    Wait(u16),
    Reload,
    /// The process ends without storing anything more.
    Crash,
    Stop,
    Start,
}

pub const N_FILES: u8 = 3;

pub fn script() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 1..40)
}

fn op() -> impl Strategy<Value = Op> {
    let file = || 0..N_FILES;
    let text = prop_oneof![
        6 => (1..4u8).prop_map(Text::Lines),
        2 => Just(Text::Crlf),
        2 => Just(Text::Calm),
        4 => (1..100u8).prop_map(Text::Piece),
        2 => Just(Text::Continuation),
        1 => Just(Text::Long),
        1 => Just(Text::Zeros),
        1 => Just(Text::Garbage),
    ];
    let news = || prop_oneof![4 => Just(News::Notified), 1 => Just(News::Lost), 2 => Just(News::None)];
    prop_oneof![
        12 => (file(), text).prop_map(|(file, text)| Op::Write(file, text)),
        2 => Just(Op::WriteLate),
        4 => file().prop_map(Op::RotateOut),
        2 => file().prop_map(Op::RotateIn),
        2 => file().prop_map(Op::CopyTruncate),
        2 => file().prop_map(Op::CopyIn),
        1 => file().prop_map(Op::Archive),
        1 => file().prop_map(Op::Edit),
        2 => file().prop_map(Op::Truncate),
        2 => file().prop_map(Op::Delete),
        1 => file().prop_map(Op::Replace),
        1 => file().prop_map(Op::Restore),
        1 => file().prop_map(Op::HardLink),
        1 => Just(Op::NewFile),
        6 => news().prop_map(Op::Look),
        4 => news().prop_map(Op::Glance),
        1 => prop::sample::select(vec![6, 11, 61, 301]).prop_map(Op::Wait),
        1 => Just(Op::Reload),
        2 => Just(Op::Crash),
        1 => Just(Op::Stop),
        4 => Just(Op::Start),
    ]
}
