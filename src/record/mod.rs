//! Records: where they begin and end, and what their text is.
//!
//! Only the surroundings of hits are framed and decoded. Pure; no input makes it fail.

pub mod charset;
pub mod frame;
mod iso;
pub mod key;
mod level;
mod line;
mod text;
mod time;
mod unescape;
mod unfinished;
pub mod utf16;
pub mod words;

pub use charset::{Charset, Encoding};
pub use level::{Level, level};
pub use text::Text;
pub use time::time;
pub use unfinished::will_go_on;
