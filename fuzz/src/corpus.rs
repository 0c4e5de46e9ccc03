//! The seeds: small inputs that mean something, each a file in `corpus/{target}/`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::Target;

/// Where a target's seeds are.
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// A target's seeds, in the order of their names.
///
/// # Errors
/// If the folder or a file cannot be read.
pub fn seeds(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut files = fs::read_dir(folder(target))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.into_iter().map(fs::read).collect()
}
