//! The page in real Chromium against a real server: the page's own tests, told by `node`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tidings_tests::Tidings;

/// No run of the page's tests takes this long.
const PAGE_TESTS_MAX: Duration = Duration::from_secs(300);

#[tokio::test]
async fn two_windows_chat() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder of the repository").to_owned();
    let tests = root.join("web/tests");
    if !tests.join("node_modules/playwright-core").is_dir() {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&tests)).await;
    }
    let tidings = Tidings::start().await;
    let shots = std::env::var_os("TIDINGS_SHOTS").map_or_else(|| root.join("target/shots"), PathBuf::from);
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1", "page.test.mjs"]).current_dir(&tests);
    run(node.env("TIDINGS_URL", tidings.url()).env("TIDINGS_SHOTS", shots)).await;
}

/// Runs a command; one that fails shows what it said.
async fn run(command: &mut Command) {
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("true")));
    let output = tokio::time::timeout(PAGE_TESTS_MAX, command.kill_on_drop(true).output()).await;
    let output = output.expect("it ends in time").expect("it can be run");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{:?}\n{}{}", output.status, said(&output.stdout), said(&output.stderr));
}
