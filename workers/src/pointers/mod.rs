//! Pointers: `CHAT` -> inboxes (R15): what is not watched comes through the inbox.
//!
//! It protects that every event is covered by a pointer to everybody who was a member at it. Its progress is its
//! consumer's floor, which moves only when inboxes have acked and never passes an event that waits ([`windows`]), so
//! after a crash the events behind it are pointed to again: ranges overlap and leave no hole. A busy chat costs each
//! member one pointer per window. The store is needed only for chats whose members are not in memory; other chats go on
//! without it.
//!
//! It never writes rows, never reads inboxes, and never waits for one chat while another is due.

mod chat;
mod drive;
mod load;
mod publish;
mod trouble;
pub mod windows;

use std::convert::Infallible;
use std::sync::Arc;

use tidings_nats::{DurableFeed, LeaseSettings, Log, Publisher, StreamName};
use tidings_protocol::{ChatId, Seq};
use tidings_schema::{HistoryStore, ProgressStore};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::WorkerError;
use crate::run::cache::Generations;
use crate::run::stats::{Counters, set};
use crate::run::supervise::{Job, Seat, WorkerHandle, start as start_jobs};
use crate::settings::PointerSettings;
use chat::ChatState;
use drive::Drive;
use load::Loader;
use publish::Outbox;

/// The worker's name in leases and for its consumer.
pub const WORKER: &str = "pointers";

/// What the worker reads from and writes to.
#[derive(Clone)]
pub struct PointersDeps {
    /// The log.
    pub log: Log,
    /// Appends to inboxes: an instance of its own, so that it takes no place from senders.
    pub publisher: Publisher,
    /// Rows by chat: only read, for members.
    pub store: Arc<dyn HistoryStore>,
    /// Where the history worker's watermark is read.
    pub progress: Arc<dyn ProgressStore>,
}

/// Starts the worker on every stream of chats. It works where it gets the lease and stands by elsewhere (R9).
pub fn start(
    deps: &PointersDeps,
    settings: &PointerSettings,
    lease: &LeaseSettings,
    cancel: &CancellationToken,
    tracker: &TaskTracker,
) -> WorkerHandle {
    let streams = deps.log.shards().chat_streams();
    let jobs = streams.iter().map(|&stream| {
        let seat = Seat {
            worker: WORKER,
            stream,
            log: deps.log.clone(),
            lease: lease.clone(),
            retry_min_ms: settings.retry_min_ms,
            retry_max_ms: settings.retry_max_ms,
        };
        (seat, Pointers::new(deps.clone(), stream, settings.clone()))
    });
    start_jobs(jobs.collect(), cancel, tracker)
}

struct Pointers {
    deps: PointersDeps,
    stream: StreamName,
    settings: PointerSettings,
    memory: Memory,
}

/// Chats in memory. Outlives a failure of the loop, so that pointers of known chats go on when NATS comes back before
/// the store does.
struct Memory {
    chats: Generations<ChatId, ChatState>,
    /// Every chat in it has taken in its events up to here.
    read: Seq,
    /// Of this stream.
    epoch: u64,
}

impl Pointers {
    fn new(deps: PointersDeps, stream: StreamName, settings: PointerSettings) -> Self {
        Self { deps, stream, settings, memory: Memory { chats: Generations::new(), read: 0, epoch: 0 } }
    }

    /// Forgets the chats in memory if somebody else has moved the floor past what they have taken in, or the stream
    /// is another one.
    fn check_memory(&mut self, floor: Seq, epoch: u64) {
        if floor > self.memory.read || epoch != self.memory.epoch {
            self.memory = Memory { chats: Generations::new(), read: floor, epoch };
        }
    }
}

impl Job for Pointers {
    async fn run(&mut self, counters: &Counters) -> Result<Infallible, WorkerError> {
        let stream = self.stream;
        let log = &self.deps.log;
        let state = log.state(stream).await.map_err(|source| WorkerError::Log { stream, source })?;
        let feed =
            DurableFeed::open(log, stream, WORKER).await.map_err(|source| WorkerError::Feed { stream, source })?;
        let loader = Loader {
            log: log.clone(),
            store: Arc::clone(&self.deps.store),
            progress: Arc::clone(&self.deps.progress),
            stream,
            epoch: state.epoch,
        };
        let outbox = Outbox {
            publisher: self.deps.publisher.clone(),
            places: Arc::new(Semaphore::new(self.settings.in_flight.max(1))),
            chat_in_flight: self.settings.chat_in_flight,
            retry_min_ms: self.settings.retry_min_ms,
            retry_max_ms: self.settings.retry_max_ms,
        };
        set(&counters.done, feed.acked());
        self.check_memory(feed.acked(), state.epoch);
        let (settings, memory) = (&self.settings, &mut self.memory);
        Drive::new(feed, stream, loader, outbox, settings, memory, counters).run().await
    }
}

/// One loop without a lease, until it fails.
#[cfg(test)]
pub(crate) async fn run_unleased(
    deps: PointersDeps,
    stream: StreamName,
    settings: PointerSettings,
    counters: &Counters,
) -> Result<Infallible, WorkerError> {
    Pointers::new(deps, stream, settings).run(counters).await
}
