//! Where the parts of a run are.

use std::fs;
use std::path::{Path, PathBuf};

use super::REPORT_JSON;
use crate::LoadError;

/// Parts of one run, at most: those that `--share` takes.
const PARTS_MAX: usize = crate::processes::PROCESSES_MAX as usize;

/// The folders of the parts among these: each is one, or holds some. What an earlier sum left in `out` is none of them.
///
/// # Errors
///
/// `Usage` for a folder without any, for one that is named twice, and for too many.
pub fn parts(folders: &[PathBuf], out: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let out = out.canonicalize().ok();
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let wrong = |what: &str| LoadError::Usage(format!("{}: {what}", folder.display()));
        let whole = folder.canonicalize().map_err(|error| wrong(&error.to_string()))?;
        let mut parts = Vec::new();
        if whole.join(REPORT_JSON).is_file() && Some(&whole) != out.as_ref() {
            parts.push(whole);
        } else {
            let entries = fs::read_dir(&whole).map_err(|error| wrong(&error.to_string()))?;
            let below = entries.filter_map(|entry| entry.ok()?.path().canonicalize().ok());
            parts.extend(below.filter(|path| path.join(REPORT_JSON).is_file() && Some(path) != out.as_ref()));
            // The order in which a folder lists its entries is nobody's.
            parts.sort();
        }
        if parts.is_empty() {
            return Err(wrong(&format!(
                "no part of a run is here: neither {REPORT_JSON} nor folders with one"
            )));
        }
        if let Some(twice) = parts.iter().find(|part| found.contains(part)) {
            return Err(LoadError::Usage(format!(
                "{} is named twice, and would count twice",
                twice.display()
            )));
        }
        found.extend(parts);
        if found.len() > PARTS_MAX {
            return Err(wrong(&format!("with it there are more than {PARTS_MAX} parts")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_or_found_below() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().canonicalize().unwrap().join(name);
        for name in ["part-1", "part-0", "merged", "elsewhere", "empty"] {
            fs::create_dir(path(name)).unwrap();
            if name != "empty" {
                fs::write(path(name).join(REPORT_JSON), "{}").unwrap();
            }
        }
        let found = |folders: &[PathBuf]| parts(folders, &path("merged"));
        let all = found(&[folder.path().to_owned()]).unwrap();
        assert_eq!(all, [path("elsewhere"), path("part-0"), path("part-1")]);
        assert_eq!(found(&[path("part-1"), path("part-0")]).unwrap(), [path("part-1"), path("part-0")]);
        for (folders, expected) in [
            (vec![path("empty")], "empty: no part of a run is here"),
            (vec![path("nowhere")], "nowhere: No such file"),
            (vec![path("part-0"), folder.path().to_owned()], "part-0 is named twice"),
        ] {
            let error = found(&folders).unwrap_err();
            assert!(matches!(error, LoadError::Usage(_)) && error.to_string().contains(expected), "{error}");
        }
    }
}
