//! What the server does with batches and ids: the publisher relies on it, so an upgrade that changes it fails here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use async_nats::{HeaderMap, Subscriber};
use common::chat;
use futures_util::StreamExt;
use serde_json::Value;
use tidings_nats::testing::TestServer;
use tidings_nats::{Log, StreamName, Subject};

const SOON: Duration = Duration::from_secs(10);

/// One client that publishes by hand.
struct Hand {
    log: Log,
    inbox: String,
    replies: Subscriber,
}

impl Hand {
    async fn new(log: &Log) -> Self {
        let inbox = log.client().new_inbox();
        let replies = log.client().subscribe(inbox.clone()).await.unwrap();
        Self { log: log.clone(), inbox, replies }
    }

    async fn send(&self, subject: Subject, headers: &[(&'static str, &str)], reply: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let (client, subject) = (self.log.client(), subject.to_string());
        match reply {
            true => {
                let inbox = self.inbox.clone();
                client.publish_with_reply_and_headers(subject, inbox, map, "x".into()).await.unwrap();
            }
            false => client.publish_with_headers(subject, map, "x".into()).await.unwrap(),
        }
    }

    /// The next reply: nothing (staged), or what it says.
    async fn reply(&mut self) -> Option<Value> {
        let reply = tokio::time::timeout(SOON, self.replies.next()).await.unwrap().unwrap();
        (!reply.payload.is_empty()).then(|| serde_json::from_slice(&reply.payload).unwrap())
    }

    async fn code(&mut self) -> u64 {
        self.reply().await.unwrap()["error"]["err_code"].as_u64().unwrap()
    }

    /// A batch of two with these ids; asks for both replies.
    async fn batch(&self, batch: &str, ids: [&str; 2], subject: Subject) {
        let place = |n| ("Nats-Batch-Sequence", n);
        let id = ("Nats-Batch-Id", batch);
        self.send(subject, &[id, place("1"), ("Nats-Msg-Id", ids[0])], true).await;
        let commit = ("Nats-Batch-Commit", "1");
        self.send(subject, &[id, place("2"), ("Nats-Msg-Id", ids[1]), commit], true).await;
    }
}

#[tokio::test]
async fn a_batch_answers_its_first_message_with_nothing_and_its_last_with_place_and_count() {
    let server = TestServer::start();
    let log = server.log().await;
    let mut hand = Hand::new(&log).await;
    hand.batch("b1", ["a", "b"], chat()).await;
    assert_eq!(hand.reply().await, None);
    let ack = hand.reply().await.unwrap();
    assert_eq!((ack["seq"].as_u64(), ack["count"].as_u64()), (Some(2), Some(2)));
}

#[tokio::test]
async fn one_known_id_fails_the_whole_batch_and_nothing_of_it_is_stored() {
    let server = TestServer::start();
    let log = server.log().await;
    let mut hand = Hand::new(&log).await;
    let subject = chat();
    hand.send(subject, &[("Nats-Msg-Id", "b")], true).await;
    assert_eq!(hand.reply().await.unwrap()["seq"], 1);
    hand.batch("b1", ["a", "b"], subject).await;
    assert_eq!(hand.reply().await, None);
    assert_eq!(hand.code().await, 10_201);
    hand.batch("b2", ["c", "c"], subject).await;
    assert_eq!(hand.reply().await, None);
    assert_eq!(hand.code().await, 10_201, "twice within one batch");
    assert_eq!(log.state(StreamName::Chat(0)).await.unwrap().last_seq, 1);
}

#[tokio::test]
async fn a_batch_with_a_hole_or_too_many_messages_is_refused() {
    let server = TestServer::start();
    let log = server.log().await;
    let mut hand = Hand::new(&log).await;
    let subject = chat();
    let (id, commit) = (("Nats-Batch-Id", "b1"), ("Nats-Batch-Commit", "1"));
    hand.send(subject, &[id, ("Nats-Batch-Sequence", "1")], false).await;
    hand.send(subject, &[id, ("Nats-Batch-Sequence", "3"), commit], true).await;
    assert_eq!(hand.code().await, 10_176);
    let id = ("Nats-Batch-Id", "b2");
    for n in 1..=1_001 {
        let place = n.to_string();
        hand.send(subject, &[id, ("Nats-Batch-Sequence", place.as_str())], n == 1_001).await;
    }
    assert_eq!(hand.code().await, 10_199);
    assert_eq!(log.state(StreamName::Chat(0)).await.unwrap().last_seq, 0);
}

#[tokio::test]
async fn too_many_open_batches_are_refused_at_the_first_message() {
    let server = TestServer::start();
    let log = server.log().await;
    let mut hand = Hand::new(&log).await;
    let subject = chat();
    // The configured 200 places of the stream.
    for n in 0..=200 {
        let id = format!("b{n}");
        let headers = [("Nats-Batch-Id", id.as_str()), ("Nats-Batch-Sequence", "1")];
        hand.send(subject, &headers, n == 200).await;
    }
    assert_eq!(hand.code().await, 10_210);
}

#[tokio::test]
async fn an_expected_place_is_looked_at_before_the_id() {
    let server = TestServer::start();
    let log = server.log().await;
    let mut hand = Hand::new(&log).await;
    let subject = chat();
    let headers = [("Nats-Msg-Id", "a"), ("Nats-Expected-Last-Subject-Sequence", "0")];
    hand.send(subject, &headers, true).await;
    assert_eq!(hand.reply().await.unwrap()["seq"], 1);
    hand.send(subject, &headers, true).await;
    assert_eq!(hand.code().await, 10_071, "a repeat is told by the place, not by the id");
    hand.send(subject, &headers[..1], true).await;
    let repeat = hand.reply().await.unwrap();
    assert_eq!((repeat["seq"].as_u64(), repeat["duplicate"].as_bool()), (Some(1), Some(true)));
}
