//! `tidings dev` as its user meets it: it starts, refuses with one line, survives deaths, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use support::{Dev, get, gone, home, refused, runs, signal, tidings, until};

/// Writes a message to a stream of its own and waits until it is acked.
async fn keep(dev: &Dev, text: &'static str) {
    let jetstream = async_nats::jetstream::new(dev.nats().await);
    let stream = async_nats::jetstream::stream::Config {
        name: "KEEP".to_owned(),
        subjects: vec!["keep".to_owned()],
        ..Default::default()
    };
    jetstream.get_or_create_stream(stream).await.unwrap();
    jetstream.publish("keep", text.into()).await.unwrap().await.unwrap();
}

/// The last message that was kept.
async fn kept(dev: &Dev) -> String {
    let jetstream = async_nats::jetstream::new(dev.nats().await);
    let stream = jetstream.get_stream("KEEP").await.unwrap();
    String::from_utf8(stream.get_last_raw_message_by_subject("keep").await.unwrap().payload.to_vec()).unwrap()
}

#[tokio::test]
async fn each_signal_drains_and_leaves_no_child() {
    let home = home();
    for stop in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dev = Dev::start(home.path()).await;
        let nats = dev.nats_pid().await;
        let finished = dev.stop(stop).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.contains("Tidings is running."), "{finished:?}");
        assert!(finished.stdout.contains("Ctrl-C"), "{finished:?}");
        assert!(finished.stderr.contains(" drained took_ms="), "{finished:?}");
        assert!(finished.stderr.contains(" open file limit raised "), "{finished:?}");
        assert!(!runs(nats), "nats-server {nats} still runs");
        assert!(!home.path().join("endpoints.json").exists());
    }
}

#[tokio::test]
async fn the_next_start_has_yesterdays_messages() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    keep(&dev, "yesterday").await;
    assert_eq!(dev.stop(Signal::INT).await.code, Some(0));
    let dev = Dev::start(home.path()).await;
    assert_eq!(kept(&dev).await, "yesterday");
}

#[tokio::test]
async fn a_nats_server_that_is_killed_comes_back_where_it_was() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    keep(&dev, "before").await;
    let first = dev.nats_pid().await;
    signal(first, Signal::KILL);
    gone(first).await;
    let second = dev.nats_pid().await;
    assert_ne!(first, second);
    dev.ready().await;
    assert_eq!(kept(&dev).await, "before");
    let finished = dev.stop(Signal::TERM).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("nats-server ended, starting it again"), "{finished:?}");
    assert!(!runs(second));
}

#[tokio::test]
async fn what_a_crashed_run_left_is_stopped_by_the_next() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    keep(&dev, "before the crash").await;
    let orphan = dev.nats_pid().await;
    dev.stop(Signal::KILL).await;
    assert!(runs(orphan), "nats-server outlives a killed parent");

    let dev = Dev::start(home.path()).await;
    assert!(!runs(orphan), "two servers on one folder");
    assert_eq!(kept(&dev).await, "before the crash");
    assert_eq!(dev.stop(Signal::TERM).await.code, Some(0));
}

#[tokio::test]
async fn a_second_start_says_who_holds_the_folder() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    let holder = format!("in use by another tidings (process {})", dev.endpoints["pid"]);
    refused(tidings(home.path()).arg("dev"), 3, &holder).await;
    dev.ready().await;
}

#[tokio::test]
async fn a_taken_port_is_said_before_anything_starts() {
    let home = home();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    for flag in ["--listen", "--internal-listen"] {
        let words = format!("{address} is taken by another program: stop it, or give another address with {flag}");
        refused(tidings(home.path()).args(["dev", flag, &address]), 3, &words).await;
    }
    assert!(!home.path().join("nats/nats-server.conf").exists());
}

#[tokio::test]
async fn a_newer_folder_a_strange_folder_and_a_full_disk_are_one_line_each() {
    let newer = home();
    fs::write(newer.path().join("version"), "99\n").unwrap();
    refused(tidings(newer.path()).arg("dev"), 3, "was written by a newer tidings (its data version is 99").await;

    let strange = home();
    fs::write(strange.path().join("thesis.txt"), "").unwrap();
    refused(tidings(strange.path()).arg("dev"), 3, "is no data folder of tidings").await;

    let full = home();
    let mut command = tidings(full.path());
    command.arg("dev").env("TIDINGS__DEV__DISK_FREE_MIN_MIB", (1_u64 << 40).to_string());
    refused(&mut command, 3, "no room on the disk of ").await;
}

#[tokio::test]
async fn a_nats_server_that_cannot_run_is_one_line() {
    let home = home();
    let with = |program: &str| {
        let mut command = tidings(home.path());
        command.arg("dev").env("TIDINGS__DEV__NATS_SERVER", program);
        command
    };
    refused(
        &mut with("/no/such/nats-server"),
        3,
        "the nats-server /no/such/nats-server (dev.nats_server) is not there",
    )
    .await;
    refused(&mut with("/bin/false"), 3, "nats-server ended while starting (exit status: 1)").await;
    refused(&mut with("/etc/passwd"), 3, "could not run /etc/passwd").await;
    // The folder is free again.
    Dev::start(home.path()).await.ready().await;
}

