//! Servers that die, come back, say no.

use super::place::{append, make_streams};
use super::server::NatsServer;
use super::{Reader, chat, live_settings, nats_settings, republished};
use crate::live::{DialError, Interruption, LiveError, LiveItem, LiveSettings, LiveSubject};
use crate::settings::NatsSettings;
use crate::subjects::Subject;
use tidings_protocol::ChatId;

#[tokio::test]
async fn a_server_that_comes_back_is_told_everything_and_the_gap_is_said() {
    let mut server = NatsServer::start("").await;
    let id = ChatId::generate();
    let subject = Subject::chat(id);
    let log = make_streams(server.client().await).await;
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[LiveSubject::Chat(id), chat(1)]).await;
    append(&log, subject, &[], "before").await;
    assert_eq!(reader.event().await.seq, 1);

    server.kill();
    reader.until(|stats| !stats.connected).await;
    reader.live.unsubscribe(chat(1));
    reader.live.subscribe(chat(2)).unwrap();
    server.run().await;
    assert_eq!(reader.next().await, LiveItem::Interrupted(Interruption::Reconnected));
    reader.live.confirmed().await.unwrap();

    let client = server.client().await;
    for (n, seq) in [(1, 7), (2, 8)] {
        let headers = republished(seq, 0);
        client.publish_with_headers(chat(n).to_string(), headers, "x".into()).await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(reader.event().await.subject, chat(2), "1 was wished away, 2 wished for");
    let log = async_nats::jetstream::new(client);
    append(&log, subject, &[], "after").await;
    let after = reader.event().await;
    assert_eq!((after.seq, after.prev), (2, 1));
    assert_eq!(reader.live.stats().connections, 2);
}

#[tokio::test]
async fn a_new_leader_of_our_streams_is_an_interruption() {
    let server = NatsServer::start("").await;
    let client = server.client().await;
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[]).await;
    for stream in ["KV_LEASES", "CHAT_3"] {
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.{stream}");
        client.publish(subject, "{}".into()).await.unwrap();
    }
    client.flush().await.unwrap();
    let stream = "CHAT_3".to_owned();
    assert_eq!(reader.interruption().await, Interruption::Leader { stream });
    assert_eq!(reader.live.stats().ignored, 1);
}

#[tokio::test]
async fn credentials_are_used_and_wrong_ones_named() {
    let server = NatsServer::start("authorization { user: live, password: \"p w\" }").await;
    let with = |password: &str| NatsSettings {
        user: Some("live".to_owned()),
        password: Some(password.to_owned()),
        ..nats_settings(server.port)
    };
    Reader::start(&with("p w"), live_settings()).listen(&[chat(1)]).await;
    let settings = LiveSettings { confirm_timeout_ms: 500, ..live_settings() };
    let reader = Reader::start(&with("wrong"), settings);
    let refused = reader.live.confirmed().await.unwrap_err();
    let LiveError::Unavailable { source, .. } = refused else {
        unreachable!("{refused:?}");
    };
    assert!(matches!(&*source, DialError::Refused { text } if text == "Authorization Violation"), "{source:?}");
    assert!(reader.live.stats().failed_attempts > 0);
}

#[tokio::test]
async fn a_token_is_used() {
    let server = NatsServer::start("authorization { token: \"t0ken\" }").await;
    let nats = NatsSettings { token: Some("t0ken".to_owned()), ..nats_settings(server.port) };
    Reader::start(&nats, live_settings()).listen(&[chat(1)]).await;
}

#[tokio::test]
async fn a_refused_subscription_is_never_confirmed() {
    let server = NatsServer::start(
        "authorization { users: [{ user: a, password: b, permissions: { subscribe: { deny: \"live.chat.>\" } } }] }",
    )
    .await;
    let nats =
        NatsSettings { user: Some("a".to_owned()), password: Some("b".to_owned()), ..nats_settings(server.port) };
    let reader = Reader::start(&nats, live_settings());
    reader.listen(&[]).await;
    reader.live.subscribe(chat(1)).unwrap();
    let refused = reader.live.confirmed().await.unwrap_err();
    assert!(matches!(refused, LiveError::Refused), "{refused:?}");
    assert_eq!(reader.live.stats().refused, 1);
}

#[tokio::test]
async fn without_any_server_the_caller_is_told_in_time() {
    let settings = LiveSettings { confirm_timeout_ms: 200, ..live_settings() };
    let mut server = NatsServer::start("").await;
    server.kill();
    let reader = Reader::start(&nats_settings(server.port), settings);
    reader.live.subscribe(chat(1)).unwrap();
    let refused = reader.live.confirmed().await.unwrap_err();
    assert!(
        matches!(&refused, LiveError::Unavailable { source, .. } if matches!(**source, DialError::Connect { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_stopped_reader_says_so_and_leaves_no_task() {
    let server = NatsServer::start("").await;
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[chat(1)]).await;
    reader.stop.cancel();
    reader.tracker.close();
    reader.tracker.wait().await;
    assert_eq!(reader.items.recv().await, None);
    assert!(matches!(reader.live.subscribe(chat(2)), Err(LiveError::Stopped)));
    assert!(matches!(reader.live.confirmed().await, Err(LiveError::Stopped)));
}

#[tokio::test]
async fn a_reader_whose_items_nobody_takes_ends() {
    let server = NatsServer::start("").await;
    let mut reader = Reader::start(&nats_settings(server.port), live_settings());
    reader.listen(&[chat(1)]).await;
    let (_, other) = tokio::sync::mpsc::channel(1);
    drop(std::mem::replace(&mut reader.items, other));
    reader.tracker.close();
    reader.tracker.wait().await;
    assert!(matches!(reader.live.confirmed().await, Err(LiveError::Stopped)));
}
