//! A made-up channel log replayed while parts of the installation are killed: history and every live view must equal the
//! log. The harness' `loadtest replay` is the judge; this only kills.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::Tidings;
use crate::server::binary;

/// What is killed in the middle of a replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kill {
    /// `kill -9` of `tidings dev`; its nats-server is left over. Started again.
    Process,
    /// `kill -9` of the nats-server; it is restarted by the process.
    Nats,
    /// Both, nats-server first.
    Both,
}

/// How a replay ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// Exit code of `loadtest replay`: 0 when everything was equal.
    pub code: Option<i32>,
    /// Its last line.
    pub summary: String,
}

/// Lines a second of a replay, so that it lasts beyond its kills.
const RATE: usize = 150;
/// Time from the start to the first kill, and from one to the next.
const BETWEEN_KILLS: Duration = Duration::from_millis(1_200);

/// Replays `lines` made of `seed` on `tidings`, killing twice.
pub async fn replay(tidings: &mut Tidings, kill: Kill, lines: usize, seed: u64) -> Replayed {
    let log = tidings.data().with_extension(format!("{seed}.log"));
    let made = Command::new(loadtest())
        .args(["generate", "--lines", &lines.to_string(), "--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "no log was made");
    std::fs::write(&log, made.stdout).unwrap();
    let replay = Command::new(loadtest())
        .arg("replay")
        .arg(&log)
        .args(["--resume-on-cut", "--rate", &RATE.to_string(), "--url", tidings.url(), "--data"])
        .arg(tidings.data())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..2 {
        // The one place where time matters and no condition tells: somewhere in the middle.
        tokio::time::sleep(BETWEEN_KILLS).await;
        if kill != Kill::Process {
            tidings.kill_nats().await;
        }
        if kill != Kill::Nats {
            tidings.kill9();
            tidings.restart().await;
        }
    }
    let output = replay.wait_with_output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let summary = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    Replayed { code: output.status.code(), summary }
}

/// The harness beside the binary under test.
fn loadtest() -> PathBuf {
    let path = binary().with_file_name("loadtest");
    assert!(path.is_file(), "{} is not built: cargo build --package tidings-loadtest", path.display());
    path
}
