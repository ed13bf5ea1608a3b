//! One lane: one group in flight, in order, until every message in it has its answer (R7).
//!
//! Protects order and truth. Order: the next group starts only when the last one is settled, so no refusal and no
//! time-out can turn two messages of one sender round. Truth: an ack is given only for an answer of the server that
//! came while less than half of the deadline had passed on this machine's monotonic clock, or for an event that was
//! read back and is not void (R5); whatever may be stored and is not known is answered "unknown", never "refused".
//! Patience is bounded: what was never sent is refused when the connection is lost or its wait is over, what may have
//! been stored is asked again with the same ids until half of the deadline has passed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use tokio_util::sync::CancellationToken;

use super::append::{AppendError, Appended, Outage};
use super::job::{Job, Shared, Stamp};
use super::queue::Queue;
use super::wire::{Closed, Reply, Wire};
use crate::log::Log;
use crate::settings::PublishSettings;
use crate::subjects::StreamName;

/// How often a waiting lane looks at the connection and at what grows old in its queue.
const TICK: Duration = Duration::from_millis(50);
/// First and longest pause before a question that was refused for now is asked again.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);

pub(super) struct Lane {
    pub(super) stream: StreamName,
    pub(super) log: Log,
    pub(super) settings: Arc<PublishSettings>,
    pub(super) queue: Arc<Queue>,
    pub(super) shared: Arc<Shared>,
    pub(super) wire: Wire,
    /// When the first of the jobs in hand has half of its deadline behind it: no wait goes beyond.
    pub(super) window_ends: Instant,
}

/// How long to pause before the next attempt: doubles.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) fn new() -> Self {
        Self(PAUSE_MIN)
    }
}

/// Opens the lane's way to the server and serves its queue until that is closed and empty.
pub(super) async fn run(
    stream: StreamName,
    log: Log,
    settings: Arc<PublishSettings>,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
) {
    let served = serve(stream, log, settings, Arc::clone(&queue), Arc::clone(&shared)).await;
    if let Err(Closed) = served {
        tracing::error!(%stream, "nats client closed, publishing has ended");
        queue.close();
        queue.refuse_all(&Outage::Disconnected);
        shared.recent.lock().abandon_open();
    }
}

async fn serve(
    stream: StreamName,
    log: Log,
    settings: Arc<PublishSettings>,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
) -> Result<(), Closed> {
    // Waits for the connection's command queue at most; only a client closed for good refuses.
    let wire = Wire::open(log.client().clone()).await.map_err(|_| Closed)?;
    let window_ends = Instant::now();
    let mut lane = Lane { stream, log, settings, queue: Arc::clone(&queue), shared, wire, window_ends };
    while let Some(group) = queue.next(&lane.settings).await {
        lane.settle(group).await?;
    }
    Ok(())
}

/// Keeps the log clock right until `cancel`.
pub(super) async fn keep_clock(log: Log, stream: StreamName, every: Duration, cancel: CancellationToken) {
    while cancel.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        // A failure changes nothing: the clock runs on by itself until the next answer.
        if let Err(error) = log.state(stream).await {
            tracing::debug!(%error, "log time not refreshed");
        }
    }
}

impl Lane {
    /// Brings every job of the group to its answer. `Err`: the client is closed; the rest got its answer by being dropped.
    async fn settle(&mut self, group: Vec<Job>) -> Result<(), Closed> {
        // The last one is next; halves are put back in their order.
        let mut segments = vec![group];
        while let Some(segment) = segments.pop() {
            let jobs = self.fit(segment);
            let plain = !self.settings.group_commit
                || jobs.len() < self.settings.pipeline_below.max(2)
                || jobs.iter().any(|job| job.alone);
            if plain {
                self.settle_plain(jobs).await?;
                continue;
            }
            let mut first = self.settle_batch(jobs).await?;
            if !first.is_empty() {
                self.shared.counters.retries.add(1);
                let second = first.split_off(first.len() / 2);
                segments.push(second);
                segments.push(first);
            }
        }
        Ok(())
    }

