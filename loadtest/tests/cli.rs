//! The binary's ends: what it prints and which code it gives when there is no verdict.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::net::TcpListener;
use std::process::{Command, Output};

fn loadtest(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(args).output().unwrap()
}

fn end(args: &[&str]) -> (Option<i32>, String) {
    let output = loadtest(args);
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn bad_arguments_and_files_are_told_in_one_line_with_code_1() {
    assert_eq!(end(&["dance"]).0, Some(1));
    assert_eq!(end(&["replay"]).0, Some(1));
    let (code, text) = end(&["replay", "/nowhere/at all.log"]);
    assert_eq!((code, text.lines().count()), (Some(1), 1));
    assert!(text.starts_with("loadtest: could not read /nowhere/at all.log: "), "{text}");

    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("some.log");
    let name = file.to_str().unwrap();
    std::fs::write(&file, b"[01:00] <a> \xff\n").unwrap();
    assert_eq!(end(&["replay", name]).0, Some(1));
    std::fs::write(&file, "[01:00] <a> b\n").unwrap();
    let (code, text) = end(&["replay", name, "--data", home.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("loadtest: no key for the users' tokens"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_code_5() {
    let home = tempfile::tempdir().unwrap();
    let (file, key) = (home.path().join("some.log"), home.path().join("key"));
    std::fs::write(&file, "[01:00] <a> b\n").unwrap();
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    // A port that nobody listens on: it was ours a moment ago.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let (code, text) = end(&["replay", file, "--token-key", key, "--url", &url, "--patience", "1"]);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.starts_with("loadtest: channel cannot connect: could not connect: "), "{text}");
}

#[test]
fn a_made_up_log_is_printed_and_help_is_no_error() {
    let output = loadtest(&["generate", "--lines", "20", "--seed", "3"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches('\n').count(), 20);
    let help = loadtest(&["replay", "--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("Exit codes:"));
}
