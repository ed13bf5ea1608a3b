//! Feeds on a real server: whole and in order, whatever happens to the server (R9, R11).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Running, append, chat};
use tidings_nats::testing::{TestServer, until};
use tidings_nats::{DurableFeed, Feed, FeedError, FeedEvent, Log, PublishSettings, StreamName};

const SOON: Duration = Duration::from_secs(20);
const WAIT: Duration = Duration::from_millis(500);
const STREAM: StreamName = StreamName::Chat(0);

async fn fill(running: &Running, from: usize, count: usize) {
    let mut pending = Vec::new();
    for n in from..from + count {
        let text = format!("{n}");
        pending.push(running.publisher.submit(append(chat(), n as u64, &text)).unwrap());
    }
    for answer in pending {
        answer.await.unwrap();
    }
}

/// Reads until `count` events have come; an error on the way is an outage.
async fn read(feed: &mut Feed, count: usize) -> Vec<FeedEvent> {
    let started = Instant::now();
    let mut events = Vec::new();
    while events.len() < count {
        assert!(started.elapsed() < SOON, "{} of {count} events came", events.len());
        events.extend(feed.next(count - events.len(), WAIT).await.unwrap_or_default());
    }
    events
}

fn seqs(events: &[FeedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

async fn started(server: &TestServer) -> (Log, Running) {
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings::default());
    (log, running)
}

#[tokio::test]
async fn a_feed_gives_everything_from_its_start_in_order_then_waits() {
    let server = TestServer::start();
    let (log, running) = started(&server).await;
    fill(&running, 0, 2_500).await;
    let mut feed = Feed::from(&log, STREAM, 501);
    let events = read(&mut feed, 2_000).await;
    assert_eq!(seqs(&events), (501..=2_500).collect::<Vec<_>>());
    assert!(events.iter().all(|event| !event.void && event.time_ms > 0));
    assert_eq!(feed.position(), 2_501);

    let at = Instant::now();
    assert!(feed.next(10, Duration::from_millis(200)).await.unwrap().is_empty());
    assert!(at.elapsed() >= Duration::from_millis(200));
    let (came, ()) = tokio::join!(feed.next(10, SOON), fill(&running, 2_500, 1));
    assert_eq!(seqs(&came.unwrap()), [2_501], "given at once, not after the wait");
    assert!(at.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_feed_goes_on_over_restarts_without_a_hole_or_a_repeat() {
    let mut server = TestServer::start();
    let (log, running) = started(&server).await;
    fill(&running, 0, 700).await;
    let mut feed = Feed::from(&log, STREAM, 1);
    let mut all = read(&mut feed, 300).await;
    for round in 1..=2 {
        server.restart();
        until("appends to go again", SOON, async || running.publisher.append(append(chat(), 1, "x")).await.is_ok())
            .await;
        fill(&running, 0, 200).await;
        let last = log.state(STREAM).await.unwrap().last_seq as usize;
        let wanted = if round == 1 { 700 } else { last };
        all.extend(read(&mut feed, wanted - all.len()).await);
    }
    let last = log.state(STREAM).await.unwrap().last_seq;
    assert_eq!(seqs(&all), (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_paused_server_is_an_error_or_silence_and_then_everything_comes() {
    let server = TestServer::start();
    let (log, running) = started(&server).await;
    fill(&running, 0, 10).await;
    let mut feed = Feed::from(&log, STREAM, 1);
    assert_eq!(read(&mut feed, 10).await.len(), 10);
    server.pause();
    let at = Instant::now();
    // Longer than the silence after which the feed begins anew, which fails now.
    let failed = feed.next(10, Duration::from_secs(4)).await;
    assert!(matches!(failed, Err(FeedError::Log(_))), "{failed:?}");
    assert!(at.elapsed() < Duration::from_secs(8));
    server.resume();
    fill(&running, 10, 10).await;
    assert_eq!(seqs(&read(&mut feed, 10).await), (11..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn void_events_are_given_and_marked() {
    let server = TestServer::start();
    let (log, running) = started(&server).await;
    fill(&running, 0, 1).await;
    let mut late = async_nats::HeaderMap::new();
    late.insert("Tidings-Deadline", "1000");
    let subject = chat().to_string();
    log.client().publish_with_headers(subject, late, "late".into()).await.unwrap();
    let mut feed = Feed::from(&log, STREAM, 1);
    let events = read(&mut feed, 2).await;
    assert_eq!(events.iter().map(|event| event.void).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_message_on_a_foreign_subject_does_not_stop_a_feed() {
    let server = TestServer::start();
    let (log, running) = started(&server).await;
    log.client().publish("chat.1.nonsense", "x".into()).await.unwrap();
    until("it to be stored", SOON, async || log.state(STREAM).await.unwrap().last_seq == 1).await;
    fill(&running, 0, 1).await;
    let mut feed = Feed::from(&log, STREAM, 1);
    assert_eq!(seqs(&read(&mut feed, 1).await), [2]);
}

#[tokio::test]
async fn progress_is_remembered_over_restarts_and_never_goes_back() {
    let mut server = TestServer::start();
    let (log, running) = started(&server).await;
    fill(&running, 0, 10).await;
    let mut feed = DurableFeed::open(&log, STREAM, "pointers").await.unwrap();
    let mut standby = DurableFeed::open(&log, STREAM, "pointers").await.unwrap();
    assert_eq!((feed.acked(), feed.position()), (0, 1));
    assert_eq!(feed.next(4, SOON).await.unwrap()[0].seq, 1);
    feed.ack_to(4).await.unwrap();
    feed.ack_to(2).await.unwrap();
    assert_eq!(feed.acked(), 4);
    // Two at once: the larger one holds.
    standby.ack_to(3).await.unwrap();
    assert_eq!(standby.acked(), 4);
    standby.ack_to(6).await.unwrap();
    feed.ack_to(7).await.unwrap();

    server.restart();
    until("the server to answer", SOON, async || log.state(STREAM).await.is_ok()).await;
    let mut again = DurableFeed::open(&log, STREAM, "pointers").await.unwrap();
    assert_eq!((again.acked(), again.position()), (7, 8));
    assert_eq!(again.next(10, SOON).await.unwrap()[0].seq, 8);
    let other = DurableFeed::open(&log, STREAM, "another").await.unwrap();
    assert_eq!(other.acked(), 0);
}

#[tokio::test]
async fn progress_of_another_stream_is_refused() {
    let server = TestServer::start();
    let (log, _running) = started(&server).await;
    let record = r#"{"epoch":1,"seq":5}"#;
    log.client().request("$KV.PROGRESS.pointers.CHAT_0", record.into()).await.unwrap();
    let refused = DurableFeed::open(&log, STREAM, "pointers").await.unwrap_err();
    assert!(matches!(refused, FeedError::OtherStream { found: 1, .. }), "{refused}");
}
