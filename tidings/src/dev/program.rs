//! Which nats-server is run, and on which ports.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use rand::Rng;

/// Says where the nats-server is, when the settings do not.
const ENV_PROGRAM: &str = "TIDINGS_NATS_SERVER";

/// Name of the program.
const PROGRAM: &str = "nats-server";

/// Ports we take lie above this one: below it other servers have theirs.
const PORT_FLOOR: u16 = 10_000;

/// Where the system starts to hand out ports by itself, when it does not say.
const EPHEMERAL_FLOOR: u16 = 32_768;

/// Ports tried before we give up.
const PORT_TRIES: u32 = 100;

/// There is no nats-server to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// The one that was named is not there.
    #[error("the nats-server {} ({named_by}) is not there: `python3 tools/fetch-nats.py` gets one", path.display())]
    NotThere {
        /// As named.
        path: PathBuf,
        /// Setting or variable.
        named_by: &'static str,
    },
    /// None was named and none found.
    #[error("no nats-server found: `python3 tools/fetch-nats.py` gets one, or set dev.nats_server to its path")]
    NotFound,
    /// No port is free.
    #[error("no free port on 127.0.0.1 for the nats-server")]
    NoPort(#[source] Option<io::Error>),
}

/// The nats-server to run: the one in the settings, else `TIDINGS_NATS_SERVER`, else `nats-server` beside this program,
/// in `../tools` of it (where `make` puts it), or on `PATH`.
///
/// # Errors
/// [`ProgramError`] when there is none; one that was named is never replaced by another.
pub(crate) fn find(setting: Option<&Path>) -> Result<PathBuf, ProgramError> {
    let variable = std::env::var_os(ENV_PROGRAM).filter(|value| !value.is_empty()).map(PathBuf::from);
    let this = std::env::current_exe().ok();
    let search = std::env::var_os("PATH").unwrap_or_default();
    choose(setting, variable, this.as_deref(), &search)
}

fn choose(
    setting: Option<&Path>,
    variable: Option<PathBuf>,
    this: Option<&Path>,
    search: &OsStr,
) -> Result<PathBuf, ProgramError> {
    let named = setting.map(|path| (path.to_owned(), "dev.nats_server"));
    if let Some((path, named_by)) = named.or_else(|| variable.map(|path| (path, ENV_PROGRAM))) {
        return if path.is_file() { Ok(path) } else { Err(ProgramError::NotThere { path, named_by }) };
    }
    let home = this.and_then(Path::parent);
    let beside = home.map(|home| home.join(PROGRAM));
    let tools = home.and_then(Path::parent).map(|up| up.join("tools").join(PROGRAM));
    let on_path = std::env::split_paths(search).map(|folder| folder.join(PROGRAM));
    beside.into_iter().chain(tools).chain(on_path).find(|path| path.is_file()).ok_or(ProgramError::NotFound)
}

/// A port on loopback that is free, and outside the range from which the system gives ports to outgoing connections:
/// so nobody takes it by chance while the server restarts.
///
/// # Errors
/// [`ProgramError::NoPort`] when none of many tries was free.
pub(crate) fn free_port() -> Result<u16, ProgramError> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first: u16 = range.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(EPHEMERAL_FLOOR);
    // A system that hands out almost everything leaves no place below: then anywhere above is as good.
    let ports = if first > PORT_FLOOR + 1_000 { PORT_FLOOR..first } else { PORT_FLOOR..u16::MAX };
    let mut last = None;
    for _ in 0..PORT_TRIES {
        let port = rand::rng().random_range(ports.clone());
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(ProgramError::NoPort(last))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::ffi::OsStr;
    use std::fs;
    use std::net::TcpListener;

    use super::{ProgramError, choose, free_port};

    #[test]
    fn a_named_server_is_never_replaced_by_another() {
        let home = tempfile::tempdir().unwrap();
        let there = home.path().join("nats-server");
        fs::write(&there, "").unwrap();
        let missing = home.path().join("missing");
        let search = home.path().as_os_str();
        let refusal = choose(Some(&missing), Some(there.clone()), None, search).unwrap_err();
        assert!(matches!(refusal, ProgramError::NotThere { named_by: "dev.nats_server", .. }));
        let refusal = choose(None, Some(missing), None, search).unwrap_err();
        assert!(matches!(refusal, ProgramError::NotThere { named_by: "TIDINGS_NATS_SERVER", .. }));
        assert_eq!(choose(None, None, None, search).unwrap(), there);
    }

    #[test]
    fn the_one_that_make_fetched_comes_before_the_one_on_path() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["target/tools", "target/debug", "bin"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let fetched = home.path().join("target/tools/nats-server");
        let on_path = home.path().join("bin/nats-server");
        fs::write(&fetched, "").unwrap();
        fs::write(&on_path, "").unwrap();
        let this = home.path().join("target/debug/tidings");
        let search = home.path().join("bin").into_os_string();
        assert_eq!(choose(None, None, Some(&this), &search).unwrap(), fetched);
        fs::remove_file(&fetched).unwrap();
        assert_eq!(choose(None, None, Some(&this), &search).unwrap(), on_path);
        assert!(matches!(choose(None, None, Some(&this), OsStr::new("")), Err(ProgramError::NotFound)));
    }

    #[test]
    fn a_free_port_can_be_bound() {
        let port = free_port().unwrap();
        assert!(port >= 10_000);
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}
