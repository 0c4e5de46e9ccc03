//! The functions' programs against the system that they are deployed on.

use std::path::Path;

use object::{
    Endianness,
    elf::{self, FileHeader64},
    read::elf::{Dyn as _, FileHeader as _},
};

use crate::stack::root;

/// The glibc of Amazon Linux 2023, on which `provided.al2023` stands.
const GLIBC: [u32; 2] = [2, 34];

/// The libraries that `provided.al2023` has and a Rust program may need.
const LIBRARIES: [&str; 5] =
    ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

#[test]
fn programs_start_on_the_system_of_the_service() {
    for program in [
        "infra/.build/notify/bootstrap",
        "examples/echo/.build/echo/bootstrap",
        "examples/rooms/.build/rooms/bootstrap",
    ] {
        let path = root().join(program);
        let needs = Needs::of(&path);
        assert!(needs.libraries.iter().any(|library| library == "libc.so.6"), "{program}: {needs:?}");
        for library in &needs.libraries {
            assert!(
                LIBRARIES.contains(&library.as_str()),
                "{program} needs {library}, which provided.al2023 lacks: let the crate that links it bring or drop it"
            );
        }
        for version in &needs.glibc {
            assert!(
                numbers(version).is_some_and(|numbers| numbers <= GLIBC.to_vec()),
                "{program} needs {version}, and the glibc of provided.al2023 is {GLIBC:?}: build it where glibc is not \
                 newer, as infra/README.md says"
            );
        }
        assert!(!needs.glibc.is_empty(), "{program} needs libc.so.6, and some version of it");
    }
}

/// What the loader looks for before it runs a program.
#[derive(Debug, Default)]
struct Needs {
    libraries: Vec<String>,
    /// Versions of glibc's interface without which the loader refuses the program. Those that only weak symbols ask for
    /// are not among them: the loader goes on without, and the standard library has another way then.
    glibc: Vec<String>,
}

impl Needs {
    fn of(path: &Path) -> Self {
        let data = std::fs::read(path)
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask build`", path.display()));
        Self::read(&data).unwrap_or_else(|error| panic!("{} is no program: {error}", path.display()))
    }

    fn read(data: &[u8]) -> object::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut needs = Needs::default();
        if let Some((entries, strings)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
                needs.libraries.push(text(entry.string(endian, strings)?));
            }
        }
        if let Some((mut files, strings)) = sections.gnu_verneed(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            while let Some((_, mut versions)) = files.next()? {
                while let Some(version) = versions.next()? {
                    let name = text(version.name(endian, strings)?);
                    let weak = version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK);
                    if name.starts_with("GLIBC_") && !weak {
                        needs.glibc.push(name);
                    }
                }
            }
        }
        Ok(needs)
    }
}

/// `GLIBC_2.34` in numbers. Names such as `GLIBC_ABI_DT_RELR` have none, and came later.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.strip_prefix("GLIBC_")?.split('.').map(|number| number.parse().ok()).collect()
}

#[test]
fn versions_compare_by_number() {
    assert!(numbers("GLIBC_2.2.5").unwrap() < GLIBC.to_vec());
    assert!(numbers("GLIBC_2.34").unwrap() == GLIBC);
    assert!(numbers("GLIBC_2.100").unwrap() > GLIBC.to_vec());
    assert_eq!(numbers("GLIBC_PRIVATE"), None);
}
