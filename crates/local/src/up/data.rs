//! What outlives a process: the user's data folder (certificate authority), and the folder of `--data`.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// `$XDG_DATA_HOME/dunlin`, else `~/.local/share/dunlin`.
pub(crate) fn user_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("dunlin"))
}

/// The certificate that clients are to trust.
pub(crate) fn authority_file() -> Option<PathBuf> {
    Some(user_dir()?.join("ca.pem"))
}

/// Makes a folder that only its owner may enter.
pub(super) fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| cannot("create", dir, &error))
}

/// Reads a file; `None` if there is none.
pub(super) fn read(file: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", file, &error)),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(file: &Path, text: &str) -> Result<(), Failure> {
    let write = || fs::rename(write_partial(file, text)?, file);
    write().map_err(|error| cannot("write", file, &error))
}

/// Writes a file that only its owner may read, unless there is one already: then that one stays, and this is `false`.
pub(super) fn write_first(file: &Path, text: &str) -> Result<bool, Failure> {
    let write = || {
        let partial = write_partial(file, text)?;
        // Unlike a rename, a link never takes another file's place.
        let linked = fs::hard_link(&partial, file);
        fs::remove_file(&partial)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        }
    };
    write().map_err(|error| cannot("write", file, &error))
}

fn write_partial(file: &Path, text: &str) -> io::Result<PathBuf> {
    let partial = partial_name(file);
    let mut out =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    out.write_all(text.as_bytes())?;
    Ok(partial)
}

/// Beside the file, so that the rename stays on one file system; with our process id, so that two stacks do not meet.
fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    file.with_file_name(name)
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::no_input(format!("cannot {what} {}: {error}", path.display()))
}
