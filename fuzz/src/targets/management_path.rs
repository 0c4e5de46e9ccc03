//! The path of a management call.

use std::sync::LazyLock;

use dunlin_gateway::fuzzing::ManagementPaths;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "management_path",
    run,
    words: &[
        b"/dev",
        b"/@connections",
        b"/%40connections",
        b"/",
        b"Zk3pQdXMDoECEeg=",
        b"Zk3pQdXMDoECEeg%3D",
        b"%2F",
        b"%",
        b"%ff",
        b"%00",
        b"..",
        b"?",
        b"@",
    ],
    input_bytes_max: 512,
};

static PATHS: LazyLock<ManagementPaths> = LazyLock::new(ManagementPaths::default);

fn run(bytes: &[u8]) {
    let path = String::from_utf8_lossy(bytes);
    let Some((id, is_well_formed)) = PATHS.connection(&path) else { return };
    assert!(!id.is_empty() && path.matches('/').count() == 3, "{path}");
    assert!(!is_well_formed || id.len() == 16, "{id}");
    // C6: however it is encoded.
    let encoded = utf8_percent_encode(&id, NON_ALPHANUMERIC);
    assert_eq!(PATHS.connection(&format!("/dev/%40connections/{encoded}")), Some((id, is_well_formed)));
}
