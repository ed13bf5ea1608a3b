//! The data folder: everything of an embedded installation, used by one process at a time.
//!
//! It protects yesterday's messages from three things: two processes on one log (a lock that ends with the process,
//! however it ends), an older program on a newer folder (a format number in `version`), and a folder that was meant for
//! something else (a folder with files but without `version` is left alone).
//!
//! Never deletes or rewrites anything it did not make itself. `endpoints.json` says where the running process listens:
//! it is there from the end of the start to the end of the drain, and a start removes what a crash left.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::machine;
use crate::parts::{Drained, Part};

/// The format this program reads and writes. Grows with each change that an older program would misread.
const DATA_VERSION: u32 = 1;

/// Says where the running process listens.
const ENDPOINTS_NAME: &str = "endpoints.json";

/// Where a running `tidings dev` listens, for `doctor`, tests and other tools. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Process id.
    pub(crate) pid: u32,
    /// Page, API and socket.
    pub(crate) url: String,
    /// `/livez`, `/readyz`, `/startupz`.
    pub(crate) internal_url: String,
    /// The child nats-server.
    pub(crate) nats_url: String,
    /// Its monitoring port.
    pub(crate) nats_monitor_url: String,
}

/// A data folder that this process holds. The lock ends with it.
#[derive(Debug)]
pub(crate) struct DataFolder {
    /// Absolute and without links, so that it can be recognised in a command line.
    path: PathBuf,
    /// Locked from the first look at the folder to the end of the process; holds the process id for the other's message.
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// Another process holds it.
    #[error(
        "{} is in use by another tidings{}: stop that one, or give this one a folder of its own with --data",
        path.display(),
        holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Process id of the holder, when it can be read.
        holder: Option<u32>,
    },
    /// A newer program wrote it.
    #[error(
        "{} was written by a newer tidings (its data version is {found}, this program knows {DATA_VERSION}): \
         run that one, or give another folder with --data",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It holds something else, or is damaged.
    #[error("{} is no data folder of tidings ({detail}): give another one with --data", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// How that shows.
        detail: &'static str,
    },
    /// The disk is full.
    #[error(
        "no room on the disk of {}: {} MiB free, at least {} MiB needed; free some, or give another folder with --data",
        path.display(), free_bytes >> 20, min_bytes >> 20
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Room there is.
        free_bytes: u64,
        /// Room there must be.
        min_bytes: u64,
    },
    /// There is no such installation yet.
    #[error("{} is no data folder yet: start `tidings dev` once, or give another one with --data", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DataFolder {
    /// Takes the folder for this process: makes it when it is missing, refuses when anything speaks against it.
    ///
    /// # Errors
    /// [`DataError`], one variant per reason.
    pub(crate) fn open(path: &Path, free_min_bytes: u64) -> Result<Self, DataError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error("make the folder", path))?;
        let path = fs::canonicalize(path).map_err(io_error("find the folder", path))?;
        check_room(&path, free_min_bytes)?;
        check_kind(&path)?;
        let lock = lock(&path)?;
        if read_version(&path)?.is_none() {
            write_private(&path.join("version"), format!("{DATA_VERSION}\n").as_bytes())?;
        }
        let nats = path.join("nats");
        DirBuilder::new().recursive(true).mode(0o700).create(&nats).map_err(io_error("make the folder", &nats))?;
        let folder = Self { path, _lock: lock };
        folder.remove_endpoints()?;
        Ok(folder)
    }

    /// Says where the process listens. Called when everything has started.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file cannot be written.
    pub(crate) fn announce(path: &Path, endpoints: &Endpoints) -> Result<(), DataError> {
        let text = format!("{:#}\n", serde_json::json!(endpoints));
        write_private(&path.join(ENDPOINTS_NAME), text.as_bytes())
    }

    fn remove_endpoints(&self) -> Result<(), DataError> {
        let path = self.path.join(ENDPOINTS_NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the nats-server: its configuration, log lines, streams.
    pub(crate) fn nats(&self) -> PathBuf {
        self.path.join("nats")
    }
}

/// The folder as a part: the first to be taken and the last to be let go.
#[async_trait]
impl Part for DataFolder {
    fn name(&self) -> &'static str {
        "data folder"
    }

    async fn failed(&mut self) -> String {
        std::future::pending().await
    }

    async fn drain(self: Box<Self>, _: Instant) -> Drained {
        match self.remove_endpoints() {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::Cut,
        }
    }
}

/// Where the process that runs in the data folder `path` listens; `None` when none has announced itself.
pub(crate) fn endpoints(path: &Path) -> Option<Endpoints> {
    serde_json::from_slice(&fs::read(path.join(ENDPOINTS_NAME)).ok()?).ok()
}

