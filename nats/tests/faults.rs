//! The publisher while its server is paused, killed and started again (R5, R6, R7).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::proxy::Proxy;
use common::{ALL, Running, append, chat, texts};
use tidings_nats::testing::{TestServer, until};
use tidings_nats::{AppendError, Log, LogClock, NatsSettings, PublishSettings, Subject, Turn, connect};

/// Generous: only a broken test waits this long.
const SOON: Duration = Duration::from_secs(20);

fn short_deadline() -> PublishSettings {
    PublishSettings { publish_timeout_ms: 300, deadline_ms: 2_000, ..PublishSettings::default() }
}

#[tokio::test]
async fn an_event_stored_after_its_deadline_is_void_never_acked_and_appended_anew() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, short_deadline());
    let subject = chat();
    let before = running.publisher.append(append(subject, 1, "before")).await.unwrap();
    let late = append(subject, 1, "late");
    server.pause();
    let unknown = running.publisher.append(late.clone()).await;
    assert_eq!(unknown, Err(AppendError::OutcomeUnknown));
    // The other half of the deadline is what clocks may differ: past all of it, the event is void.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.resume();
    until("the late event to be stored", SOON, async || {
        log.last(&[subject]).await.is_ok_and(|last| last[0].is_some_and(|last| last.seq > before.seq))
    })
    .await;
    let void = log.last(&[subject]).await.unwrap()[0].unwrap();
    let run = log.read_after(&subject, before.seq, ALL).await.unwrap();
    assert!(run.events.is_empty() && run.complete, "a void event was read");
    assert_eq!(run.reached, void.seq, "a void event is passed over as if delivered");
    assert_eq!(log.get(log.shards().stream_of(&subject), void.seq).await.unwrap(), None);
    assert_eq!(log.last_before(&subject, u64::MAX).await.unwrap(), Some(before.seq));

    let mut again = late.clone();
    again.retry = true;
    let stored = running.publisher.append(again.clone()).await.unwrap();
    assert!(stored.seq > void.seq && !stored.duplicate, "{stored:?}");
    // And once more, from a process that remembers nothing: it walks over the void one to the same answer.
    let elsewhere = Running::start(&log, short_deadline());
    let repeated = elsewhere.publisher.append(again).await.unwrap();
    assert_eq!((repeated.seq, repeated.duplicate), (stored.seq, true));
    let found: Vec<String> = texts(&log, &subject).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(found, ["before", "late"]);
    assert!(running.publisher.stats().voids >= 1);
}

#[tokio::test]
async fn a_chat_whose_creation_came_too_late_is_still_empty() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, short_deadline());
    running.publisher.append(append(chat(), 9, "warm")).await.unwrap();
    let subject = chat();
    let mut created = append(subject, 1, "created");
    created.expect_empty = true;
    server.pause();
    let unknown = running.publisher.append(created.clone()).await;
    assert_eq!(unknown, Err(AppendError::OutcomeUnknown));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.resume();
    until("the late event to be stored", SOON, async || log.last(&[subject]).await.is_ok_and(|last| last[0].is_some()))
        .await;
    assert!(texts(&log, &subject).await.is_empty());
    let stored = running.publisher.append(created.clone()).await.unwrap();
    assert_eq!(texts(&log, &subject).await, [(stored.seq, "created".to_owned())]);
    let elsewhere = Running::start(&log, short_deadline());
    let repeated = elsewhere.publisher.append(created).await.unwrap();
    assert_eq!((repeated.seq, repeated.duplicate), (stored.seq, true));
}

#[tokio::test]
async fn a_short_pause_costs_time_and_nothing_else() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings { publish_timeout_ms: 200, ..PublishSettings::default() });
    let subject = chat();
    running.publisher.append(append(subject, 1, "warm")).await.unwrap();
    server.pause();
    let pending: Vec<_> =
        (0..400).map(|n| running.publisher.submit(append(subject, n % 40, &format!("{n}"))).unwrap()).collect();
    // Several attempts of the same group meet in the server when it goes on.
    until("attempts after the first", SOON, async || running.publisher.stats().retries >= 3).await;
    server.resume();
    let mut seqs = Vec::new();
    for answer in pending {
        seqs.push(answer.await.unwrap().seq);
    }
    assert_eq!(seqs.iter().collect::<HashSet<_>>().len(), 400);
    let found = texts(&log, &subject).await;
    assert_eq!(found.len(), 401, "none twice");
    for (n, seq) in seqs.iter().enumerate() {
        assert!(found.contains(&(*seq, n.to_string())), "{n} is not at {seq}");
    }
}

