//! `prev_cost` (R2's [M]): what `Nats-Last-Sequence` costs. Republishing makes the server look up the last message of the
//! subject; for a quiet chat in a large stream that lies in a block that is no longer in memory.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use futures_util::StreamExt;
use rand::Rng;
use tidings_nats::testing::TestServer;
use uuid::Uuid;

use crate::bare::create_stream;
use crate::row::{Bar, Row};
use crate::windows::{list, median_ratio};

/// Chats, each with one old message.
const CHATS: usize = 400_000;
const EVENT_BYTES: usize = 480;
const BATCH: usize = 500;
const PAIRS: usize = 3;
/// The server drops a block from its cache when it was not used for 10 s.
const CACHE_EXPIRES: Duration = Duration::from_secs(12);

pub(super) async fn measure(window: Duration) -> anyhow::Result<Row> {
    let server = TestServer::start();
    let client = async_nats::connect(server.url()).await?;
    for (name, republish) in [("WITH", true), ("WITHOUT", false)] {
        let subject = name.to_lowercase();
        let mut more = serde_json::json!({"subjects": [format!("{subject}.*")]});
        if republish {
            more["republish"] = serde_json::json!({"src": format!("{subject}.*"), "dest": format!("live.{subject}.{{{{wildcard(1)}}}}")});
        }
        create_stream(&client, name, more).await?;
        let mut lane = Lane::new(&client, &subject).await?;
        for first in (0..CHATS).step_by(BATCH) {
            lane.publish((first..first + BATCH).collect()).await?;
        }
    }
    let mut with = Lane::new(&client, "with").await?;
    let mut without = Lane::new(&client, "without").await?;
    let (mut ons, mut offs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        tokio::time::sleep(CACHE_EXPIRES).await;
        ons.push(with.rate(window).await?);
        offs.push(without.rate(window).await?);
    }
    Ok(Row {
        name: "prev_cost",
        value: median_ratio(&ons, &offs),
        unit: "of plain",
        bar: Bar::AtLeast(0.5),
        shape: format!(
            "batches of {BATCH} into random ones of {CHATS} quiet chats ({} MiB a stream, caches expired), fsync always, {PAIRS} pairs of {} s",
            (CHATS * EVENT_BYTES) >> 20,
            window.as_secs()
        ),
        detail: format!("messages/s with republish: {}; without: {}", list(&ons), list(&offs)),
    })
}

struct Lane {
    client: async_nats::Client,
    inbox: String,
    replies: async_nats::Subscriber,
    prefix: String,
    payload: Bytes,
}

impl Lane {
    async fn new(client: &async_nats::Client, prefix: &str) -> anyhow::Result<Self> {
        let inbox = client.new_inbox();
        let replies = client.subscribe(inbox.clone()).await?;
        let payload = Bytes::from(vec![b'x'; EVENT_BYTES]);
        Ok(Self { client: client.clone(), inbox, replies, prefix: prefix.to_owned(), payload })
    }

    async fn rate(&mut self, window: Duration) -> anyhow::Result<f64> {
        let (began, mut sent) = (Instant::now(), 0);
        while began.elapsed() < window {
            let chats = (0..BATCH).map(|_| rand::rng().random_range(0..CHATS)).collect();
            self.publish(chats).await?;
            sent += BATCH;
        }
        Ok(sent as f64 / began.elapsed().as_secs_f64())
    }

    async fn publish(&mut self, chats: Vec<usize>) -> anyhow::Result<()> {
        let id = Uuid::new_v4().simple().to_string();
        let count = chats.len();
        for (at, chat) in chats.into_iter().enumerate() {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", (at + 1).to_string());
            let subject = format!("{}.{chat}", self.prefix);
            if at + 1 == count {
                headers.insert("Nats-Batch-Commit", "1");
                self.client
                    .publish_with_reply_and_headers(subject, self.inbox.clone(), headers, self.payload.clone())
                    .await?;
            } else {
                self.client.publish_with_headers(subject, headers, self.payload.clone()).await?;
            }
        }
        self.client.flush().await?;
        let reply = tokio::time::timeout(Duration::from_secs(30), self.replies.next()).await?.context("no reply")?;
        anyhow::ensure!(
            !reply.payload.windows(7).any(|part| part == b"\"error\""),
            "refused: {}",
            String::from_utf8_lossy(&reply.payload)
        );
        Ok(())
    }
}
