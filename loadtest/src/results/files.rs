//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::LoadError;

/// Largest file that is read: an interval log of a day with eight series, and room beyond. More is no file of ours.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Makes the folder of a run and makes sure that files can be written there.
///
/// # Errors
///
/// `Output`, naming the folder and the reason.
pub fn prepare(folder: &Path) -> Result<(), LoadError> {
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    let probe = aside(&folder.join("probe"));
    fs::write(&probe, b"can this be written?\n").map_err(|error| cannot_write(folder, &error))?;
    fs::remove_file(&probe).map_err(|error| cannot_write(folder, &error))
}

/// Writes a file under another name, and renames it once all of it is on the disk: who finds it, finds all of it, and
/// what was there stays if there is no room.
///
/// # Errors
///
/// `Output`, naming the file and the reason.
pub(super) fn write(
    file: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), LoadError> {
    let aside = aside(file);
    let written = || {
        let mut out = io::BufWriter::new(fs::File::create(&aside)?);
        fill(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&aside, file)
    };
    written().map_err(|error| {
        // It may not exist.
        let _ = fs::remove_file(&aside);
        cannot_write(file, &error)
    })
}

/// A file as text.
///
/// # Errors
///
/// `Usage`, naming the file and the reason.
pub(super) fn read(file: &Path) -> Result<String, LoadError> {
    let cannot_read = |reason: String| LoadError::Usage(format!("cannot read {}: {reason}", file.display()));
    let bytes = fs::metadata(file).map_err(|error| cannot_read(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(cannot_read(format!("it has {bytes} bytes, more than any file of a run")));
    }
    fs::read_to_string(file).map_err(|error| cannot_read(error.to_string()))
}

fn cannot_write(what: &Path, error: &io::Error) -> LoadError {
    LoadError::Output(format!("cannot write {}: {error}", what.display()))
}

/// The name that a file has until it is whole: the process's own, since several may write to one folder.
fn aside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        write(&file, |out| out.write_all(b"one")).unwrap();
        let failed = write(&file, |out| {
            out.write_all(b"two")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        let error = failed.unwrap_err();
        assert!(matches!(error, LoadError::Output(_)), "{error}");
        assert_eq!(error.to_string(), format!("cannot write {}: no storage space", file.display()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_is_refused_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        prepare(&folder.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = prepare(&file.join("run")).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        assert_eq!(error.exit_code(), crate::exit::CANT_CREATE);
    }
}
