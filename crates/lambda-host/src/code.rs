use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{archive, error::CodeError};

/// A function's code: a folder with a `bootstrap`, or a `.zip` that is unpacked when it is first needed.
pub(crate) struct Code {
    path: PathBuf,
    /// The archive as it was last unpacked. The lock lets cold starts that begin together unpack once.
    unpacked: Mutex<Option<(Fingerprint, Arc<TempDir>)>>,
}

/// What an environment is started from.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `LAMBDA_TASK_ROOT` and the working directory.
    pub(crate) task_root: PathBuf,
    pub(crate) bootstrap: PathBuf,
    pub(crate) fingerprint: Fingerprint,
    /// Keeps an unpacked archive on disk for as long as an environment runs from it.
    _unpacked: Option<Arc<TempDir>>,
}

/// Tells one build of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Code {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, unpacked: Mutex::new(None) }
    }

    /// Of the `bootstrap` or the archive as it is now; `None` while there is none, as in the middle of a build.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        let watched = if self.is_archive() { self.path.clone() } else { self.path.join("bootstrap") };
        fs::metadata(watched).ok().map(|metadata| Fingerprint::of(&metadata))
    }

    /// Whether a cold start would find something to start.
    ///
    /// # Errors
    /// Says what is missing, where, and what to do.
    pub(crate) fn check(&self) -> Result<(), CodeError> {
        if self.look()?.is_dir() { check_bootstrap(&self.path).map(drop) } else { archive::check(&self.path) }
    }

    /// Finds the `bootstrap`, unpacking the archive if this version of it is not unpacked yet.
    pub(crate) async fn prepare(self: &Arc<Self>) -> Result<Prepared, CodeError> {
        let code = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let metadata = code.look()?;
            if metadata.is_dir() { code.prepare_folder() } else { code.prepare_archive(&metadata) }
        })
        .await
        .unwrap_or_else(|error| {
            Err(CodeError::Unreadable { path: self.path.clone(), source: io::Error::other(error) })
        })
    }

    fn prepare_folder(&self) -> Result<Prepared, CodeError> {
        let task_root = self.path.canonicalize().map_err(|source| unreadable(&self.path, source))?;
        let metadata = check_bootstrap(&self.path)?;
        Ok(Prepared {
            bootstrap: task_root.join("bootstrap"),
            task_root,
            fingerprint: Fingerprint::of(&metadata),
            _unpacked: None,
        })
    }

    fn prepare_archive(&self, metadata: &Metadata) -> Result<Prepared, CodeError> {
        let fingerprint = Fingerprint::of(metadata);
        let mut unpacked = self.unpacked.blocking_lock();
        let folder = match &*unpacked {
            Some((known, folder)) if *known == fingerprint => Arc::clone(folder),
            _ => {
                archive::check(&self.path)?;
                // A folder that only this user may enter.
                let folder = tempfile::Builder::new()
                    .prefix("dunlin-function-")
                    .tempdir()
                    .map_err(|source| unreadable(&std::env::temp_dir(), source))?;
                archive::unpack(&self.path, folder.path())?;
                let folder = Arc::new(folder);
                *unpacked = Some((fingerprint, Arc::clone(&folder)));
                folder
            }
        };
        let task_root = folder.path().canonicalize().map_err(|source| unreadable(folder.path(), source))?;
        Ok(Prepared {
            bootstrap: task_root.join("bootstrap"),
            task_root,
            fingerprint,
            _unpacked: Some(folder),
        })
    }

    fn look(&self) -> Result<Metadata, CodeError> {
        let metadata = fs::metadata(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CodeError::Missing { path: self.path.clone() },
            _ => unreadable(&self.path, source),
        })?;
        if metadata.is_dir() || (metadata.is_file() && self.is_archive()) {
            Ok(metadata)
        } else {
            Err(CodeError::NeitherFolderNorZip { path: self.path.clone() })
        }
    }

    fn is_archive(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
            && !self.path.is_dir()
    }
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }
}

fn check_bootstrap(folder: &Path) -> Result<Metadata, CodeError> {
    let path = folder.join("bootstrap");
    let metadata = fs::metadata(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CodeError::NoBootstrap { code: folder.to_owned() },
        _ => unreadable(&path, source),
    })?;
    if !metadata.is_file() {
        return Err(CodeError::BootstrapNotAFile { path });
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(CodeError::NotExecutable { path });
    }
    Ok(metadata)
}

fn unreadable(path: &Path, source: io::Error) -> CodeError {
    CodeError::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sentence(path: &Path, sentence: &str) {
        assert_eq!(Code::new(path.to_owned()).check().unwrap_err().to_string(), sentence);
    }

    #[test]
    fn each_kind_of_unusable_code_has_its_sentence() {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let text = path.display();
        check_sentence(
            &path.join("none"),
            &format!("there is no code at {text}/none; build the function, or correct its CodeUri"),
        );
        check_sentence(
            path,
            &format!("{text} contains no `bootstrap`; put the function's executable there under that name"),
        );
        fs::write(path.join("bootstrap"), "").unwrap();
        check_sentence(path, &format!("{text}/bootstrap is not executable; run `chmod +x {text}/bootstrap`"));
        check_sentence(
            &path.join("bootstrap"),
            &format!(
                "{text}/bootstrap is neither a folder nor a .zip file; point CodeUri at one that contains `bootstrap`"
            ),
        );
        fs::remove_file(path.join("bootstrap")).unwrap();
        fs::create_dir(path.join("bootstrap")).unwrap();
        check_sentence(
            path,
            &format!("{text}/bootstrap is not a file; `bootstrap` has to be the function's executable"),
        );
    }

    #[test]
    fn a_new_build_has_a_new_fingerprint() {
        let folder = TempDir::new().unwrap();
        let code = Code::new(folder.path().to_owned());
        assert_eq!(code.fingerprint(), None);
        fs::write(folder.path().join("bootstrap"), "one").unwrap();
        let first = code.fingerprint().unwrap();
        assert_eq!(code.fingerprint(), Some(first));
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("bootstrap")).unwrap();
        assert_ne!(code.fingerprint(), Some(first));
    }
}
