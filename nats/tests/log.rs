//! Reads on a real server: runs, tails, bounds (R8).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{ALL, Running, append, chat, texts};
use tidings_nats::testing::TestServer;
use tidings_nats::{LogError, PublishSettings, ReadMax, StreamName, Subject};
use tidings_protocol::UserId;

fn at_once() -> PublishSettings {
    PublishSettings { owner_messages: 10_000, ..PublishSettings::default() }
}

async fn fill(running: &Running, subject: Subject, count: usize) -> Vec<u64> {
    let pending: Vec<_> =
        (0..count).map(|n| running.publisher.submit(append(subject, 1, &format!("{n}"))).unwrap()).collect();
    let mut seqs = Vec::new();
    for answer in pending {
        seqs.push(answer.await.unwrap().seq);
    }
    seqs
}

#[tokio::test]
async fn a_run_longer_than_a_request_is_whole_and_cut_where_asked() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, at_once());
    let (subject, other) = (chat(), chat());
    let (seqs, _) = tokio::join!(fill(&running, subject, 2_500), fill(&running, other, 500));

    let run = log.read_after(&subject, 0, ALL).await.unwrap();
    assert!(run.complete);
    assert_eq!(run.reached, *seqs.last().unwrap());
    assert_eq!(run.events.iter().map(|event| event.seq).collect::<Vec<_>>(), seqs);
    assert!(run.events.iter().all(|event| event.subject == subject && event.time_ms > 0));
    assert_eq!(run.events[0].prev, None);
    assert!(run.events.windows(2).all(|pair| pair[1].prev == Some(pair[0].seq)));

    let some = ReadMax { events: 1_200, bytes: 1 << 20 };
    let cut = log.read_after(&subject, seqs[99], some).await.unwrap();
    assert_eq!((cut.events.len(), cut.complete, cut.reached), (1_200, false, seqs[1_299]));
    let exactly = ReadMax { events: 2_500, bytes: 1 << 20 };
    assert!(log.read_after(&subject, 0, exactly).await.unwrap().complete);
    let bytes = ReadMax { events: 100, bytes: 25 };
    let few = log.read_after(&subject, 0, bytes).await.unwrap();
    assert_eq!(few.events.len(), 10 + 7, "ten of one byte, seven of two");
    let tiny = ReadMax { events: 100, bytes: 0 };
    assert_eq!(log.read_after(&subject, 0, tiny).await.unwrap().events.len(), 1);

    let rest = log.read_after(&subject, *seqs.last().unwrap(), ALL).await.unwrap();
    assert!(rest.events.is_empty() && rest.complete);
    assert_eq!(rest.reached, *seqs.last().unwrap());
    assert!(texts(&log, &chat()).await.is_empty());
}

#[tokio::test]
async fn a_read_that_cannot_reach_far_enough_says_so() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, at_once());
    let subject = chat();
    let last = *fill(&running, subject, 10).await.last().unwrap();
    let run = log.read_after_at_least(&subject, 0, ALL, last).await.unwrap();
    assert_eq!((run.events.len(), run.reached), (10, last));
    let cut = ReadMax { events: 3, bytes: 1_000 };
    let run = log.read_after_at_least(&subject, 0, cut, last).await.unwrap();
    assert_eq!((run.events.len(), run.complete), (3, false));
    let behind = log.read_after_at_least(&subject, 0, ALL, last + 5).await.unwrap_err();
    assert!(matches!(behind, LogError::Behind { reached, wanted, .. } if (reached, wanted) == (last, last + 5)));
}

#[tokio::test]
async fn tails_of_three_thousand_subjects_come_in_the_order_asked() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, at_once());
    let subjects: Vec<Subject> =
        (0..3_000).map(|n| if n % 3 == 0 { Subject::inbox(UserId::generate()) } else { chat() }).collect();
    let mut pending = Vec::new();
    for (n, subject) in subjects.iter().enumerate() {
        // Every seventh stays empty.
        if n % 7 != 0 {
            pending.push((n, running.publisher.submit(append(*subject, n as u64, "x")).unwrap()));
        }
    }
    let mut expected = vec![None; subjects.len()];
    for (n, answer) in pending {
        expected[n] = Some(answer.await.unwrap().seq);
    }
    let tails = log.last(&subjects).await.unwrap();
    let seqs: Vec<Option<u64>> = tails.iter().map(|tail| tail.map(|tail| tail.seq)).collect();
    assert_eq!(seqs, expected);
    assert!(log.last(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn large_tails_come_in_several_answers_of_one_moment() {
    let server = TestServer::with_config("max_pending: 2MB");
    let log = server.log().await;
    let running = Running::start(&log, at_once());
    let subjects: Vec<Subject> = (0..20).map(|_| chat()).collect();
    let body = "x".repeat(400_000);
    let mut seqs = Vec::new();
    for subject in &subjects {
        seqs.push(running.publisher.append(append(*subject, 1, &body)).await.unwrap().seq);
    }
    let tails = log.last(&subjects).await.unwrap();
    assert_eq!(tails.iter().map(|tail| tail.unwrap().seq).collect::<Vec<_>>(), seqs);
}

#[tokio::test]
async fn single_events_places_in_time_and_the_state_of_a_stream() {
    let server = TestServer::start();
    let log = server.log().await;
    let running = Running::start(&log, at_once());
    let (subject, other) = (chat(), chat());
    let stream = StreamName::Chat(0);
    assert_eq!(log.seq_at(stream, 0).await.unwrap(), 1, "an empty stream begins at 1");
    let seqs = fill(&running, subject, 3).await;
    fill(&running, other, 3).await;

    let event = log.get(stream, seqs[1]).await.unwrap().unwrap();
    assert_eq!((event.subject, event.seq, event.payload.as_ref()), (subject, seqs[1], b"1".as_slice()));
    assert_eq!(log.get(stream, 1_000).await.unwrap(), None);
    assert_eq!(log.get(stream, 0).await.unwrap(), None, "places begin at 1");
    assert_eq!(log.last_before(&subject, seqs[2]).await.unwrap(), Some(seqs[1]));
    assert_eq!(log.last_before(&subject, seqs[0]).await.unwrap(), None);
    assert_eq!(log.last_before(&subject, 1_000).await.unwrap(), Some(seqs[2]));
    assert_eq!(log.last_before(&chat(), 1_000).await.unwrap(), None);

    let state = log.state(stream).await.unwrap();
    assert_eq!((state.first_seq, state.last_seq), (1, 6));
    assert!(state.epoch <= state.time_ms && state.time_ms > event.time_ms);
    assert_eq!(log.seq_at(stream, 0).await.unwrap(), 1);
    assert!(log.seq_at(stream, event.time_ms).await.unwrap() <= event.seq);
    assert_eq!(log.seq_at(stream, state.time_ms + 60_000).await.unwrap(), 7);
    let now = log.clock().now_ms().unwrap();
    assert!(now >= state.time_ms && now < state.time_ms + 60_000);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_in_time() {
    let mut server = TestServer::start();
    let log = server.log().await;
    let subject = chat();
    server.pause();
    let started = Instant::now();
    let error = log.read_after(&subject, 0, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::TimedOut { .. }), "{error}");
    assert!(log.last(&[subject]).await.is_err());
    assert!(started.elapsed() < Duration::from_secs(8));
    server.kill();
    tidings_nats::testing::until("the loss to be noticed", Duration::from_secs(5), async || {
        let at_once = Instant::now();
        let error = log.read_after(&subject, 0, ALL).await.unwrap_err();
        matches!(error, LogError::Request { .. }) && at_once.elapsed() < Duration::from_millis(50)
    })
    .await;
}
