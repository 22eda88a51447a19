//! Which unlisted names hold files that were written under a listed one.
//!
//! A busy logger rotates faster than anybody looks: a file can be made, filled and renamed out of its source before
//! it was ever seen. Renames are notified in order, so following them tells such files from all others that lie
//! beside the log. Pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// More names than this are not remembered; then files rotated twice between two looks can be missed.
const MAX_NAMES: usize = 10_000;

/// Unlisted names, each with the listed name its file was written under.
#[derive(Debug, Default)]
pub struct Lineage {
    names: HashMap<PathBuf, PathBuf>,
}

impl Lineage {
    /// A file was renamed; `is_listed` says which names a source means. Returns the listed name it was
    /// written under, if it has left its source.
    pub fn renamed(&mut self, from: &Path, to: &Path, is_listed: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let origin = self.names.remove(from).or_else(|| is_listed(from).then(|| from.to_path_buf()));
        // Whatever was there before is overwritten.
        self.names.remove(to);
        let origin = origin.filter(|_| !is_listed(to))?;
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        self.names.insert(to.to_path_buf(), origin.clone());
        Some(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_files_out_of_the_source_and_no_others() {
        let mut lineage = Lineage::default();
        let mut renamed = |from: &str, to: &str| {
            let origin = lineage.renamed(Path::new(from), Path::new(to), |path| path.ends_with("app.log"));
            origin.map(|path| path.display().to_string())
        };
        let log = Some("/app.log".to_owned());
        // A backup from before is nobody's business, also when it is moved on.
        assert_eq!(renamed("/app.log.1", "/app.log.2"), None);
        assert_eq!(renamed("/app.log", "/app.log.1"), log);
        assert_eq!(renamed("/app.log.2", "/app.log.3"), None);
        assert_eq!(renamed("/app.log.1", "/app.log.2"), log);
        assert_eq!(renamed("/app.log", "/app.log.1"), log);
        // Something else is moved over it.
        assert_eq!(renamed("/other", "/app.log.2"), None);
        assert_eq!(renamed("/app.log.2", "/app.log.3"), None);
        // Back into the source.
        assert_eq!(renamed("/app.log.1", "/app.log"), None);
        assert_eq!(renamed("/app.log", "/x/app.log"), None);
    }
}
