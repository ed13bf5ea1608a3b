//! A Tidings of the test's own: the built binary, `dev`, a new folder, free ports.
//!
//! Who cleans up: a process that a test stops or kills is waited for here. One that is dropped is killed, with its
//! nats-server. One that is shared by a file's tests is never dropped, because statics are not: beside each process
//! stands a guard, a shell that does nothing but hold the other end of a pipe; when the pipe closes, because the test
//! process is gone in whatever way, it asks the process to stop and removes the folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::http::{self, Answer};
use crate::wait::until;
use crate::{Person, Wire};

/// How long the guard waits for the end of what it stopped before it removes the folder, in tenths of a second.
const GUARD_TENTHS: &str = "150";

/// Waits for the end of the pipe, then for the end of the process `$1`, then removes the folder `$2`.
const GUARD: &str = r#"cat > /dev/null
kill -TERM "$1" 2> /dev/null
left=$3
while [ "$left" -gt 0 ] && kill -0 "$1" 2> /dev/null; do left=$((left - 1)); sleep 0.1; done
rm -rf "$2""#;

/// A running Tidings, or one between two runs on the same folder and ports.
#[derive(Debug)]
pub struct Tidings {
    home: TempDir,
    settings: Vec<(String, String)>,
    running: Option<Running>,
    endpoints: Value,
    token_key: String,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Holds the pipe of the guard.
    guard: Child,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Everything it said on standard output.
    pub stdout: String,
    /// Everything it said on standard error.
    pub stderr: String,
}

impl Tidings {
    /// Starts one and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Likewise, with settings: `("sessions.sends_burst", "5")`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| (variable(key), (*value).to_owned())).collect();
        let home = tempfile::Builder::new().prefix("tidings-test-").tempdir().unwrap();
        let mut tidings = Self { home, settings, running: None, endpoints: Value::Null, token_key: String::new() };
        tidings.run("127.0.0.1:0", "127.0.0.1:0").await;
        tidings
    }

    /// The one that all tests of a file share.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Tidings> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts it again on the same folder and ports.
    pub async fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let (public, internal) = (address(self.url()), address(self.internal_url()));
        self.run(&public, &internal).await;
    }

    async fn run(&mut self, public: &str, internal: &str) {
        let mut command = self.command(&["dev"]);
        command.env("TIDINGS__LISTEN__PUBLIC", public).env("TIDINGS__LISTEN__INTERNAL", internal);
        let log = |name| fs::File::options().create(true).append(true).open(self.home.path().join(name)).unwrap();
        command.stdout(log("stdout")).stderr(log("stderr"));
        let child = command.spawn().unwrap();
        let pid = child.id();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &pid.to_string(), &self.home.path().display().to_string(), GUARD_TENTHS])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.running = Some(Running { child, guard });
        let data = self.data();
        self.endpoints = until("tidings dev has started", async || {
            let ended = self.running.as_mut().unwrap().child.try_wait().unwrap();
            assert!(ended.is_none(), "ended while starting: {}", self.said("stderr"));
            let found: Value = serde_json::from_slice(&fs::read(data.join("endpoints.json")).ok()?).ok()?;
            (found["pid"] == pid).then_some(found)
        })
        .await;
        self.token_key = self.secret("token_key");
        self.ready().await;
    }

    /// The binary on this folder, with this one's settings and none of who runs the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDINGS__")) {
            command.env_remove(name);
        }
        command.env("TIDINGS__LOG__FILTER", "info,async_nats=warn").env("TIDINGS__DEV__DATA", self.data());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        until("it is ready", async || {
            let answer = http::call(self.internal_url(), "GET", "/readyz", None, None).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Kills it; nothing of it gets to say goodbye. Its nats-server lives on, as after a crash.
    pub fn kill9(&mut self) {
        let Running { mut child, guard } = self.running.take().unwrap();
        dismiss(guard);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, waits for the end, and looks that no child is left.
    pub async fn stop(&mut self, signal: Signal) -> Ended {
        let nats = self.nats_pid().await;
        let Running { mut child, guard } = self.running.take().unwrap();
        kill_process(pid_of(child.id()), signal).unwrap();
        let status = until("it stops", async || child.try_wait().unwrap()).await;
        dismiss(guard);
        assert!(!runs(nats), "it left its nats-server: {}", self.said("stderr"));
        Ended { code: status.code(), stdout: self.said("stdout"), stderr: self.said("stderr") }
    }

    /// Runs the binary with other arguments until it ends by itself.
    pub async fn finish(&self, mut command: Command) -> Ended {
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = crate::within("the command's end", output).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().child.id()
    }

    /// The nats-server that runs now.
    pub async fn nats_pid(&self) -> u32 {
        until("a nats-server runs", async || nats_pid(&self.data())).await
    }

    /// Kills the nats-server.
    pub async fn kill_nats(&self) {
        self.signal_nats(Signal::KILL).await;
    }

    /// Signals the nats-server: `STOP` makes it hang, `CONT` lets it go on.
    pub async fn signal_nats(&self, signal: Signal) {
        kill_process(pid_of(self.nats_pid().await), signal).unwrap();
    }

    /// Memory that the process has resident, in KiB.
    pub fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// What it has said so far on `stdout` or `stderr`.
    pub fn said(&self, what: &str) -> String {
        fs::read_to_string(self.home.path().join(what)).unwrap_or_default()
    }

    /// Page and API.
    pub fn url(&self) -> &str {
        self.endpoints["url"].as_str().unwrap()
    }

    /// Probes.
    pub fn internal_url(&self) -> &str {
        self.endpoints["internal_url"].as_str().unwrap()
    }

    /// What the nats-server's monitoring port says.
    pub async fn nats_says(&self, path: &str) -> Value {
        http::call(self.endpoints["nats_monitor_url"].as_str().unwrap(), "GET", path, None, None).await.unwrap().ok()
    }

    /// A client of the nats-server.
    pub async fn nats(&self) -> async_nats::Client {
        let options =
            async_nats::ConnectOptions::new().user_and_password("tidings".to_owned(), self.secret("nats_password"));
        options.connect(self.endpoints["nats_url"].as_str().unwrap()).await.unwrap()
    }

    fn secret(&self, name: &str) -> String {
        let secrets: Value = serde_json::from_slice(&fs::read(self.data().join("secrets.json")).unwrap()).unwrap();
        secrets[name].as_str().unwrap().to_owned()
    }

    /// An access token for `user`, good for an hour.
    pub fn token(&self, user: &str) -> String {
        self.token_until(user, now_s() + 3_600)
    }

    /// One that ends at `exp`, in seconds since 1970.
    pub fn token_until(&self, user: &str, exp: u64) -> String {
        mint(user, exp, &self.token_key)
    }

    /// One call without a token.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        http::call(self.url(), method, path, None, body.as_deref()).await.unwrap()
    }

    /// Somebody new, whose name begins with `name`.
    pub async fn person(&self, name: &str) -> Person {
        let subject = format!("{name}-{}", uuid::Uuid::new_v4().simple());
        Person::meet(self.url(), self.token(&subject), subject).await
    }

    /// Several at once.
    pub async fn people<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        let people = names.map(|name| self.person(name));
        futures_util::future::join_all(people).await.try_into().unwrap()
    }

    /// A socket that has said nothing yet.
    pub async fn wire(&self) -> Wire {
        Wire::connect(self.url()).await.unwrap()
    }
}

