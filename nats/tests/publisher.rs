//! The publisher on a real server: order, duplicates, conflicts, bounds (R6, R7).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Running, append, chat, texts};
use tidings_nats::publisher::Outage;
use tidings_nats::testing::{TestServer, until};
use tidings_nats::{AppendError, Appended, PublishSettings, Turn};

/// Enough waiting messages at once that they go as batches.
const OWNERS: u64 = 50;
const EACH: usize = 20;

async fn every_owners_order_holds(settings: PublishSettings) -> tidings_nats::publisher::PublishStats {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, settings);
    let chats: Vec<_> = (0..7).map(|_| chat()).collect();
    let mut pending = Vec::new();
    for n in 0..EACH {
        for owner in 0..OWNERS {
            let subject = chats[(owner as usize + n) % 7];
            let text = format!("{owner} {n}");
            let answer = running.publisher.submit(append(subject, owner, &text)).unwrap();
            pending.push((subject, text, answer));
        }
    }
    let mut acked = Vec::new();
    for (subject, text, answer) in pending {
        acked.push((subject, text, answer.await.unwrap()));
    }
    let mut stored = 0;
    for subject in &chats {
        let found = texts(&log, subject).await;
        stored += found.len();
        let mut newest = std::collections::HashMap::new();
        for (seq, text) in &found {
            let (owner, n) = text.split_once(' ').unwrap();
            let n: usize = n.parse().unwrap();
            let before = newest.insert(owner.to_owned(), n);
            assert!(before.is_none_or(|before| before < n), "{owner} turned round");
            let expected = Appended { seq: *seq, duplicate: false };
            assert!(acked.contains(&(*subject, text.clone(), expected)), "{text} at {seq}");
        }
    }
    assert_eq!(stored, OWNERS as usize * EACH);
    let stats = running.publisher.stats();
    running.stop().await;
    stats
}

#[tokio::test]
async fn batches_of_mixed_chats_keep_each_owners_order() {
    let stats = every_owners_order_holds(PublishSettings::default()).await;
    assert!(stats.batches > 0 && stats.batched_messages > 900, "{stats:?}");
    assert_eq!((stats.appended, stats.duplicates, stats.refused), (1_000, 0, 0));
}

#[tokio::test]
async fn without_group_commit_the_order_holds_too() {
    let stats = every_owners_order_holds(PublishSettings { group_commit: false, ..PublishSettings::default() }).await;
    assert_eq!((stats.batches, stats.plain_messages), (0, 1_000));
}

#[tokio::test]
async fn one_repeat_among_a_thousand_costs_halves_not_pieces() {
    let server = TestServer::start();
    let log = server.log().await;
    let subject = chat();
    let repeated = append(subject, 1, "the repeated one");
    let first = Running::start(&log, PublishSettings::default());
    let original = first.publisher.append(repeated.clone()).await.unwrap();
    first.stop().await;

    // Another process: it does not remember the id.
    let running = Running::start(&log, PublishSettings::default());
    let mut pending = Vec::new();
    for n in 0..999 {
        if n == 700 {
            pending.push(running.publisher.submit(repeated.clone()).unwrap());
        }
        let text = format!("{n}");
        pending.push(running.publisher.submit(append(subject, 1 + n / 100, &text)).unwrap());
    }
    let mut repeats = 0;
    for answer in pending {
        let appended = answer.await.unwrap();
        if appended.duplicate {
            repeats += 1;
            assert_eq!(appended.seq, original.seq);
        }
    }
    assert_eq!(repeats, 1);
    let found = texts(&log, &subject).await;
    assert_eq!(found.len(), 1_000, "none twice, none missing");
    for owner in 0..10u64 {
        let of_owner: Vec<u64> =
            found.iter().filter_map(|(_, text)| text.parse().ok()).filter(|n| n / 100 == owner).collect();
        assert!(of_owner.is_sorted());
    }
    let stats = running.publisher.stats();
    assert!(stats.batches <= 25, "taken apart: {stats:?}");
    assert!(stats.plain_messages <= 40, "taken apart: {stats:?}");
    running.stop().await;
}

#[tokio::test]
async fn another_body_under_a_used_id_is_a_conflict_here_and_elsewhere() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings::default());
    let subject = chat();
    let one = append(subject, 1, "one body");
    let first = running.publisher.append(one.clone()).await.unwrap();
    let mut other = one.clone();
    other.payload = "another body".into();
    let conflict = Err(AppendError::Conflict { seq: first.seq });
    let again = Ok(Appended { seq: first.seq, duplicate: true });
    assert_eq!(running.publisher.append(other.clone()).await, conflict);
    assert_eq!(running.publisher.append(one.clone()).await, again);

    let elsewhere = Running::start(&log, PublishSettings::default());
    assert_eq!(elsewhere.publisher.append(other).await, conflict);
    assert_eq!(elsewhere.publisher.append(one).await, again);
    assert_eq!(texts(&log, &subject).await.len(), 1);
}