    /// Answers what must not be sent (any more) and gives the rest, in order.
    pub(super) fn fit(&self, jobs: Vec<Job>) -> Vec<Job> {
        let connected = self.is_connected();
        let mut fit = Vec::with_capacity(jobs.len());
        for job in jobs {
            let waited = job.queued_at.elapsed();
            let patience = match job.stamp {
                Some(stamp) => stamp.at.elapsed() < self.settings.ack_window(),
                None => true,
            };
            if job.is_out_of_turn() {
                job.refuse(AppendError::OutOfTurn);
            } else if !patience {
                job.refuse(unavailable(Outage::TimedOut));
            } else if !job.unknown && !connected {
                job.refuse(unavailable(Outage::Disconnected));
            } else if !job.unknown && waited >= self.settings.queue_wait() {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                job.refuse(unavailable(Outage::Waited { waited_ms }));
            } else {
                fit.push(job);
            }
        }
        fit
    }

    /// Gives every job its deadline, which it keeps in all attempts. It counts from when the job was accepted: otherwise
    /// one that waited here could be stored after a retry elsewhere was acked and forgotten by the window.
    /// Jobs without one now cannot have one: refused.
    pub(super) async fn stamp(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let mut jobs = jobs;
        if jobs.iter().any(|job| job.stamp.is_none()) {
            jobs = self.stamp_new(jobs).await;
        }
        let first = jobs.iter().filter_map(|job| job.stamp).map(|stamp| stamp.at).min();
        if let Some(first) = first {
            self.window_ends = first + self.settings.ack_window();
        }
        jobs
    }

    async fn stamp_new(&self, mut jobs: Vec<Job>) -> Vec<Job> {
        // Taken before the log's time, so that the window measured here ends early, never late.
        let at = Instant::now();
        if self.log.clock().now_ms().is_none() {
            // Whether it could be asked shows in the clock.
            let _ = self.log.state(self.stream).await;
        }
        let Some(now_ms) = self.log.clock().now_ms() else {
            for job in jobs {
                job.refuse(unavailable(Outage::TimedOut));
            }
            return Vec::new();
        };
        for job in &mut jobs {
            let queued_at = job.queued_at.min(at);
            let waited_ms = u64::try_from(at.duration_since(queued_at).as_millis()).unwrap_or(u64::MAX);
            let deadline_ms = (now_ms + self.settings.deadline_ms).saturating_sub(waited_ms);
            job.stamp.get_or_insert(Stamp { deadline_ms, at: queued_at });
        }
        jobs
    }

    /// Until when one attempt waits.
    pub(super) fn attempt_ends(&self) -> Instant {
        (Instant::now() + self.settings.publish_timeout()).min(self.window_ends)
    }

    /// The server stored it, and said so in time or too late.
    pub(super) fn stored(&self, job: Job, appended: Appended) {
        let in_time = job.stamp.is_some_and(|stamp| stamp.at.elapsed() < self.settings.ack_window());
        match in_time {
            true => job.finish(Ok(appended)),
            false => job.finish(Err(AppendError::OutcomeUnknown)),
        }
    }

    /// The next reply before `until`; none when that passes or the connection is lost.
    pub(super) async fn reply(&mut self, until: Instant) -> Result<Option<(u64, Reply)>, Closed> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if let Some(reply) = self.wire.reply(left.min(TICK)).await? {
                return Ok(Some(reply));
            }
            self.tend_queue();
            if Instant::now() >= until || !self.is_connected() {
                return Ok(None);
            }
        }
    }

    /// Waits before the next attempt: the pause, and for the connection up to the time of one attempt.
    pub(super) async fn pause(&mut self, pause: &mut Pause) {
        self.shared.counters.retries.add(1);
        let until = self.attempt_ends();
        tokio::time::sleep(pause.0).await;
        pause.0 = (pause.0 * 2).min(PAUSE_MAX);
        self.tend_queue();
        while !self.is_connected() && Instant::now() < until {
            tokio::time::sleep(TICK).await;
            self.tend_queue();
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.log.client().connection_state() == State::Connected
    }

    /// What waits behind a group in trouble is refused rather than left hanging: it was never sent.
    fn tend_queue(&self) {
        match self.is_connected() {
            true => self.queue.refuse_older_than(self.settings.queue_wait()),
            false => self.queue.refuse_all(&Outage::Disconnected),
        }
    }
}

pub(super) fn unavailable(source: Outage) -> AppendError {
    AppendError::Unavailable { source }
}
