//! Logs that are appended to what was kept of them before, as `cat app.log >> app.log.1; : > app.log` does it: what the
//! original has too is read there, and not again.

use std::fs::File;
use std::io;

use super::kin::is_read;
use crate::daemon::follow::{Follow, reported_up_to};
use crate::pipeline::Checkpoint;
use crate::source::kin::{self, Likeness, Lines, Original};
use crate::source::proof::Proof;
use crate::store::FileState;

/// Compares what a file of this size holds behind what was read of it with one original. `None` if it has nothing to do with that.
///
/// # Errors
/// One of the two cannot be read.
pub(super) fn appended(
    copy: &Follow,
    (file, size): (&File, u64),
    (original, there): (&Follow, &File),
) -> io::Result<Option<(Likeness<FileState>, Original)>> {
    let (own, now) = (copy.to_store(), original.to_store());
    // Two-byte encodings begin with a mark that says so, which has no place in the middle of a file.
    let is_alike = own.checkpoint.unit() == 1 && now.checkpoint.unit() == 1;
    if own.proof.at == 0 || !copy.ends_a_line() || !is_alike {
        return Ok(None);
    }
    let joined = |proof: &Proof| {
        let proof = kin::joined(file, &own.proof, proof)?;
        Ok::<_, io::Error>(proof.map(|proof| {
            let Checkpoint { charset, is_tall, .. } = own.checkpoint;
            let mut state = reported_up_to(proof, &now);
            (state.checkpoint.charset, state.checkpoint.is_tall) = (charset, is_tall);
            state
        }))
    };
    let former = original.former().map_or(Ok(None), |former| joined(&former.proof))?;
    let found = if let Some(state) = former {
        Likeness::Former(state)
    } else if let Some(state) = joined(&now.proof)? {
        Likeness::Current(state)
    } else if let Lines::Beginning(proof) = kin::lines((file, own.proof.at..size), there, 1)?
        && original.is_as_read(there)?
        && let Some(state) = joined(&proof)?
    {
        Likeness::Beginning(state)
    } else if let Some(before) = original.formerly_at(|proof| Ok(joined(proof)?.is_some()))?
        && let Some(state) = joined(&before.proof)?
    {
        Likeness::FormerBeginning(state)
    } else {
        return Ok(None);
    };
    Ok(Some((found, is_read(original, there)?)))
}
