//! The commands that end by themselves: `doctor`, `token`, `migrate`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use support::{Dev, finish, home, refused, tidings, until};

#[tokio::test]
async fn doctor_finds_a_running_installation_well() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    let finished = finish(tidings(home.path()).arg("doctor")).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for line in ["tidings-dev version", "tidings-dev sync", "tidings-dev batches", "tidings-dev clock", "disk"] {
        assert!(finished.stdout.contains(line), "{line}: {finished:?}");
    }
    assert!(finished.stdout.trim_end().ends_with(" 0 failed"), "{finished:?}");

    let finished = finish(tidings(home.path()).args(["doctor", "--json"])).await;
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["failed"], false);
    assert!(report["checks"].as_array().unwrap().len() >= 6);

    dev.stop(Signal::TERM).await;
    let finished = finish(tidings(home.path()).arg("doctor")).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("-> start `tidings dev`, then look again"), "{finished:?}");
}

#[tokio::test]
async fn doctor_finds_a_server_that_does_not_sync() {
    let home = home();
    // The child's server, run with another configuration.
    let config = home.path().join("careless.conf");
    let store = home.path().join("store");
    let ports = home.path().join("ports");
    fs::create_dir(&ports).unwrap();
    let (store, ports_dir) = (store.display(), ports.display());
    let text = format!(
        "server_name: careless\nlisten: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\nports_file_dir: \"{ports_dir}\"\n\
         jetstream {{ store_dir: \"{store}\" }}\n"
    );
    fs::write(&config, text).unwrap();
    let mut server = tokio::process::Command::new(nats_server())
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ports: Value = until("the server says its ports", async || {
        let file = fs::read_dir(&ports).unwrap().next()?.unwrap().path();
        serde_json::from_str(&fs::read_to_string(file).unwrap()).ok()
    })
    .await;

    let mut doctor = tidings(&home.path().join("none"));
    doctor.args(["doctor", "--json"]);
    doctor.env("TIDINGS__DOCTOR__MONITOR_URLS", format!("[{}]", ports["monitoring"][0]));
    doctor.env("TIDINGS__NATS__SERVERS", format!("[{}]", ports["nats"][0]));
    let finished = finish(&mut doctor).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let status = |name: &str| {
        let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
        check.map(|check| check["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(status("careless version").as_deref(), Some("ok"), "{report:#}");
    assert_eq!(status("careless sync").as_deref(), Some("fail"), "{report:#}");
    assert_eq!(status("careless batches").as_deref(), Some("warn"), "{report:#}");
    server.kill().await.unwrap();
}

/// The server `tidings dev` runs when nothing else is said.
fn nats_server() -> std::path::PathBuf {
    let fetched =
        std::path::Path::new(env!("CARGO_BIN_EXE_tidings")).ancestors().nth(2).unwrap().join("tools/nats-server");
    std::env::var_os("TIDINGS_NATS_SERVER").map_or(fetched, Into::into)
}

#[tokio::test]
async fn doctor_and_migrate_say_it_when_nobody_answers() {
    let home = home();
    let nowhere = |command: &'static str| {
        let mut tidings = tidings(&home.path().join("none"));
        tidings.arg(command).env("TIDINGS__NATS__SERVERS", "[\"nats://127.0.0.1:1\"]");
        tidings
    };
    let finished = finish(&mut nowhere("doctor")).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("FAIL  streams"), "{finished:?}");
    refused(&mut nowhere("migrate"), 3, "could not connect to any of 1 nats servers").await;
}

#[tokio::test]
async fn a_token_is_printed_alone() {
    let home = home();
    refused(tidings(home.path()).args(["token", "--user", "carol"]), 3, "is no data folder yet").await;
    let dev = Dev::start(home.path()).await;
    let finished = finish(tidings(home.path()).args(["token", "--user", "carol", "--ttl", "15m"])).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let token = finished.stdout.strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3);
    assert!(!token.contains(char::is_whitespace));
    dev.stop(Signal::TERM).await;
    let again = finish(tidings(home.path()).args(["token", "--user", "carol"])).await;
    assert_eq!(again.code, Some(0), "the key is there without the process: {again:?}");
}

#[tokio::test]
async fn help_names_roles_and_exit_codes() {
    let help = finish(tidings(home().path()).arg("--help")).await.stdout;
    for words in ["dev", "migrate", "doctor", "token", "2  bad setting", "3  failed start", "4  drain cut short"] {
        assert!(help.contains(words), "{words}: {help}");
    }
}
