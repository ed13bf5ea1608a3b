//! A nats-server that outlived its parent (`kill -9` of `tidings dev`) still writes to the log's files. Two servers on
//! the same files destroy them, so the old one must be gone before a new one starts.
//!
//! It is recognised by its command line: a process started with exactly our configuration file is ours, whatever its
//! process id; the pid file alone proves nothing, because process ids come again. No other process is ever signalled.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;
use tracing::{info, warn};

/// Pause between two looks whether a process is gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long a killed process may take to disappear.
const KILLED_GONE: Duration = Duration::from_secs(5);

/// A server of a crashed run could not be stopped.
#[derive(Debug, thiserror::Error)]
#[error("a nats-server of an earlier run (process {pid}) could not be stopped: stop it yourself, then start again")]
pub(crate) struct LeftoverError {
    pid: i32,
    #[source]
    source: Option<io::Error>,
}

/// Stops every nats-server that runs with `config`: asks, waits for `patience`, kills. Gives how many there were.
///
/// # Errors
/// [`LeftoverError`] when one cannot be signalled or does not go.
pub(crate) async fn stop(config: &Path, pid_file: &Path, patience: Duration) -> Result<usize, LeftoverError> {
    let found = find(config, pid_file);
    for &pid in &found {
        info!(pid = pid.as_raw_nonzero().get(), "stopping nats-server of an earlier run");
        if !ended_after(pid, config, Signal::TERM, patience).await? {
            warn!(pid = pid.as_raw_nonzero().get(), "nats-server of an earlier run does not stop, killing it");
            if !ended_after(pid, config, Signal::KILL, KILLED_GONE).await? {
                return Err(LeftoverError { pid: pid.as_raw_nonzero().get(), source: None });
            }
        }
    }
    Ok(found.len())
}

/// Signals a process and waits until it is gone; false when it is still there after `patience`.
async fn ended_after(pid: Pid, config: &Path, signal: Signal, patience: Duration) -> Result<bool, LeftoverError> {
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => {
            return Err(LeftoverError { pid: pid.as_raw_nonzero().get(), source: Some(error.into()) });
        }
    }
    let deadline = Instant::now() + patience;
    while runs_with(pid, config) {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(true)
}

/// The processes that run with `config`: where the system lists all of them, all; else the one in the pid file.
fn find(config: &Path, pid_file: &Path) -> Vec<Pid> {
    let listed =
        fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let written = fs::read_to_string(pid_file).ok();
    let pids: BTreeSet<i32> = listed.chain(written).filter_map(|text| text.trim().parse().ok()).collect();
    pids.into_iter().filter_map(Pid::from_raw).filter(|&pid| runs_with(pid, config)).collect()
}

/// Whether `pid` is a living process with `config` as one of its arguments after `-c`.
fn runs_with(pid: Pid, config: &Path) -> bool {
    let Some(arguments) = arguments(pid) else { return false };
    let is_server = arguments.first().is_some_and(|program| program.contains("nats-server"));
    let config = config.to_string_lossy();
    is_server && arguments.windows(2).any(|pair| pair[0] == "-c" && pair[1] == config)
}

/// The command line of a process; `None` when it is gone. A process that ended but was not waited for has none.
#[cfg(target_os = "linux")]
fn arguments(pid: Pid) -> Option<Vec<String>> {
    let line = fs::read(PathBuf::from(format!("/proc/{pid}/cmdline"))).ok()?;
    let line = line.strip_suffix(b"\0")?;
    Some(line.split(|&byte| byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect())
}

/// The command line of a process; `None` when it is gone. `ps` joins arguments by blanks: our paths are put together again.
#[cfg(not(target_os = "linux"))]
fn arguments(pid: Pid) -> Option<Vec<String>> {
    let output = std::process::Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (program, config) = line.split_once(" -c ")?;
    Some(vec![program.to_owned(), "-c".to_owned(), config.to_owned()])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::fs;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, Command};
    use std::time::Duration;

    use super::stop;

    /// A shell that looks like a nats-server with this configuration, and does what `script` says. It must not fork: a
    /// fork looks the same until it runs something else.
    fn stand_in(config: &Path, script: &str) -> Child {
        Command::new("/bin/sh")
            .arg0("nats-server")
            .args(["-c", script, "--", "-c"])
            .arg(config)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until the stand-in has said that it is ready.
    fn ready(child: &mut Child) {
        use std::io::Read;
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
    }

    /// Waits for the end of a stand-in; what it reads from stays open.
    fn collect(mut child: Child) -> std::process::ExitStatus {
        let _open = child.stdin.take();
        child.wait().unwrap()
    }

    #[tokio::test]
    async fn ours_is_stopped_and_a_stranger_with_its_pid_is_not() {
        let home = tempfile::tempdir().unwrap();
        let (config, other) = (home.path().join("ours.conf"), home.path().join("other.conf"));
        let pid_file = home.path().join("pid");
        let mut ours = stand_in(&config, "echo; read line");
        let mut stranger = stand_in(&other, "echo; read line");
        ready(&mut ours);
        ready(&mut stranger);
        fs::write(&pid_file, stranger.id().to_string()).unwrap();

        let waiter = std::thread::spawn(move || collect(ours));
        assert_eq!(stop(&config, &pid_file, Duration::from_secs(10)).await.unwrap(), 1);
        assert!(!waiter.join().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger still runs");
        assert_eq!(stop(&config, &pid_file, Duration::from_secs(10)).await.unwrap(), 0);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn one_that_does_not_listen_is_killed() {
        use std::os::unix::process::ExitStatusExt;
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("ours.conf");
        let mut deaf = stand_in(&config, "trap '' TERM; echo; read line");
        ready(&mut deaf);
        let waiter = std::thread::spawn(move || collect(deaf));
        assert_eq!(stop(&config, &home.path().join("none"), Duration::from_millis(100)).await.unwrap(), 1);
        assert_eq!(waiter.join().unwrap().signal(), Some(9));
    }
}
