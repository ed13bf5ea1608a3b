//! Starts the real binary on a folder of its own and free ports, and waits on conditions.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// No condition takes this long on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `look` gives something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| unreachable!("waited in vain until {what}"))
}

/// A data folder for one test, gone with it.
pub(crate) fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The binary, with free ports, without the settings of who runs the tests.
pub(crate) fn tidings(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDINGS__")) {
        command.env_remove(name);
    }
    command.env("TIDINGS__LISTEN__PUBLIC", "127.0.0.1:0").env("TIDINGS__LISTEN__INTERNAL", "127.0.0.1:0");
    command.env("TIDINGS__DEV__DATA", data).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself.
pub(crate) async fn finish(command: &mut Command) -> Finished {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends by itself").unwrap();
    Finished::from(output)
}

/// How a process ended and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Starts with `command`, which must refuse with `code` and one line that has `words` in it.
pub(crate) async fn refused(command: &mut Command, code: i32, words: &str) {
    let finished = finish(command).await;
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.starts_with("tidings: ") && finished.stderr.contains(words), "{finished:?}");
    assert_eq!(finished.stdout, "");
}

/// A running `tidings dev`.
pub(crate) struct Dev {
    /// `None` once its end is waited for.
    child: Option<Child>,
    data: PathBuf,
    pub(crate) endpoints: Value,
}

impl Dev {
    /// Starts it on `data` and waits until it has started.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(data, |_| {}).await
    }

    /// Likewise, with a change to the command.
    pub(crate) async fn start_with(data: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = tidings(data);
        command.arg("dev").stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        let endpoints = until("tidings dev has started", async || {
            assert!(child.try_wait().unwrap().is_none(), "tidings dev ended while starting");
            let text = std::fs::read_to_string(data.join("endpoints.json")).ok()?;
            let found: Value = serde_json::from_str(&text).unwrap();
            (found["pid"] == pid).then_some(found)
        })
        .await;
        Self { child: Some(child), data: data.to_owned(), endpoints }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid(self.child.as_ref().unwrap().id().unwrap()), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn stop(self, signal: Signal) -> Finished {
        self.signal(signal);
        self.end().await
    }

    /// Waits for the end.
    pub(crate) async fn end(mut self) -> Finished {
        let child = self.child.take().unwrap();
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
        Finished::from(output)
    }

    /// Process id of the child nats-server that runs now.
    pub(crate) async fn nats_pid(&self) -> u32 {
        until("a nats-server runs", async || {
            let text = std::fs::read_to_string(self.data.join("nats/nats-server.pid")).ok()?;
            text.trim().parse().ok().filter(|pid| runs(*pid))
        })
        .await
    }

    /// Asks the internal port.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        get(self.endpoints["internal_url"].as_str().unwrap(), path).await
    }

    /// Waits until the process says that it is ready.
    pub(crate) async fn ready(&self) {
        until("it is ready", async || (self.ask("/readyz").await.0 == 200).then_some(())).await;
    }

    /// A client of the child nats-server.
    pub(crate) async fn nats(&self) -> async_nats::Client {
        let secrets: Value =
            serde_json::from_str(&std::fs::read_to_string(self.data.join("secrets.json")).unwrap()).unwrap();
        let password = secrets["nats_password"].as_str().unwrap().to_owned();
        let options = async_nats::ConnectOptions::new().user_and_password("tidings".to_owned(), password);
        options.connect(self.endpoints["nats_url"].as_str().unwrap()).await.unwrap()
    }
}

/// A test that ends without a stop leaves neither the process nor its child.
impl Drop for Dev {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        let nats = std::fs::read_to_string(self.data.join("nats/nats-server.pid")).ok();
        // Whatever is gone already needs no signal.
        let _ = child.start_kill();
        if let Some(nats) = nats.and_then(|text| text.trim().parse().ok()).filter(|pid| runs(*pid)) {
            let _ = kill_process(pid(nats), Signal::KILL);
        }
    }
}

/// Signals any process of the test.
pub(crate) fn signal(process: u32, signal: Signal) {
    kill_process(pid(process), signal).unwrap();
}

/// Makes every write of a process fail that would make a file larger than a few KiB.
pub(crate) fn forbid_larger_files(process: u32) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let few = Rlimit { current: Some(4096), maximum: Some(4096) };
    prlimit(Some(pid(process)), Resource::Fsize, few).unwrap();
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// Whether a process lives; one that only waits to be collected does not.
pub(crate) fn runs(process: u32) -> bool {
    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Waits until a process is gone.
pub(crate) async fn gone(process: u32) {
    until("the process is gone", async || (!runs(process)).then_some(())).await;
}

/// One GET over a connection of its own: status and body.
pub(crate) async fn get(base: &str, path: &str) -> (u16, String) {
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
