//! `dunlin up` with the suite's template, changed or not.

use std::path::{Path, PathBuf};

use dunlin_conformance::{Site, local::LocalStack};
use tempfile::TempDir;

/// The suite's template.
pub(crate) const TEMPLATE: &str = include_str!("../../template.yaml");

/// A running stack, and what it runs.
pub(crate) struct Stack {
    pub(crate) running: LocalStack,
    pub(crate) site: Site,
    _folder: TempDir,
}

impl Stack {
    /// Starts one with this template.
    pub(crate) async fn start(template: &str) -> Self {
        let (folder, file) = placed(template);
        let (running, site) = LocalStack::start(&program("dunlin"), &file).await.unwrap();
        Stack { running, site, _folder: folder }
    }

    pub(crate) async fn stop(self) {
        let status = self.running.stop().await.unwrap();
        assert!(status.success(), "dunlin ended with {status}");
    }
}

/// A folder with this template, and the probe where it looks for it.
fn placed(template: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let code = folder.path().join(".build/conformance-probe");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_conformance-probe"), code.join("bootstrap")).unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, template).unwrap();
    (folder, file)
}

/// A program of the workspace, built with these tests by `cargo xtask test`.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_conformance-probe")).with_file_name(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`, which builds it", path.display());
    path
}
