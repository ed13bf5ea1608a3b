//! Batches into a stream at a rate: what has become due is one atomic batch, one in flight, like a lane does it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt;
use uuid::Uuid;

/// Bytes of one event as stored: the JSON around a text of 256.
const EVENT_BYTES: usize = 480;

/// Publishes until it is killed.
pub(crate) async fn run(server: &str, rate: f64, batch: usize, subjects: usize) -> anyhow::Result<()> {
    let client = async_nats::connect(server).await?;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await?;
    let payload = Bytes::from(vec![b'x'; EVENT_BYTES]);
    let (began, mut sent) = (Instant::now(), 0u64);
    loop {
        let due = ((began.elapsed().as_secs_f64() * rate) as u64).saturating_sub(sent);
        if due == 0 {
            tokio::time::sleep(Duration::from_micros(500)).await;
            continue;
        }
        let count = usize::try_from(due)?.min(batch);
        publish(&client, &inbox, &payload, sent, count, subjects).await?;
        // The first message of a batch and the last one are answered; a single one once.
        for _ in 0..if count > 1 { 2 } else { 1 } {
            let reply = replies.next().await.context("no reply")?;
            if reply.payload.windows(7).any(|part| part == b"\"error\"") {
                bail!("refused: {}", String::from_utf8_lossy(&reply.payload));
            }
        }
        sent += count as u64;
    }
}

/// One atomic batch (a single message: a plain publish).
pub(crate) async fn publish(
    client: &async_nats::Client,
    inbox: &str,
    payload: &Bytes,
    first: u64,
    count: usize,
    subjects: usize,
) -> anyhow::Result<()> {
    let id = Uuid::new_v4().simple().to_string();
    for at in 0..count {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", Uuid::new_v4().simple().to_string());
        if count > 1 {
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", (at + 1).to_string());
        }
        let subject = format!("bare.{}", (first + at as u64) % subjects as u64);
        let is_last = at + 1 == count;
        if is_last && count > 1 {
            headers.insert("Nats-Batch-Commit", "1");
        }
        if at == 0 || is_last {
            client.publish_with_reply_and_headers(subject, inbox.to_owned(), headers, payload.clone()).await?;
        } else {
            client.publish_with_headers(subject, headers, payload.clone()).await?;
        }
    }
    client.flush().await.context("could not write to nats")
}