#[tokio::test]
async fn an_empty_subject_is_expected_once() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings::default());
    let subject = chat();
    let mut created = append(subject, 1, "created");
    created.expect_empty = true;
    let first = running.publisher.append(created.clone()).await.unwrap();

    let mut second = append(subject, 2, "created by somebody else");
    second.expect_empty = true;
    assert_eq!(running.publisher.append(second).await, Err(AppendError::NotEmpty));

    // The same one again, from a process that does not remember: the server refuses it as "not empty", the look tells.
    let elsewhere = Running::start(&log, PublishSettings::default());
    let again = elsewhere.publisher.append(created).await;
    assert_eq!(again, Ok(Appended { seq: first.seq, duplicate: true }));
    assert_eq!(texts(&log, &subject).await.len(), 1);
}

#[tokio::test]
async fn events_without_an_id_are_appended_each_time() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings::default());
    let subject = chat();
    let mut pointer = append(subject, 1, "pointer");
    pointer.msg_id = None;
    for _ in 0..3 {
        running.publisher.append(pointer.clone()).await.unwrap();
    }
    assert_eq!(texts(&log, &subject).await.len(), 3);
}

#[tokio::test]
async fn too_large_is_refused_before_it_is_sent_and_the_largest_fits() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings::default());
    let largest = "x".repeat(tidings_nats::publisher::MAX_PAYLOAD_BYTES);
    let subject = chat();
    running.publisher.append(append(subject, 1, &largest)).await.unwrap();
    let more = append(subject, 1, &format!("{largest}x"));
    assert_eq!(running.publisher.append(more).await, Err(AppendError::TooLarge));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_breaks_the_turn() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(
        &log,
        PublishSettings { lanes: 1, queue_messages: 20, owner_messages: 5, ..PublishSettings::default() },
    );
    let subject = chat();
    running.publisher.append(append(subject, 99, "first")).await.unwrap();
    server.pause();
    let in_flight = running.publisher.submit(append(subject, 99, "in flight")).unwrap();
    until("the lane to take it", Duration::from_secs(5), async || running.publisher.stats().queued == 0).await;
    let turn = Turn::new();
    let mut waiting = Vec::new();
    for n in 0..5 {
        let mut mine = append(subject, 1, &format!("{n}"));
        mine.turn = Some(turn.clone());
        waiting.push(running.publisher.submit(mine).unwrap());
    }
    let mut sixth = append(subject, 1, "sixth");
    sixth.turn = Some(turn.clone());
    assert_eq!(running.publisher.submit(sixth.clone()).err(), Some(AppendError::QueueFull));
    assert!(turn.is_broken());
    for owner in 2..5 {
        for n in 0..5 {
            waiting.push(running.publisher.submit(append(subject, owner, &format!("{n}"))).unwrap());
        }
    }
    let neighbour = running.publisher.submit(append(subject, 7, "x"));
    assert_eq!(neighbour.err(), Some(AppendError::QueueFull), "20 wait");
    server.resume();
    in_flight.await.unwrap();
    for answer in waiting {
        answer.await.expect("what was taken before the refused one goes its way");
    }
    assert_eq!(running.publisher.submit(sixth).err(), Some(AppendError::OutOfTurn));
    running.publisher.append(append(subject, 1, "a new turn")).await.unwrap();
}

#[tokio::test]
async fn without_a_server_the_refusal_is_immediate_and_nothing_hangs() {
    let mut server = TestServer::start();
    let log = server.log().await;
    let settings = PublishSettings { deadline_ms: 4_000, ..PublishSettings::default() };
    let running = Running::start(&log, settings);
    let subject = chat();
    running.publisher.append(append(subject, 1, "before")).await.unwrap();
    server.kill();
    let started = Instant::now();
    let noticed = running.publisher.append(append(subject, 1, "first to notice")).await;
    let outage = Err(AppendError::Unavailable { source: Outage::Disconnected });
    // It may have been handed to the dying server: then nobody can say that it was not stored.
    assert!(noticed == Err(AppendError::OutcomeUnknown) || noticed == outage, "{noticed:?}");
    assert!(started.elapsed() < Duration::from_secs(3), "half of the deadline and a little");
    for text in ["x", "y"] {
        let at_once = Instant::now();
        assert_eq!(running.publisher.append(append(subject, 1, text)).await, outage);
        assert!(at_once.elapsed() < Duration::from_millis(100));
    }
    server.restart();
    until("appends to go again", Duration::from_secs(10), async || {
        running.publisher.append(append(subject, 1, "after")).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn stopping_finishes_what_it_holds_and_takes_nothing_new() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, PublishSettings::default());
    let subject = chat();
    let pending: Vec<_> =
        (0..300).map(|n| running.publisher.submit(append(subject, n % 9, &format!("{n}"))).unwrap()).collect();
    running.cancel.cancel();
    let late = running.publisher.submit(append(subject, 1, "late"));
    assert_eq!(late.err(), Some(AppendError::Stopped));
    for answer in pending {
        answer.await.unwrap();
    }
    running.stop().await;
    assert_eq!(texts(&log, &subject).await.len(), 300);
}
