//! A reader that is behind: nothing is missing in silence, whoever gives up first.

use std::time::Duration;

use super::server::NatsServer;
use super::{PATIENCE, Reader, chat, live_settings, nats_settings, republished};
use crate::live::{Interruption, LiveItem, LiveSettings};

#[tokio::test]
async fn what_a_slow_reader_misses_is_counted_in_its_place() {
    const EVENTS: u64 = 5_000;
    let server = NatsServer::start("").await;
    let client = server.client().await;
    let settings = LiveSettings { channel_items: 64, stall_ms: 50, ..live_settings() };
    let mut reader = Reader::start(&nats_settings(server.port), settings);
    reader.listen(&[chat(1)]).await;
    publish(&client, 1..=EVENTS, 10).await;
    reader.until(|stats| stats.dropped > 0).await;
    // The reader wakes up again while events are still being dropped.
    let mut newest = 0;
    let mut dropped = 0;
    while newest < EVENTS {
        match reader.next().await {
            LiveItem::Event(event) => {
                assert_eq!(event.seq, newest + 1, "a hole without a word");
                newest = event.seq;
            }
            LiveItem::Interrupted(Interruption::Overflow { dropped: here }) => {
                dropped += here;
                newest += here;
            }
            LiveItem::Interrupted(other) => unreachable!("{other:?}"),
        }
    }
    let stats = reader.live.stats();
    assert_eq!((newest, stats.dropped), (EVENTS, dropped));
    assert_eq!(stats.delivered + stats.dropped, EVENTS);
    assert_eq!(stats.connections, 1);
}

#[tokio::test]
async fn a_pause_shorter_than_the_stall_loses_nothing() {
    const EVENTS: u64 = 3_000;
    let server = NatsServer::start("").await;
    let client = server.client().await;
    let settings = LiveSettings { channel_items: 16, stall_ms: 20_000, ..live_settings() };
    let mut reader = Reader::start(&nats_settings(server.port), settings);
    reader.listen(&[chat(1)]).await;
    publish(&client, 1..=EVENTS, 10).await;
    reader.until(|stats| stats.stalls > 0).await;
    for seq in 1..=EVENTS {
        assert_eq!(reader.event().await.seq, seq);
    }
    assert_eq!(reader.live.stats().dropped, 0);
}

#[tokio::test]
async fn a_server_that_gives_up_on_us_is_an_interruption() {
    let server = NatsServer::start("max_pending: 1MB\nwrite_deadline: \"1s\"").await;
    let client = server.client().await;
    let settings = LiveSettings { channel_items: 4, stall_ms: 20_000, ..live_settings() };
    let mut reader = Reader::start(&nats_settings(server.port), settings);
    reader.listen(&[chat(1)]).await;
    // More than the server, the system's socket buffers and our channel hold together.
    publish(&client, 1..=400, 100_000).await;
    assert_eq!(reader.interruption().await, Interruption::Reconnected);
    // All subscriptions are in force once more.
    publish(&client, 9_999..=9_999, 10).await;
    let again = async { while reader.event().await.seq != 9_999 {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    assert_eq!(reader.live.stats().dropped, 0);
}

#[tokio::test]
async fn waiting_bytes_are_bounded() {
    let server = NatsServer::start("").await;
    let client = server.client().await;
    let settings = LiveSettings { channel_bytes: 1_000_000, stall_ms: 20_000, ..live_settings() };
    let mut reader = Reader::start(&nats_settings(server.port), settings);
    reader.listen(&[chat(1)]).await;
    publish(&client, 1..=50, 100_000).await;
    reader.until(|stats| stats.stalls > 0).await;
    // Ten of 100 KB reach the bound; the eleventh waits outside of the channel.
    assert_eq!(reader.items.len(), 10);
    for seq in 1..=50 {
        let event = reader.event().await;
        assert_eq!((event.seq, event.payload.len()), (seq, 100_000));
    }
}

async fn publish(client: &async_nats::Client, seqs: std::ops::RangeInclusive<u64>, payload_bytes: usize) {
    let payload = bytes::Bytes::from(vec![b'x'; payload_bytes]);
    for seq in seqs {
        let headers = republished(seq, seq - 1);
        client.publish_with_headers(chat(1).to_string(), headers, payload.clone()).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(30), client.flush()).await.unwrap().unwrap();
}
