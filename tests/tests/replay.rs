//! A channel log replayed while the process, its nats-server, or both are killed twice in the middle: history and every
//! live view equal the log all the same.

use tidings_tests::Tidings;
use tidings_tests::replay::{Kill, replay};

/// Lasts a little longer than the two kills.
const LINES: usize = 500;

async fn ends_equal(kill: Kill, seed: u64) {
    let mut tidings = Tidings::start().await;
    let ended = replay(&mut tidings, kill, LINES, seed).await;
    assert_eq!(ended.code, Some(0), "{}", ended.summary);
    assert!(ended.summary.starts_with(&format!("equal: {LINES} lines")), "{}", ended.summary);
}

#[tokio::test]
async fn with_the_process_killed() {
    ends_equal(Kill::Process, 1).await;
}

#[tokio::test]
async fn with_its_nats_server_killed() {
    ends_equal(Kill::Nats, 2).await;
}

#[tokio::test]
async fn with_both_killed() {
    ends_equal(Kill::Both, 3).await;
}
