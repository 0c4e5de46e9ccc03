//! One stack at a time in a data folder: a second one would take the first one's connections for its own, find them gone
//! and delete their rows.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::failure::Failure;

/// A data folder that is in use; the kernel ends the lock with the process, however that ends.
pub(super) struct DataLock {
    _file: File,
}

/// Takes the folder for this process.
pub(super) fn lock(dir: &Path) -> Result<DataLock, Failure> {
    let path = dir.join("lock");
    let cannot = |error: std::io::Error| {
        Failure::no_input(format!(
            "cannot use {}: {error}; choose another folder with --data",
            path.display()
        ))
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(DataLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(Failure::unavailable(format!(
            "{} is in use by another `dunlin up`: stop that one, or choose another folder with --data",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}
