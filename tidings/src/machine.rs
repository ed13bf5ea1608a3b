//! What the machine gives this process: open files and room on the disk.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files: the limit in force and the most it can be raised to. `None` is "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// In force.
    pub(crate) soft: Option<u64>,
    /// The most a process without rights can ask for.
    pub(crate) hard: Option<u64>,
}

/// The limit on open files as it is.
pub(crate) fn open_files() -> OpenFiles {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    OpenFiles { soft: current, hard: maximum }
}

/// Raises the limit in force to the most there is (each connection is a file). What came of it is said later, by
/// [`Raised::say`], so that a start that fails says one line only.
pub(crate) fn raise_open_files() -> Raised {
    let before = open_files();
    let outcome = setrlimit(Resource::Nofile, Rlimit { current: before.hard, maximum: before.hard });
    Raised { before, outcome: outcome.map_err(Into::into) }
}

/// What came of raising the limit.
#[derive(Debug)]
pub(crate) struct Raised {
    before: OpenFiles,
    outcome: std::io::Result<()>,
}

impl Raised {
    /// Says both limits in the log; `None` is "no limit".
    pub(crate) fn say(&self) {
        let OpenFiles { soft, hard } = self.before;
        match &self.outcome {
            Ok(()) => tracing::info!(soft_before = ?soft, soft = ?open_files().soft, ?hard, "open file limit raised"),
            Err(error) => tracing::warn!(?soft, ?hard, %error, "open file limit not raised"),
        }
    }
}

/// Bytes an ordinary process can still write to the disk that holds `folder`.
///
/// # Errors
/// As `statvfs(3)`: the folder is missing or cannot be read.
pub(crate) fn disk_free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Bytes of the disk that holds `folder`, used or not.
///
/// # Errors
/// As `statvfs(3)`: the folder is missing or cannot be read.
pub(crate) fn disk_size_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::{disk_free_bytes, disk_size_bytes, open_files, raise_open_files};

    #[test]
    fn a_disk_has_no_more_room_than_it_is_large() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let free = disk_free_bytes(folder.path()).expect("the folder is there");
        let size = disk_size_bytes(folder.path()).expect("the folder is there");
        assert!(free > 0 && free <= size, "free {free}, size {size}");
        assert!(disk_free_bytes(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn the_limit_in_force_becomes_the_highest() {
        raise_open_files().outcome.expect("a process may raise its limit to the highest");
        assert_eq!(open_files().soft, open_files().hard);
    }
}
