//! Which build this is: what `--version`, `paytriage_build_info` and bug reports say of it.
//!
//! All of it is fixed when the program is built, from the source and the compiler alone, so that building the same again gives
//! the same; a commit is named only where whoever packages it says which (`PAYTRIAGE_COMMIT`).

use std::sync::LazyLock;

use crate::{store, wire};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
pub const COMMIT: &str = env!("PAYTRIAGE_COMMIT");
pub const TARGET: &str = env!("PAYTRIAGE_TARGET");
pub const RUSTC: &str = env!("PAYTRIAGE_RUSTC");
/// Of the built-in catalogue: another one as soon as any of its words is.
pub const CATALOG: &str = env!("PAYTRIAGE_CATALOG");
const CATALOG_SIZE: &str = env!("PAYTRIAGE_CATALOG_SIZE");

/// What `paytriage --version` prints after the name.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let (events, state) = (wire::EVENT_SCHEMA, store::FORMAT);
        format!(
            "{VERSION}\ncommit     {COMMIT}\ntarget     {TARGET}\nrustc      {RUSTC}\n\
             catalogue  {CATALOG} ({CATALOG_SIZE})\nevents     {events}\nstate      format {state}"
        )
    });
    LONG.as_str()
}
