//! The group-commit publisher: every append of Tidings goes through here (R5, R6, R7).
//!
//! Protects the contract's first point and the sender's side of the second: an ack means on disk and not void; an
//! event is stored once however often it is asked for; one owner's events on one subject keep their order; nobody
//! waits for ever and nobody is told "no" about something that may be stored. How: lanes by subject, one group in
//! flight in each (`lane`), written as an atomic batch (`batch`) or, when there are few, as plain publishes at once
//! (`plain`); bounded queues served owner by owner (`queue`); ids of the dedupe window kept with their answer
//! (`recent`).
//!
//! It never decides who may send, never looks into events but to compare a repeat with its original, and never acks
//! from memory what the server did not confirm.

mod append;
mod batch;
mod job;
mod lane;
mod plain;
mod queue;
mod recent;
mod same;
mod stats;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use append::{Append, AppendError, Appended, Outage, Owner, PendingAppend, Turn};
pub use stats::PublishStats;

use crate::log::Log;
use crate::settings::PublishSettings;
use crate::subjects::{StreamName, Subject};
use append::Answer;
use job::{Job, Shared};
use queue::Queue;
use recent::{Key, Known, Recent};
use stats::Counters;

/// Longest payload; the rest of the server's 1 MiB is for headers.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024 - 4 * 1024;
/// How often log time is asked for.
const CLOCK_REFRESH: Duration = Duration::from_secs(15);

/// Appends to the log. A copy is the same publisher.
#[derive(Clone, Debug)]
pub struct Publisher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    settings: Arc<PublishSettings>,
    /// The queues of each stream's lanes. The lanes hold the other ends.
    lanes: Vec<(StreamName, Vec<Arc<Queue>>)>,
    shared: Arc<Shared>,
    cancel: CancellationToken,
}

impl Publisher {
    /// Starts the lanes as tasks of `tracker`. On `cancel` they take nothing new, finish what they hold, and end.
    pub fn start(log: &Log, settings: PublishSettings, tracker: &TaskTracker, cancel: CancellationToken) -> Self {
        let shared = Arc::new(Shared {
            counters: Counters::default(),
            recent: Mutex::new(Recent::new(settings.recent_messages, settings.recent_bytes)),
        });
        let settings = Arc::new(settings);
        let shards = log.shards();
        let streams = shards.chat_streams().iter().chain(shards.inbox_streams());
        let mut lanes = Vec::new();
        for stream in streams.copied() {
            let queues: Vec<Arc<Queue>> = (0..settings.lanes.max(1)).map(|_| Arc::new(Queue::new())).collect();
            for queue in &queues {
                let (queue, shared) = (Arc::clone(queue), Arc::clone(&shared));
                tracker.spawn(lane::run(stream, log.clone(), Arc::clone(&settings), queue, shared));
            }
            tracker.spawn(lane::keep_clock(log.clone(), stream, CLOCK_REFRESH, cancel.clone()));
            lanes.push((stream, queues));
        }
        let inner = Arc::new(Inner { log: log.clone(), settings, lanes, shared, cancel: cancel.clone() });
        tracker.spawn(close_on(cancel, Arc::clone(&inner)));
        Self { inner }
    }

    /// Appends and waits until the event is on disk.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.submit(append)?.await
    }

    /// Queues an append, in the order of the calls. The answer comes later.
    ///
    /// # Errors
    /// When it cannot be queued, at once; see [`AppendError`].
    pub fn submit(&self, append: Append) -> Result<PendingAppend, AppendError> {
        let turn = append.turn.clone();
        let place = turn.as_ref().map_or(0, Turn::take_place);
        let pending = self.inner.submit(append, place);
        if let Err(error) = &pending {
            self.inner.shared.counters.refused.add(1);
            if let Some(turn) = turn.filter(|_| error.is_retryable()) {
                turn.break_off(place);
            }
        }
        pending
    }

    /// What it has done so far.
    pub fn stats(&self) -> PublishStats {
        let queues = self.inner.lanes.iter().flat_map(|(_, queues)| queues);
        let queued = queues.map(|queue| queue.len()).sum();
        self.inner.shared.counters.read(queued)
    }
}

impl Inner {
    fn submit(&self, append: Append, place: u64) -> Result<PendingAppend, AppendError> {
        if append.turn.as_ref().is_some_and(|turn| turn.is_broken_before(place)) {
            return Err(AppendError::OutOfTurn);
        }
        if append.payload.len() > MAX_PAYLOAD_BYTES {
            return Err(AppendError::TooLarge);
        }
        if self.cancel.is_cancelled() {
            return Err(AppendError::Stopped);
        }
        if self.log.client().connection_state() != State::Connected {
            return Err(lane::unavailable(Outage::Disconnected));
        }
        let queue = self.queue_of(&append.subject)?;
        let key = append.msg_id.as_ref().and_then(Key::of);
        let mut alone = false;
        if let Some(key) = key {
            match self.shared.recent.lock().begin(key, &append.payload) {
                Known::New => {}
                Known::Unknown => alone = true,
                Known::Answered(answer) => {
                    let known = usize::from(answer.is_ok());
                    self.shared.counters.duplicates.add(known);
                    return Ok(PendingAppend(Answer::Known(answer)));
                }
                Known::Joined(receiver) => return Ok(PendingAppend(Answer::Awaited(receiver))),
            }
        }
        let (job, receiver) = Job::new(append, place, key, alone, &self.shared);
        match queue.push(job, &self.settings) {
            Ok(()) => Ok(PendingAppend(Answer::Awaited(receiver))),
            Err(refused) => {
                let (job, error) = *refused;
                job.withdraw(&error);
                Err(error)
            }
        }
    }

    /// The lane of a subject: always the same one.
    fn queue_of(&self, subject: &Subject) -> Result<&Queue, AppendError> {
        let stream = self.log.shards().stream_of(subject);
        let lanes = self.lanes.iter().find(|(name, _)| *name == stream);
        let queues = lanes.map(|(_, queues)| queues.as_slice()).unwrap_or_default();
        let lane = usize::from(subject.target().shard()).checked_rem(queues.len());
        let queue = lane.and_then(|lane| queues.get(lane));
        queue.map(Arc::as_ref).ok_or(AppendError::Stopped)
    }
}

async fn close_on(cancel: CancellationToken, inner: Arc<Inner>) {
    cancel.cancelled().await;
    for queue in inner.lanes.iter().flat_map(|(_, queues)| queues) {
        queue.close();
    }
}
