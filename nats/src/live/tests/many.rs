//! Many subjects on one connection, and bounds on how many.

use std::collections::BTreeSet;

use super::server::NatsServer;
use super::{Reader, chat, live_settings, nats_settings, republished};
use crate::live::{LiveError, LiveSettings, LiveSubject};

const SUBJECTS: u128 = 20_000;

#[tokio::test]
async fn twenty_thousand_subjects_are_each_heard_once_and_half_of_them_after_half_left() {
    let server = NatsServer::start("").await;
    let client = server.client().await;
    let settings = LiveSettings { channel_items: 50_000, ..live_settings() };
    let mut reader = Reader::start(&nats_settings(server.port), settings);
    let all: Vec<LiveSubject> = (0..SUBJECTS).map(chat).collect();
    reader.listen(&all).await;
    assert_eq!(reader.live.stats().subscriptions, all.len());

    publish_to(&client, &all).await;
    assert_eq!(heard(&mut reader, all.len()).await, all.iter().copied().collect());

    let (left, stayed) = all.split_at(all.len() / 2);
    for subject in left {
        reader.live.unsubscribe(*subject);
    }
    reader.live.confirmed().await.unwrap();
    publish_to(&client, &all).await;
    assert_eq!(heard(&mut reader, stayed.len()).await, stayed.iter().copied().collect());
    reader.live.confirmed().await.unwrap();
    assert!(reader.items.is_empty(), "who left hears nothing");
    let stats = reader.live.stats();
    assert_eq!((stats.subscriptions, stats.dropped), (stayed.len(), 0));
    assert_eq!((stats.connections, stats.interruptions), (1, 0));
}

#[tokio::test]
async fn one_more_than_the_bound_is_refused() {
    let server = NatsServer::start("").await;
    let settings = LiveSettings { max_subscriptions: 2, ..live_settings() };
    let reader = Reader::start(&nats_settings(server.port), settings);
    reader.listen(&[chat(1), chat(2)]).await;
    reader.live.subscribe(chat(2)).unwrap();
    let refused = reader.live.subscribe(chat(3)).unwrap_err();
    assert!(matches!(refused, LiveError::TooManySubscriptions { max: 2 }));
}

async fn publish_to(client: &async_nats::Client, subjects: &[LiveSubject]) {
    for subject in subjects {
        let headers = republished(5, 4);
        client.publish_with_headers(subject.to_string(), headers, "x".into()).await.unwrap();
    }
    client.flush().await.unwrap();
}

async fn heard(reader: &mut Reader, events: usize) -> BTreeSet<LiveSubject> {
    let mut subjects = BTreeSet::new();
    for _ in 0..events {
        assert!(subjects.insert(reader.event().await.subject));
    }
    subjects
}
