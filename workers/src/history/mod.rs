//! History: `CHAT` -> rows by chat (R3, R10).
//!
//! It protects that rows are a function of the log. Each chat is folded in log order from its own rows at the place
//! where reading began, and every row carries the `seq` of its event, so reading events again, two workers at once, or
//! a crash anywhere between give the same rows. Progress is written with the rows: it is the watermark of every answer
//! (R13). An event that does not read becomes an `unreadable` row, so that `prev` closes, and a dead letter (R12).
//!
//! It never deletes a row, never looks at a clock for what it writes, and never passes over an event.

mod batch;
mod folds;

use std::convert::Infallible;
use std::sync::Arc;

use tidings_nats::{FeedEvent, LeaseSettings, Log, StreamName};
use tidings_protocol::Seq;
use tidings_schema::{HistoryStore, Progress, ProgressStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::WorkerError;
use crate::run::dead::DeadLetters;
use crate::run::rows::{self, Applied, Rows};
use crate::run::stats::Counters;
use crate::run::supervise::{Job, Seat, WorkerHandle, start as start_jobs};
use crate::settings::RowSettings;
use batch::Batch;
use folds::Folds;

/// The worker's name in progress, leases and dead letters.
pub const WORKER: &str = "history";

/// What the worker reads from and writes to.
#[derive(Clone)]
pub struct HistoryDeps {
    /// The log.
    pub log: Log,
    /// Rows by chat, written by this worker only.
    pub store: Arc<dyn HistoryStore>,
    /// Where its progress is read.
    pub progress: Arc<dyn ProgressStore>,
}

/// Starts the worker on every stream of chats. It works where it gets the lease and stands by elsewhere (R9).
pub fn start(
    deps: &HistoryDeps,
    settings: &RowSettings,
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
        (seat, History::new(deps.clone(), stream, settings.clone()))
    });
    start_jobs(jobs.collect(), cancel, tracker)
}

struct History {
    deps: HistoryDeps,
    stream: StreamName,
    settings: RowSettings,
}

impl History {
    fn new(deps: HistoryDeps, stream: StreamName, settings: RowSettings) -> Self {
        Self { deps, stream, settings }
    }
}

impl Job for History {
    async fn run(&mut self, counters: &Counters) -> Result<Infallible, WorkerError> {
        let mut chats = ChatRows {
            stream: self.stream.to_string(),
            store: Arc::clone(&self.deps.store),
            folds: Folds::new(self.settings.chats),
        };
        let (log, progress) = (&self.deps.log, self.deps.progress.as_ref());
        rows::run(&mut chats, log, progress, self.stream, &self.settings, counters).await
    }
}

/// Turns events of chats into rows.
struct ChatRows {
    stream: String,
    store: Arc<dyn HistoryStore>,
    /// The state of chats after everything read so far. An error ends the loop and this with it, so it never runs
    /// ahead of the rows by more than the batch in hand.
    folds: Folds,
}

impl Rows for ChatRows {
    const WORKER: &'static str = WORKER;

    async fn apply(
        &mut self,
        events: &[FeedEvent],
        done: Seq,
        progress: Progress,
        dead: &DeadLetters,
    ) -> Result<Applied, WorkerError> {
        let store = self.store.as_ref();
        self.folds.load_for(store, events).await?;
        let mut batch = Batch::default();
        let mut applied = Applied::default();
        for event in events.iter().filter(|event| !event.void) {
            let unread = batch.take(store, &mut self.folds, event).await?;
            let Some(reason) = unread else { continue };
            applied.dead += 1;
            // Up to `done` letters were sent before the rows were written.
            if event.seq > done {
                dead.send(event, reason).await;
            }
        }
        let writes = batch.into_writes();
        applied.rows = writes.len();
        store
            .apply_history(&self.stream, &writes, progress)
            .await
            .map_err(|source| WorkerError::Store { step: "write history", source })?;
        self.folds.written();
        Ok(applied)
    }
}

/// One loop without a lease, until it fails.
#[cfg(test)]
pub(crate) async fn run_unleased(
    deps: HistoryDeps,
    stream: StreamName,
    settings: RowSettings,
    counters: &Counters,
) -> Result<Infallible, WorkerError> {
    History::new(deps, stream, settings).run(counters).await
}
