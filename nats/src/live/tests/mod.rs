//! Tests of the live reader: the parser against any bytes, the rest against real and scripted servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod classified;
mod faults;
mod many;
mod place;
mod scripted;
mod server;
mod slow;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use tidings_protocol::{ChatId, Seq};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{Interruption, LiveEvent, LiveItem, LiveReader, LiveSettings, LiveStats, LiveSubject, start};
use crate::settings::NatsSettings;

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running reader; stops when dropped.
struct Reader {
    live: Arc<dyn LiveReader>,
    items: mpsc::Receiver<LiveItem>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Reader {
    fn start(nats: &NatsSettings, live: LiveSettings) -> Self {
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let (live, items) = start(nats, live, stop.clone(), &tracker).unwrap();
        Self { live, items, stop, tracker }
    }

    async fn listen(&self, subjects: &[LiveSubject]) {
        for subject in subjects {
            self.live.subscribe(*subject).unwrap();
        }
        self.live.confirmed().await.unwrap();
    }

    async fn next(&mut self) -> LiveItem {
        tokio::time::timeout(PATIENCE, self.items.recv()).await.unwrap().unwrap()
    }

    async fn event(&mut self) -> LiveEvent {
        match self.next().await {
            LiveItem::Event(event) => event,
            LiveItem::Interrupted(interruption) => unreachable!("{interruption:?}"),
        }
    }

    /// Waits for the interruption, passing over events.
    async fn interruption(&mut self) -> Interruption {
        loop {
            if let LiveItem::Interrupted(interruption) = self.next().await {
                return interruption;
            }
        }
    }

    /// Waits until the counters are as `wanted`.
    async fn until(&self, wanted: impl Fn(&LiveStats) -> bool) -> LiveStats {
        let waiting = async {
            loop {
                let stats = self.live.stats();
                if wanted(&stats) {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }
}

/// Settings for one address, with quick pings and attempts.
fn nats_settings(port: u16) -> NatsSettings {
    NatsSettings { servers: vec![format!("127.0.0.1:{port}")], ping_interval_ms: 200, ..NatsSettings::default() }
}

fn live_settings() -> LiveSettings {
    LiveSettings { reconnect_min_ms: 10, reconnect_max_ms: 100, confirm_timeout_ms: 20_000, ..LiveSettings::default() }
}

fn chat(n: u128) -> LiveSubject {
    LiveSubject::Chat(ChatId(Uuid::from_u128(n)))
}

/// The headers that a stream's republish carries.
fn republished(seq: Seq, prev: Seq) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Stream", "CHAT_0");
    headers.insert("Nats-Sequence", seq.to_string());
    headers.insert("Nats-Last-Sequence", prev.to_string());
    headers.insert("Nats-Time-Stamp", "2026-01-02T03:04:05.678901234Z");
    headers
}