/// The absolute path of an installation that somebody else may be running, for commands that only read.
///
/// # Errors
/// [`DataError::Missing`] when there is none, [`DataError::Newer`] and [`DataError::NotOurs`] as at start.
pub(crate) fn find(path: &Path) -> Result<PathBuf, DataError> {
    let missing = || DataError::Missing { path: path.to_owned() };
    let found = fs::canonicalize(path).map_err(|_| missing())?;
    read_version(&found)?.map(|_| found).ok_or_else(missing)
}

/// Writes a file that only this user can read, whole or not at all, on disk when this returns.
///
/// # Errors
/// [`DataError::Io`] with the step that failed.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), DataError> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(io_error("make", &draft))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(io_error("write", &draft))?;
    fs::rename(&draft, path).map_err(io_error("write", path))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync the folder", folder))
}

fn io_error<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DataError + 'a {
    move |source| DataError::Io { step, path: path.to_owned(), source }
}

fn check_room(path: &Path, min_bytes: u64) -> Result<(), DataError> {
    let free_bytes = machine::disk_free_bytes(path).map_err(io_error("look at the disk of", path))?;
    if free_bytes < min_bytes {
        return Err(DataError::NoRoom { path: path.to_owned(), free_bytes, min_bytes });
    }
    Ok(())
}

/// A folder is ours when it says its version, or when nothing but our lock is in it.
fn check_kind(path: &Path) -> Result<(), DataError> {
    if read_version(path)?.is_some() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(io_error("read the folder", path))? {
        let name = entry.map_err(io_error("read the folder", path))?.file_name();
        if name != "lock" && name != "version.new" {
            return Err(DataError::NotOurs { path: path.to_owned(), detail: "it has files but no version" });
        }
    }
    Ok(())
}

fn read_version(path: &Path) -> Result<Option<u32>, DataError> {
    let file = path.join("version");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &file)(error)),
    };
    match text.trim().parse() {
        Ok(found) if found > DATA_VERSION => Err(DataError::Newer { path: path.to_owned(), found }),
        Ok(found) => Ok(Some(found)),
        Err(_) => Err(DataError::NotOurs { path: path.to_owned(), detail: "its version is no number" }),
    }
}

fn lock(path: &Path) -> Result<File, DataError> {
    let name = path.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(io_error("make", &name))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(DataError::InUse { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &name)(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io_error("write", &name))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{DataError, DataFolder, find, write_private};

    #[test]
    fn a_new_folder_is_private_and_opens_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let folder = DataFolder::open(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(path.join("version")).unwrap(), "1\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.nats().is_dir());
        drop(folder);
        DataFolder::open(&path, 0).unwrap();
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let home = tempfile::tempdir().unwrap();
        let _first = DataFolder::open(home.path(), 0).unwrap();
        let refusal = DataFolder::open(home.path(), 0).unwrap_err();
        assert!(
            matches!(refusal, DataError::InUse { holder: Some(pid), .. } if pid == std::process::id()),
            "{refusal}"
        );
    }

    #[test]
    fn a_newer_folder_is_refused_and_not_touched() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("version"), "2\n").unwrap();
        let refusal = DataFolder::open(home.path(), 0).unwrap_err();
        assert!(matches!(refusal, DataError::Newer { found: 2, .. }), "{refusal}");
        assert!(matches!(find(home.path()).unwrap_err(), DataError::Newer { found: 2, .. }));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(DataFolder::open(home.path(), 0).unwrap_err(), DataError::NotOurs { .. }));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);

        let damaged = tempfile::tempdir().unwrap();
        fs::write(damaged.path().join("version"), "one").unwrap();
        assert!(matches!(DataFolder::open(damaged.path(), 0).unwrap_err(), DataError::NotOurs { .. }));
    }

    #[test]
    fn a_full_disk_refuses_with_both_numbers() {
        let home = tempfile::tempdir().unwrap();
        let refusal = DataFolder::open(home.path(), u64::MAX).unwrap_err();
        assert!(matches!(refusal, DataError::NoRoom { min_bytes: u64::MAX, .. }), "{refusal}");
    }

    #[test]
    fn a_start_that_was_cut_before_the_version_goes_on() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("lock"), "123\n").unwrap();
        fs::write(home.path().join("version.new"), "").unwrap();
        DataFolder::open(home.path(), 0).unwrap();
    }

    #[test]
    fn a_private_file_is_readable_by_its_owner_only_and_replaced_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secrets.json");
        write_private(&path, b"longer content").unwrap();
        write_private(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_reader_finds_only_what_was_started_once() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(find(home.path()).unwrap_err(), DataError::Missing { .. }));
        assert!(matches!(find(&home.path().join("none")).unwrap_err(), DataError::Missing { .. }));
        drop(DataFolder::open(home.path(), 0).unwrap());
        assert_eq!(find(home.path()).unwrap(), fs::canonicalize(home.path()).unwrap());
    }
}
