//! The loop of a worker that turns a stream into rows: read, group, apply with the progress, again.
//!
//! It protects the order (events are applied as the stream has them), the meaning of progress (written with the rows of
//! everything up to it, never before them; void events move it too), and the store's disk: while events keep coming there
//! is one `apply` per `batch_ms`, but an event after a quieter time is written at once.

use std::convert::Infallible;
use std::future::Future;
use std::time::{Duration, Instant};

use tidings_nats::{Feed, FeedEvent, Log, StreamName};
use tidings_protocol::Seq;
use tidings_schema::{Progress, ProgressStore};

use super::dead::DeadLetters;
use super::resume::resume;
use super::stats::{Counters, add, set};
use crate::WorkerError;
use crate::settings::RowSettings;

/// How long one read waits for events while there are none.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// What differs between the workers that write rows.
pub(crate) trait Rows: Send {
    /// The worker's name, as progress, leases and dead letters have it.
    const WORKER: &'static str;

    /// Writes the rows of `events` and, with them, the progress. Events up to `done` were applied before the loop
    /// began: they make the same rows again (R11), but no new dead letters.
    fn apply(
        &mut self,
        events: &[FeedEvent],
        done: Seq,
        progress: Progress,
        dead: &DeadLetters,
    ) -> impl Future<Output = Result<Applied, WorkerError>> + Send;
}

/// What an apply has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Applied {
    /// Rows written.
    pub(crate) rows: usize,
    /// Events that could not be read.
    pub(crate) dead: usize,
}

/// Reads `stream` from the worker's progress on and applies it, until something fails.
pub(crate) async fn run<R: Rows>(
    rows: &mut R,
    log: &Log,
    progress: &dyn ProgressStore,
    stream: StreamName,
    settings: &RowSettings,
    counters: &Counters,
) -> Result<Infallible, WorkerError> {
    let start = resume(log, progress, R::WORKER, stream, settings.rewind_ms).await?;
    set(&counters.done, start.done);
    let dead = DeadLetters::new(log, R::WORKER, stream);
    let mut feed = Feed::from(log, stream, start.seq);
    let mut applied_at: Option<Instant> = None;
    loop {
        let events =
            gather(&mut feed, settings, applied_at).await.map_err(|source| WorkerError::Feed { stream, source })?;
        let Some(last) = events.last() else {
            set(&counters.lag_ms, 0);
            continue;
        };
        let now_ms = log.clock().now_ms().unwrap_or(last.time_ms);
        set(&counters.lag_ms, now_ms.saturating_sub(last.time_ms));
        set(&counters.read, last.seq);
        let progress =
            Progress { seq: last.seq, time_ms: i64::try_from(last.time_ms).unwrap_or(i64::MAX), epoch: start.epoch };
        let applied = rows.apply(&events, start.done, progress, &dead).await?;
        applied_at = Some(Instant::now());
        add(&counters.events, events.len());
        add(&counters.written, applied.rows);
        add(&counters.dead, applied.dead);
        // Stores never move progress back within an epoch.
        set(&counters.done, progress.seq.max(start.done));
    }
}

/// The next events to apply together: what is there at once when the last apply is `batch_ms` ago, else what comes
/// until then, at most `batch_events`.
async fn gather(
    feed: &mut Feed,
    settings: &RowSettings,
    applied_at: Option<Instant>,
) -> Result<Vec<FeedEvent>, tidings_nats::FeedError> {
    let mut events = feed.next(settings.batch_events, IDLE_WAIT).await?;
    let Some(until) = applied_at.map(|at| at + settings.batch_time()) else {
        return Ok(events);
    };
    while !events.is_empty() && events.len() < settings.batch_events {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let room = settings.batch_events - events.len();
        events.append(&mut feed.next(room, left).await?);
    }
    Ok(events)
}
