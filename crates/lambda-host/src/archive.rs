use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use zip::{ZipArchive, read::ZipFile, result::ZipError};

use dunlin_events::limits::FUNCTION_CODE_BYTES_MAX;

use crate::{error::CodeError, limits::ARCHIVE_ENTRIES_MAX};

/// Bytes of a symbolic link's target: the system's longest path.
const LINK_TARGET_BYTES_MAX: u64 = 4_096;

/// Unpacks a code archive into an empty folder of ours. Nothing is written outside that folder, and the
/// bytes are counted as they come: what the archive says about sizes is not believed.
pub(crate) fn unpack(archive: &Path, root: &Path) -> Result<(), CodeError> {
    Unpack { archive, root, bytes_left: FUNCTION_CODE_BYTES_MAX, links: Vec::new() }.run()
}

/// Whether the archive contains an executable `bootstrap`, without unpacking it.
pub(crate) fn check(archive: &Path) -> Result<(), CodeError> {
    let mut entries = open(archive)?;
    let bootstrap = entries.by_name("bootstrap").map_err(|error| match error {
        ZipError::FileNotFound => CodeError::NoBootstrap { code: archive.to_owned() },
        error => damaged(archive, &error),
    })?;
    if mode(&bootstrap) & 0o111 == 0 {
        return Err(CodeError::NotExecutableInArchive { archive: archive.to_owned() });
    }
    Ok(())
}

struct Unpack<'a> {
    archive: &'a Path,
    root: &'a Path,
    bytes_left: u64,
    links: Vec<(PathBuf, PathBuf)>,
}

impl Unpack<'_> {
    fn run(mut self) -> Result<(), CodeError> {
        let mut entries = open(self.archive)?;
        if entries.len() > ARCHIVE_ENTRIES_MAX {
            return Err(CodeError::ArchiveTooLarge { path: self.archive.to_owned() });
        }
        for index in 0..entries.len() {
            let mut entry = entries.by_index(index).map_err(|error| damaged(self.archive, &error))?;
            self.entry(&mut entry)?;
        }
        self.make_links()
    }

    fn entry<R: Read>(&mut self, entry: &mut ZipFile<'_, R>) -> Result<(), CodeError> {
        let Some(inside) = entry.enclosed_name() else {
            return Err(self.escapes(&String::from_utf8_lossy(entry.name_raw())));
        };
        let path = self.root.join(inside);
        if entry.is_dir() {
            return fs::create_dir_all(&path).map_err(|source| unreadable(&path, source));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| unreadable(parent, source))?;
        }
        if entry.is_symlink() {
            let mut target = String::new();
            entry.take(LINK_TARGET_BYTES_MAX).read_to_string(&mut target).map_err(|error| {
                damaged(self.archive, &format!("the symbolic link {} is no text: {error}", path.display()))
            })?;
            self.links.push((path, PathBuf::from(target)));
            return Ok(());
        }
        self.file(entry, &path)
    }

    fn file<R: Read>(&mut self, entry: &mut ZipFile<'_, R>, path: &Path) -> Result<(), CodeError> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| unreadable(path, source))?;
        let permissions = Permissions::from_mode(mode(entry) & 0o777 | 0o600);
        // One byte more than may come tells "too large" from "exactly as large as allowed".
        let written = io::copy(&mut entry.take(self.bytes_left + 1), &mut file)
            .map_err(|error| damaged(self.archive, &error))?;
        self.bytes_left = self
            .bytes_left
            .checked_sub(written)
            .ok_or_else(|| CodeError::ArchiveTooLarge { path: self.archive.to_owned() })?;
        file.set_permissions(permissions).map_err(|source| unreadable(path, source))
    }

    /// Links come last, so that no entry is written through one; and each only where its folder really is inside.
    fn make_links(self) -> Result<(), CodeError> {
        let root = self.root.canonicalize().map_err(|source| unreadable(self.root, source))?;
        for (path, target) in &self.links {
            let parent = path.parent().unwrap_or(&root);
            let parent = parent.canonicalize().map_err(|source| unreadable(parent, source))?;
            if !parent.starts_with(&root) {
                return Err(self.escapes(&path.strip_prefix(self.root).unwrap_or(path).to_string_lossy()));
            }
            symlink(target, path).map_err(|source| unreadable(path, source))?;
        }
        Ok(())
    }

    fn escapes(&self, entry: &str) -> CodeError {
        CodeError::ArchiveEscapes { path: self.archive.to_owned(), entry: entry.to_owned() }
    }
}

fn open(archive: &Path) -> Result<ZipArchive<File>, CodeError> {
    let file = File::open(archive).map_err(|source| unreadable(archive, source))?;
    ZipArchive::new(file).map_err(|error| damaged(archive, &error))
}

/// An archive made where files have no mode is taken as the service takes it: readable, not executable.
fn mode<R: Read>(entry: &ZipFile<'_, R>) -> u32 {
    entry.unix_mode().unwrap_or(0o644)
}

fn damaged(archive: &Path, reason: &dyn ToString) -> CodeError {
    CodeError::Archive { path: archive.to_owned(), reason: reason.to_string() }
}

fn unreadable(path: &Path, source: io::Error) -> CodeError {
    CodeError::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::TempDir;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// An archive of `(name, mode, content)`; a mode with the bits of a link makes one.
    fn archive(folder: &TempDir, entries: &[(&str, u32, &[u8])]) -> PathBuf {
        let path = folder.path().join("code.zip");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        for (name, mode, content) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            if *mode == 0o120_777 {
                writer.add_symlink(*name, std::str::from_utf8(content).unwrap(), options).unwrap();
            } else {
                writer.start_file(*name, options).unwrap();
                writer.write_all(content).unwrap();
            }
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn files_keep_their_mode_and_links_are_made() {
        let folder = TempDir::new().unwrap();
        let path = archive(
            &folder,
            &[
                ("bootstrap", 0o755, b"#!/bin/sh\n"),
                ("lib/a.txt", 0o644, b"a"),
                ("lib/b.txt", 0o120_777, b"a.txt"),
            ],
        );
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        check(&path).unwrap();
        unpack(&path, &root).unwrap();
        assert_eq!(fs::metadata(root.join("bootstrap")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read(root.join("lib/b.txt")).unwrap(), b"a");
    }

    #[test]
    fn nothing_lands_outside() {
        let file = ("../evil", 0o644, b"x".as_slice());
        let links = [("out", 0o120_777, b"..".as_slice()), ("out/evil", 0o120_777, b"target".as_slice())];
        for entries in [vec![file], links.to_vec()] {
            let folder = TempDir::new().unwrap();
            let path = archive(&folder, &entries);
            let root = folder.path().join("root");
            fs::create_dir(&root).unwrap();
            assert!(unpack(&path, &root).is_err(), "{entries:?}");
            assert!(!folder.path().join("evil").exists(), "{entries:?}");
        }
    }

    #[test]
    fn an_archive_without_a_usable_bootstrap_is_named() {
        let folder = TempDir::new().unwrap();
        let path = archive(&folder, &[("readme", 0o644, b"")]);
        assert_eq!(
            check(&path).unwrap_err().to_string(),
            format!(
                "{} contains no `bootstrap`; put the function's executable there under that name",
                path.display()
            )
        );
        let path = archive(&folder, &[("bootstrap", 0o644, b"")]);
        assert!(matches!(check(&path), Err(CodeError::NotExecutableInArchive { .. })));
        fs::write(&path, b"not an archive").unwrap();
        assert!(matches!(check(&path), Err(CodeError::Archive { .. })));
    }
}
