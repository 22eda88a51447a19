//! The catalogue in force: the built-in one, with the user's own files, without what is disabled.

use std::io;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use walkdir::WalkDir;

use crate::catalog::{Catalog, DisableError, Problem};
use crate::config::CatalogConfig;

/// One reason why the configured catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("{}: cannot read the catalogue: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("{0}")]
    Invalid(Problem),
    #[error("catalog.disable: {0}")]
    Disable(DisableError),
}

/// Loads the catalogue that the configuration asks for. A glob's files are applied in the order of their names.
///
/// # Errors
/// Everything that is wrong with files that cannot be read, or else with their entries, or else with ids.
pub fn catalog_in_force(config: &CatalogConfig) -> Result<Catalog, Vec<CatalogError>> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for file in config.extra.iter().flat_map(|pattern| files_of(pattern)) {
        match std::fs::read_to_string(&file) {
            Ok(text) => files.push((file.display().to_string(), text)),
            Err(error) => errors.push(CatalogError::Unreadable { file, error }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let all = |errors: Vec<Problem>| errors.into_iter().map(CatalogError::Invalid).collect::<Vec<_>>();
    let catalog = Catalog::builtin().with_files(&files).map_err(all)?;
    catalog.without(&config.disable).map_err(|errors| errors.into_iter().map(CatalogError::Disable).collect())
}

/// The files that a path or a glob names, sorted. A path without wildcards names its file even where none is,
/// so that reading it says so.
pub(super) fn files_of(pattern: &str) -> Vec<PathBuf> {
    let wildcard = pattern.find(['*', '?', '[', '{']);
    let (Some(wildcard), false) = (wildcard, Path::new(pattern).is_file()) else { return vec![pattern.into()] };
    // The configuration has checked it.
    let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() else { return Vec::new() };
    let matcher = glob.compile_matcher();
    let base_end = pattern[..wildcard].rfind('/').map_or(0, |slash| slash + 1);
    let (base, rest) = pattern.split_at(base_end);
    let depth = if rest.contains("**") { usize::MAX } else { rest.split('/').count() };
    let walk = WalkDir::new(if base.is_empty() { "." } else { base }).max_depth(depth).sort_by_file_name();
    let paths = walk.into_iter().filter_map(Result::ok).map(walkdir::DirEntry::into_path);
    let name =
        |path: PathBuf| if base.is_empty() { path.strip_prefix(".").map(Path::to_owned).unwrap_or(path) } else { path };
    paths.map(name).filter(|path| matcher.is_match(path) && path.is_file()).collect()
}
