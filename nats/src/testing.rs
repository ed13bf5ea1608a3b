//! A real nats-server for tests: on a free loopback port, with its own store, every write synced, stopped on drop.
//!
//! The binary is `TIDINGS_NATS_SERVER`, else `target/tools/nats-server` of this workspace (`tools/fetch-nats.py` puts
//! it there). A test that cannot have it fails and says so; it is never skipped.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot start fails")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use crate::clock::LogClock;
use crate::connect::connect;
use crate::log::Log;
use crate::settings::NatsSettings;
use crate::streams;
use crate::subjects::ShardMap;

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is looked for.
const START_POLL: Duration = Duration::from_millis(10);

/// One running nats-server. Its port and store stay the same across restarts.
#[derive(Debug)]
pub struct TestServer {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl TestServer {
    /// Starts a server and waits until it listens.
    pub fn start() -> Self {
        Self::with_config("")
    }

    /// Starts a server with more lines in its configuration.
    pub fn with_config(more: &str) -> Self {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("tidings-nats-").tempdir().expect("a folder for temporary files");
        let store = folder.path().join("store");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nmax_payload: 1MB\njetstream {{\n  store_dir: {store:?}\n  sync_interval: always\n  \
             limits {{ batch {{ max_inflight_per_stream: 200, max_inflight_total: 1000, max_msgs: 1000, timeout: \"10s\" }} }}\n}}\n{more}\n"
        );
        std::fs::write(folder.path().join("nats.conf"), config).expect("writing a configuration");
        let mut server = Self { port, folder, child: None };
        server.spawn();
        server
    }

    /// `nats://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Settings that reach it.
    pub fn settings(&self) -> NatsSettings {
        NatsSettings { servers: vec![self.url()], ..NatsSettings::default() }
    }

    /// A connection, with the streams made.
    pub async fn log(&self) -> Log {
        let settings = self.settings();
        let client = connect(&settings, "test").await.expect("a connection");
        let log = Log::new(client, ShardMap::new(&settings), LogClock::new());
        streams::migrate(&log, &settings).await.expect("streams as they must be");
        log
    }

    /// Kills it as a crash would (`kill -9`).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Already gone is what we want.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it where it stands (SIGSTOP), and waits until it does; its sockets stay open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("waiting for our own child");
    }

    /// Lets it go on after [`TestServer::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again, after killing it if it runs, with the same port and store.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a signal to our own child");
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("a running server");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        pid.expect("a pid")
    }

    fn spawn(&mut self) {
        let log = self.folder.path().join("nats.log");
        let mut child = Command::new(binary())
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .arg("-l")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting nats-server");
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = child.try_wait().expect("asking for the server's state");
            if ended.is_some() || started.elapsed() > START_TIMEOUT {
                let _ = child.kill();
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("nats-server does not listen on {}: {said}", self.port);
            }
            #[expect(clippy::disallowed_methods, reason = "tests wait for a process here, in line")]
            std::thread::sleep(START_POLL);
        }
        self.child = Some(child);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where the binary is.
///
/// # Panics
/// When there is none, saying how to get it.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TIDINGS_NATS_SERVER") {
        return path.into();
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = workspace.join("target/tools/nats-server");
    assert!(path.exists(), "no nats-server for tests: run `python3 tools/fetch-nats.py`, or set TIDINGS_NATS_SERVER");
    path
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free loopback port")
        .port()
}

/// Waits until `met` says yes, looking every few milliseconds.
///
/// # Panics
/// After `within`, naming `what`.
pub async fn until(what: &str, within: Duration, mut met: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !met().await {
        assert!(started.elapsed() < within, "waited {within:?} in vain for {what}");
        tokio::time::sleep(START_POLL).await;
    }
}