/// One sender: text after text, each as soon as the last is acked, as a client that settles what it does not know.
async fn send(
    publisher: tidings_nats::Publisher,
    subject: Subject,
    owner: u64,
    stop: Arc<AtomicBool>,
) -> Vec<(String, u64)> {
    let mut acked = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("{owner} {n}");
        let mut mine = append(subject, owner, &text);
        loop {
            mine.turn = Some(Turn::new());
            match publisher.append(mine.clone()).await {
                Ok(appended) => {
                    acked.push((text, appended.seq));
                    break;
                }
                Err(error) => {
                    assert!(error.is_retryable(), "{error:?}");
                    mine.retry = true;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
    acked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_every_acked_message_is_there_once_and_in_order() {
    let mut server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings { publish_timeout_ms: 500, ..PublishSettings::default() });
    let chats: Vec<Subject> = (0..5).map(|_| chat()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..60u64)
        .map(|owner| {
            let subject = chats[owner as usize % chats.len()];
            tokio::spawn(send(running.publisher.clone(), subject, owner, Arc::clone(&stop)))
        })
        .collect();
    for round in 1..=3u64 {
        let goal = running.publisher.stats().appended + 1_000;
        until("a thousand more acks", SOON, async || running.publisher.stats().appended >= goal).await;
        server.kill();
        server.restart();
        tracing::debug!(round, "restarted");
    }
    let goal = running.publisher.stats().appended + 1_000;
    until("a thousand acks after the last", SOON, async || running.publisher.stats().appended >= goal).await;
    stop.store(true, Ordering::Relaxed);
    let mut acked: HashMap<String, u64> = HashMap::new();
    for sender in senders {
        acked.extend(sender.await.unwrap());
    }
    assert!(acked.len() >= 4_000);
    let mut found: HashMap<String, u64> = HashMap::new();
    for subject in &chats {
        let mut newest: HashMap<u64, u64> = HashMap::new();
        for (seq, text) in texts(&log, subject).await {
            let (owner, n) = text.split_once(' ').unwrap();
            let n: u64 = n.parse().unwrap();
            let before = newest.insert(owner.parse().unwrap(), n);
            assert_eq!(before.map_or(0, |before| before + 1), n, "{text} out of order");
            assert_eq!(found.insert(text.clone(), seq), None, "{text} twice");
        }
    }
    for (text, seq) in &acked {
        assert_eq!(found.get(text), Some(seq), "{text} was acked");
    }
    assert!(running.publisher.stats().batches > 0);
}

#[tokio::test]
async fn a_batch_whose_ack_was_lost_is_recognised_and_not_taken_apart() {
    let server = TestServer::start();
    let direct = server.log().await;
    let proxy = Proxy::start(server.port()).await;
    let settings =
        NatsSettings { servers: vec![format!("nats://127.0.0.1:{}", proxy.port)], ..NatsSettings::default() };
    let client = connect(&settings, "test").await.unwrap();
    let log = Log::new(client, direct.shards().clone(), LogClock::new());
    let publishing = PublishSettings { lanes: 1, publish_timeout_ms: 400, ..PublishSettings::default() };
    let running = Running::start(&log, publishing);
    let subject = chat();
    running.publisher.append(append(subject, 1, "warm")).await.unwrap();

    proxy.be_deaf(true);
    let pending: Vec<_> =
        (0..500).map(|n| running.publisher.submit(append(subject, n % 50, &format!("{n}"))).unwrap()).collect();
    until("the batch to be stored", SOON, async || {
        direct.last(&[subject]).await.is_ok_and(|last| last[0].is_some_and(|last| last.seq == 501))
    })
    .await;
    until("its ack to be lost", SOON, async || proxy.lost() > 0).await;
    // Gone before anything is heard again: the ack may still be on its way on the old connection.
    proxy.cut();
    until("the connection to be gone", SOON, async || {
        log.client().connection_state() != async_nats::connection::State::Connected
    })
    .await;
    proxy.be_deaf(false);
    let mut seqs = Vec::new();
    for answer in pending {
        let appended = answer.await.unwrap();
        assert!(!appended.duplicate);
        seqs.push(appended.seq);
    }
    let found = texts(&direct, &subject).await;
    assert_eq!(found.len(), 501, "none twice");
    for (n, seq) in seqs.iter().enumerate() {
        assert!(found.contains(&(*seq, n.to_string())), "{n} is not at {seq}");
    }
    let stats = running.publisher.stats();
    assert!(stats.batches >= 2 && stats.plain_messages <= 12, "taken apart: {stats:?}");
}
