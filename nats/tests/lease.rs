//! Leases on a real server (R9).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use tidings_nats::testing::TestServer;
use tidings_nats::{Lease, LeaseError, LeaseSettings, Log};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SOON: Duration = Duration::from_secs(20);

fn short() -> LeaseSettings {
    LeaseSettings { ttl_ms: 1_000, renew_ms: 100, ..LeaseSettings::default() }
}

async fn acquire(log: &Log, holder: &str) -> Lease {
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    let settings = short();
    let acquired = Lease::acquire(log, "history.CHAT_0", holder, &settings, &tracker, &cancel);
    tokio::time::timeout(SOON, acquired).await.unwrap().unwrap()
}

/// Whether somebody else gets it within `wait`.
async fn is_free(log: &Log, wait: Duration) -> bool {
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    let settings = short();
    let acquired = Lease::acquire(log, "history.CHAT_0", "other", &settings, &tracker, &cancel);
    tokio::time::timeout(wait, acquired).await.is_ok()
}

#[tokio::test]
async fn one_holds_it_others_wait_and_take_it_when_given_back() {
    let server = TestServer::start();
    let log = server.log().await;
    let first = acquire(&log, "first").await;
    // Renewed all the while: longer than its time to live.
    assert!(!is_free(&log, Duration::from_millis(1_600)).await);
    assert!(!first.lost().is_cancelled());
    let token = first.token();
    first.release().await;
    let at = Instant::now();
    let second = acquire(&log, "second").await;
    assert!(at.elapsed() < Duration::from_millis(700), "without waiting for the time to live");
    assert!(second.token() > token);
}

#[tokio::test]
async fn a_holder_that_vanishes_is_replaced_after_its_time() {
    let server = TestServer::start();
    let log = server.log().await;
    let first = acquire(&log, "first").await;
    let token = first.token();
    drop(first);
    let at = Instant::now();
    let second = acquire(&log, "second").await;
    assert!(at.elapsed() >= Duration::from_millis(950), "{:?}", at.elapsed());
    assert!(second.token() > token);
}

#[tokio::test]
async fn a_holder_that_cannot_renew_knows_before_anybody_else_may_take_it() {
    let mut server = TestServer::start();
    let log = server.log().await;
    let lease = acquire(&log, "first").await;
    let at = Instant::now();
    server.kill();
    tokio::time::timeout(SOON, lease.lost().cancelled()).await.unwrap();
    assert!(at.elapsed() < Duration::from_millis(1_000), "{:?}", at.elapsed());
}

#[tokio::test]
async fn a_short_outage_loses_nothing() {
    let server = TestServer::start();
    let log = server.log().await;
    let lease = acquire(&log, "first").await;
    server.pause();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.resume();
    assert!(!is_free(&log, Duration::from_millis(1_500)).await);
    assert!(!lease.lost().is_cancelled());
}

#[tokio::test]
async fn waiting_ends_when_cancelled() {
    let server = TestServer::start();
    let log = server.log().await;
    let _first = acquire(&log, "first").await;
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    cancel.cancel();
    let settings = short();
    let waited = Lease::acquire(&log, "history.CHAT_0", "second", &settings, &tracker, &cancel);
    assert!(matches!(waited.await, Err(LeaseError::Cancelled)));
}

#[tokio::test]
async fn who_is_surely_alone_waits_for_nobody() {
    let server = TestServer::start();
    let log = server.log().await;
    let crashed = acquire(&log, "crashed").await;
    let token = crashed.token();
    drop(crashed);
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    let settings = LeaseSettings { ttl_ms: 60_000, alone: true, ..short() };
    let acquired = Lease::acquire(&log, "history.CHAT_0", "next", &settings, &tracker, &cancel);
    let lease = tokio::time::timeout(SOON, acquired).await.unwrap().unwrap();
    assert!(lease.token() > token);
}