/// Whatever still runs is killed, also a nats-server whose master was.
impl Drop for Tidings {
    fn drop(&mut self) {
        let nats = nats_pid(&self.data());
        if let Some(Running { mut child, guard }) = self.running.take() {
            dismiss(guard);
            // What is gone already needs no signal.
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(nats) = nats {
            let _ = kill_process(pid_of(nats), Signal::KILL);
        }
        if std::thread::panicking() {
            let tail: Vec<String> = self.said("stderr").lines().rev().take(20).map(str::to_owned).collect();
            let _ = writeln!(std::io::stderr(), "--- last lines of tidings\n{}", tail.join("\n"));
        }
    }
}

/// Ends a guard without letting it do its work. It has not been waited for, so its id is still its own.
fn dismiss(mut guard: Child) {
    let _ = guard.kill();
    let _ = guard.wait();
}

/// A token signed with `key`.
pub fn mint(user: &str, exp: u64, key: &str) -> String {
    let claims = json!({ "sub": user, "name": user, "iss": "tidings-dev", "iat": exp - 60, "exp": exp });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
}

/// Seconds since 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// Whether a process lives; one that only waits to be collected does not.
pub fn runs(process: u32) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// The nats-server of a data folder: its id is in a file, and its command line names the folder.
fn nats_pid(data: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(data.join("nats/nats-server.pid")).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    String::from_utf8_lossy(&line).contains(&*data.to_string_lossy()).then_some(pid)
}

fn pid_of(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

fn variable(key: &str) -> String {
    format!("TIDINGS__{}", key.to_uppercase().replace('.', "__"))
}

fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

/// `TIDINGS_BIN`, else the `tidings` beside the running test's build folder.
pub fn binary() -> PathBuf {
    if let Some(given) = std::env::var_os("TIDINGS_BIN") {
        return given.into();
    }
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("tidings");
    assert!(built.is_file(), "{} is not built: cargo build --package tidings", built.display());
    built
}