#[tokio::test]
async fn a_bad_setting_or_flag_has_its_own_code() {
    let home = home();
    refused(tidings(home.path()).arg("dev").env("TIDINGS__STOP__DEADLINE", "1"), 2, "setting stop.deadline: ").await;
    refused(tidings(home.path()).arg("dev").env("TIDINGS__NATS__PASSWORD", "4711"), 2, "setting nats.password: ").await;
    refused(tidings(home.path()).args(["dev", "--log", "a=b=c"]), 2, "setting log.filter: ").await;
    let finished = support::finish(tidings(home.path()).args(["dev", "--no-such-flag"])).await;
    assert_eq!(finished.code, Some(2));
}

#[tokio::test]
async fn a_drain_over_its_deadline_is_cut_and_still_leaves_no_child() {
    let home = home();
    let dev = Dev::start_with(home.path(), |command| {
        command.env("TIDINGS__STOP__DEADLINE_MS", "300");
    })
    .await;
    let nats = dev.nats_pid().await;
    signal(nats, Signal::STOP);
    let finished = dev.stop(Signal::TERM).await;
    assert_eq!(finished.code, Some(4), "{finished:?}");
    assert!(finished.stderr.contains("drain cut short") && finished.stderr.contains("nats-server"), "{finished:?}");
    assert!(!runs(nats));
}

#[tokio::test]
async fn a_second_signal_cuts_the_drain() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    let nats = dev.nats_pid().await;
    signal(nats, Signal::STOP);
    dev.signal(Signal::INT);
    until("it drains", async || (dev.ask("/readyz").await.0 == 503).then_some(())).await;
    let finished = dev.stop(Signal::INT).await;
    assert_eq!(finished.code, Some(4), "{finished:?}");
    gone(nats).await;
}

#[tokio::test]
async fn a_signal_while_starting_leaves_no_child() {
    let home = home();
    // A server that never answers, and says who it is.
    let script = home.path().join("nats-server");
    fs::write(&script, "#!/bin/sh\necho $$ > \"${2%/*}/nats-server.pid\"\nexec sleep 1000\n").unwrap();
    make_executable(&script);
    let data = home.path().join("data");
    let mut command = tidings(&data);
    command.arg("dev").env("TIDINGS__DEV__NATS_SERVER", &script).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let nats = until("the server was run", async || {
        fs::read_to_string(data.join("nats/nats-server.pid")).ok()?.trim().parse().ok()
    })
    .await;
    signal(child.id().unwrap(), Signal::TERM);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    gone(nats).await;
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_internal_port_says_alive_started_and_ready_part_by_part() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    dev.ready().await;
    assert_eq!(dev.ask("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(dev.ask("/startupz").await, (200, "ok\n".to_owned()));
    let (status, lines) = dev.ask("/readyz?verbose").await;
    assert_eq!(status, 200);
    assert!(lines.contains("[+] nats-server ok\n") && lines.contains("[+] disk ok\n"), "{lines}");
    assert_eq!(dev.ask("/").await.0, 404);
}

#[tokio::test]
async fn the_child_syncs_every_write_and_asks_for_a_password() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    let (_, varz) = get(dev.endpoints["nats_monitor_url"].as_str().unwrap(), "/varz").await;
    let varz: serde_json::Value = serde_json::from_str(&varz).unwrap();
    assert_eq!(varz["jetstream"]["config"]["sync_always"], true);
    assert_eq!(varz["jetstream"]["limits"]["max_batch_size"], 1000);
    assert_eq!(varz["max_payload"], 1 << 20);
    assert_eq!(varz["host"], "127.0.0.1");
    assert!(async_nats::connect(dev.endpoints["nats_url"].as_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_server_whose_stream_broke_is_restarted() {
    let home = home();
    let dev = Dev::start(home.path()).await;
    keep(&dev, "before").await;
    let first = dev.nats_pid().await;
    // Its next write fails, as on a full disk; the server lives on with a stream that takes nothing.
    support::forbid_larger_files(first);
    let jetstream = async_nats::jetstream::new(dev.nats().await);
    let refused = jetstream.publish("keep", vec![b'x'; 100_000].into()).await.unwrap();
    tokio::spawn(async move { refused.await });
    until("another server runs", async || (dev.nats_pid().await != first).then_some(())).await;
    dev.ready().await;
    assert_eq!(kept(&dev).await, "before");
    keep(&dev, "after").await;
    let finished = dev.stop(Signal::TERM).await;
    assert!(finished.stderr.contains("nats-server is broken, starting it again"), "{finished:?}");
}

#[tokio::test]
async fn a_disk_that_fills_up_is_said_once_and_shown() {
    let home = home();
    let free_mib = {
        let disk = rustix::fs::statvfs(home.path()).unwrap();
        (disk.f_bavail * disk.f_frsize) >> 20
    };
    // A GiB less than now is needed to start; then the file below takes two.
    let min_mib = free_mib - 1024;
    let dev = Dev::start_with(home.path(), |command| {
        command.env("TIDINGS__DEV__DISK_FREE_MIN_MIB", min_mib.to_string());
        command.env("TIDINGS__DEV__DISK_CHECK_INTERVAL_MS", "10");
    })
    .await;
    let filler = fs::File::create(home.path().join("filler")).unwrap();
    rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, 2 << 30).unwrap();
    until("it says so", async || {
        dev.ask("/readyz?verbose").await.1.contains("[-] disk the disk is full").then_some(())
    })
    .await;
    fs::remove_file(home.path().join("filler")).unwrap();
    drop(filler);
    dev.ready().await;
    let finished = dev.stop(Signal::TERM).await;
    assert_eq!(finished.stderr.matches("disk full, sends are refused").count(), 1, "{finished:?}");
    assert_eq!(finished.stderr.matches("disk has room again").count(), 1, "{finished:?}");
}
