//! What people read: events grouped for the eye, on a terminal or in a pipe.
//!
//! Nothing from outside reaches the terminal but through [`visible`].

mod visible;

pub use visible::visible;
