//! Concurrent senders for a window of time: each sends, waits for the ack, sends again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use hdrhistogram::Histogram;
use tidings_protocol::ChatId;
use tokio::task::JoinSet;

use crate::client::Socket;
use crate::server::Server;
use crate::setup;

/// Text that makes a body of 256 bytes of payload in all.
pub(crate) const TEXT_BYTES: usize = 256;

/// Connected senders with their chats.
pub(crate) struct Senders {
    sockets: Vec<(Socket, Arc<[ChatId]>)>,
    next_id: u64,
    text: Arc<str>,
}

/// What a window brought.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) acked: u64,
    pub(crate) seconds: f64,
    pub(crate) p99_ms: f64,
    pub(crate) refused: u64,
}

impl Window {
    pub(crate) fn rate(&self) -> f64 {
        self.acked as f64 / self.seconds
    }
}

impl Senders {
    /// `count` senders, each with a direct chat of its own, everybody connected.
    pub(crate) async fn direct(server: &Server, prefix: &str, count: usize) -> anyhow::Result<Self> {
        let names = setup::users(server, prefix, count).await?;
        let chats = setup::ring_of_direct_chats(server, &names).await?;
        let sockets = setup::sockets(server, &names).await?;
        Ok(Self::of(sockets.into_iter().zip(chats).map(|(socket, chat)| (socket, Arc::from([chat]))).collect()))
    }

    pub(crate) fn of(sockets: Vec<(Socket, Arc<[ChatId]>)>) -> Self {
        Self { sockets, next_id: 10, text: "x".repeat(TEXT_BYTES).into() }
    }

    /// Sends for `window`; with `rate`, all together at that rate.
    pub(crate) async fn run(&mut self, window: Duration, rate: Option<f64>) -> anyhow::Result<Window> {
        let began = Instant::now();
        let count = self.sockets.len();
        let pace = rate.map(|rate| Duration::from_secs_f64(count as f64 / rate));
        let mut tasks = JoinSet::new();
        for (at, (mut socket, chats)) in std::mem::take(&mut self.sockets).into_iter().enumerate() {
            let (text, mut id) = (self.text.clone(), self.next_id);
            tasks.spawn(async move {
                let mut latencies = Histogram::<u32>::new_with_bounds(1, 60_000_000, 3)?;
                let mut refused = 0u64;
                let mut due = began + pace.unwrap_or_default().mul_f64(at as f64 / count as f64);
                let mut turn = at;
                while began.elapsed() < window {
                    if let Some(pace) = pace {
                        tokio::time::sleep_until(due.into()).await;
                        due += pace;
                        if began.elapsed() >= window {
                            break;
                        }
                    }
                    id += 1;
                    turn += 1;
                    match socket.send(id, chats[turn % chats.len()], &text).await? {
                        Some(took) => latencies.saturating_record(u64::try_from(took.as_micros())?),
                        None => refused += 1,
                    }
                }
                anyhow::Ok((at, socket, chats, latencies, refused))
            });
        }
        self.collect(tasks, began).await
    }

    async fn collect(&mut self, mut tasks: JoinSet<anyhow::Result<Ended>>, began: Instant) -> anyhow::Result<Window> {
        let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
        let (mut back, mut refused) = (Vec::new(), 0);
        while let Some(ended) = tasks.join_next().await {
            let (at, socket, chats, own, own_refused) = ended??;
            for step in own.iter_recorded() {
                latencies.record_n(step.value_iterated_to(), u64::from(step.count_at_value()))?;
            }
            refused += own_refused;
            back.push((at, socket, chats));
        }
        let seconds = began.elapsed().as_secs_f64();
        back.sort_by_key(|(at, ..)| *at);
        self.sockets = back.into_iter().map(|(_, socket, chats)| (socket, chats)).collect();
        self.next_id += 1_000_000;
        if latencies.is_empty() {
            return Err(anyhow!("nothing was acked"));
        }
        Ok(Window {
            acked: latencies.len(),
            seconds,
            p99_ms: latencies.value_at_quantile(0.99) as f64 / 1_000.0,
            refused,
        })
    }
}

type Ended = (usize, Socket, Arc<[ChatId]>, Histogram<u32>, u64);
