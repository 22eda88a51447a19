//! Where reading has stopped in a content of a file, between two lines: a copy that was made at such a moment ends there.

use std::collections::VecDeque;
use std::io;

use crate::pipeline::Checkpoint;
use crate::source::proof::Proof;
use crate::store::FileState;

/// So many places are remembered, the latest ones.
const MAX: usize = 8;

#[derive(Debug, Default)]
pub struct Trail(VecDeque<Proof>);

impl Trail {
    pub fn stopped(&mut self, proof: Proof) {
        if self.0.len() >= MAX {
            self.0.pop_front();
        }
        self.0.push_back(proof);
    }

    /// The furthest place for which `is_proven`.
    ///
    /// # Errors
    /// As `is_proven`.
    pub fn furthest(&self, is_proven: impl Fn(&Proof) -> io::Result<bool>) -> io::Result<Option<&Proof>> {
        for proof in self.0.iter().rev() {
            if is_proven(proof)? {
                return Ok(Some(proof));
            }
        }
        Ok(None)
    }
}

/// A place in a file up to which all was reported, as it was in `state` of the same file.
pub fn reported_up_to(proof: Proof, state: &FileState) -> FileState {
    let FileState { key, generation, ref path, ref checkpoint, .. } = *state;
    let Checkpoint { charset, is_tall, .. } = *checkpoint;
    let checkpoint = Checkpoint { offset: proof.at, done: proof.at, charset, is_tall, ..Checkpoint::default() };
    FileState { key, generation, path: path.clone(), proof, checkpoint, unread_to: None }
}
