//! Events of a real stream arrive with their place, their time and what the publisher said about them.

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use tidings_protocol::{ChatId, SessionId, UserId};

use super::server::NatsServer;
use super::{Reader, live_settings, nats_settings};
use crate::live::{LiveSubject, StreamTag};
use crate::subjects::{Subject, live_chat, user_all};

pub(super) async fn make_streams(client: async_nats::Client) -> jetstream::Context {
    let context = jetstream::new(client);
    for (name, source, destination) in
        [("CHAT_0", "chat.*.*", "live.chat.{{wildcard(2)}}"), ("INBOX_0", "inbox.*.*", "user.{{wildcard(2)}}.inbox")]
    {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![source.to_owned()],
            republish: Some(stream::Republish {
                source: source.to_owned(),
                destination: destination.to_owned(),
                headers_only: false,
            }),
            ..stream::Config::default()
        };
        context.create_stream(config).await.unwrap();
    }
    context
}

/// Appends and returns the sequence.
pub(super) async fn append(
    context: &jetstream::Context,
    subject: Subject,
    headers: &[(&str, &str)],
    payload: &'static str,
) -> u64 {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    let sent = context.publish_with_headers(subject.to_string(), map, Bytes::from(payload));
    sent.await.unwrap().await.unwrap().sequence
}

#[tokio::test]
async fn an_event_brings_its_place_and_time() {
    let server = NatsServer::start("").await;
    let log = make_streams(server.client().await).await;
    let (chat, other) = (ChatId::generate(), ChatId::generate());
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[LiveSubject::Chat(chat)]).await;

    let before_ms = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap();
    let first = append(&log, Subject::chat(chat), &[], "one").await;
    append(&log, Subject::chat(other), &[], "not heard").await;
    let session = SessionId::generate();
    let of_session = ("Tidings-Session", session.to_string());
    let headers = [(of_session.0, of_session.1.as_str())];
    let second = append(&log, Subject::chat(chat), &headers, "two").await;

    let one = reader.event().await;
    assert_eq!(one.subject, LiveSubject::Chat(chat));
    assert_eq!((one.seq, one.prev, one.stream), (first, 0, StreamTag::Chat));
    assert_eq!((&one.payload[..], one.session, one.void), (&b"one"[..], None, false));
    assert!((before_ms..before_ms + 60_000).contains(&one.time_ms));
    let two = reader.event().await;
    assert_eq!((two.seq, two.prev), (second, first));
    assert_eq!((&two.payload[..], two.session), (&b"two"[..], Some(session)));
    assert!(two.time_ms >= one.time_ms);
    assert_eq!(two.clone().keep(), two);
}

#[tokio::test]
async fn a_late_event_is_void_and_no_publisher_lies_about_its_place() {
    let server = NatsServer::start("").await;
    let log = make_streams(server.client().await).await;
    let chat = ChatId::generate();
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[LiveSubject::Chat(chat)]).await;
    let subject = Subject::chat(chat);
    append(&log, subject, &[("Tidings-Deadline", "1000")], "late").await;
    let in_time = [("Tidings-Deadline", "99999999999999")];
    append(&log, subject, &in_time, "in time").await;
    let lies = [("Nats-Sequence", "77"), ("Nats-Last-Sequence", "76"), ("Nats-Stream", "INBOX_9")];
    append(&log, subject, &lies, "lies").await;

    assert!(reader.event().await.void);
    assert!(!reader.event().await.void);
    let lies = reader.event().await;
    assert_eq!((lies.seq, lies.prev, lies.stream), (3, 2, StreamTag::Chat));
}

#[tokio::test]
async fn an_inbox_is_heard_and_what_is_beside_it_only_counted() {
    let server = NatsServer::start("").await;
    let client = server.client().await;
    let log = make_streams(client.clone()).await;
    let user = UserId::generate();
    let chat = ChatId::generate();
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[LiveSubject::User(user), LiveSubject::Chat(chat)]).await;
    for subject in [format!("user.{user}.signal"), format!("user.{user}.presence")] {
        client.publish(subject, "x".into()).await.unwrap();
    }
    client.publish(live_chat(chat), "not stored".into()).await.unwrap();
    client.flush().await.unwrap();
    append(&log, Subject::inbox(user), &[], "moved").await;

    let moved = reader.event().await;
    assert_eq!(moved.subject, LiveSubject::User(user));
    assert_eq!((moved.stream, moved.seq, moved.prev), (StreamTag::Inbox, 1, 0));
    let stats = reader.until(|stats| stats.ignored + stats.malformed == 3).await;
    assert_eq!((stats.ignored, stats.malformed, stats.delivered), (2, 1, 1));
}

#[test]
fn subjects_are_those_of_the_log() {
    let (chat, user) = (ChatId::generate(), UserId::generate());
    assert_eq!(LiveSubject::Chat(chat).to_string(), live_chat(chat));
    assert_eq!(LiveSubject::User(user).to_string(), user_all(user));
}
