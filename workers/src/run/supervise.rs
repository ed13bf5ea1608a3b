//! Runs a worker's loop on one stream for as long as this process holds the lease (R9), whatever goes wrong (R12).
//!
//! It protects: at most one active loop per stream and worker (but for moments, which must be harmless: the jobs' writes
//! are idempotent); an error never ends the work, it is logged once, waited out and the loop begins again from its
//! progress. Stopping drops the loop at its next await, which is what a crash does too: nothing depends on a clean end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidings_nats::{Lease, LeaseSettings, Log, StreamName};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::stats::{Counters, Stats, add};
use crate::WorkerError;
use crate::error::Chain;

/// A worker's loop on one stream.
pub(crate) trait Job: Send + 'static {
    /// Works from its progress until it fails.
    fn run(&mut self, counters: &Counters) -> impl Future<Output = Result<Infallible, WorkerError>> + Send;
}

/// What a loop needs around it.
pub(crate) struct Seat {
    /// The worker's name: "history", "pointers", "user_chats".
    pub(crate) worker: &'static str,
    pub(crate) stream: StreamName,
    pub(crate) log: Log,
    pub(crate) lease: LeaseSettings,
    pub(crate) retry_min_ms: u64,
    pub(crate) retry_max_ms: u64,
}

/// A started worker: one loop per stream.
#[derive(Debug)]
pub struct WorkerHandle {
    /// Ends this worker alone; cancelled with the process' own too.
    cancel: CancellationToken,
    /// The worker's tasks, which [`Self::drain`] waits for.
    tasks: TaskTracker,
    counters: Vec<Arc<Counters>>,
}

impl WorkerHandle {
    /// Stops the worker and waits until its loops have ended and its leases are given back. What was not written down
    /// is done again after the next start, here or elsewhere. The caller sets the deadline.
    pub async fn drain(&self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What it has done on each stream since it started.
    pub fn stats(&self) -> Vec<Stats> {
        self.counters.iter().map(|c| c.snapshot()).collect()
    }
}

/// Starts a loop per seat. Its tasks belong to `tracker` as well as to the handle.
pub(crate) fn start<J: Job>(jobs: Vec<(Seat, J)>, cancel: &CancellationToken, tracker: &TaskTracker) -> WorkerHandle {
    let cancel = cancel.child_token();
    let tasks = TaskTracker::new();
    let mut counters = Vec::with_capacity(jobs.len());
    for (seat, job) in jobs {
        let of_stream = Arc::new(Counters::new(seat.stream));
        counters.push(Arc::clone(&of_stream));
        let run = supervise(seat, job, of_stream, tasks.clone(), cancel.clone());
        tracker.spawn(tasks.track_future(run));
    }
    WorkerHandle { cancel, tasks, counters }
}

async fn supervise<J: Job>(
    seat: Seat,
    mut job: J,
    counters: Arc<Counters>,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    let (worker, stream) = (seat.worker, seat.stream);
    let key = format!("{worker}.{stream}");
    let holder = uuid::Uuid::new_v4().to_string();
    while let Ok(lease) = Lease::acquire(&seat.log, &key, &holder, &seat.lease, &tasks, &cancel).await {
        info!(worker, %stream, "worker active");
        counters.active.store(true, Ordering::Relaxed);
        let lost = lease.lost().clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = lost.cancelled() => warn!(worker, %stream, "worker lost its lease"),
            () = work(&seat, &mut job, &counters) => {}
        }
        counters.active.store(false, Ordering::Relaxed);
        lease.release().await;
        if cancel.is_cancelled() {
            break;
        }
    }
    info!(worker, %stream, "worker stopped");
}

/// Runs the job again and again; ends only by being dropped.
async fn work<J: Job>(seat: &Seat, job: &mut J, counters: &Counters) {
    let mut backoff = Backoff::new(seat.retry_min_ms, seat.retry_max_ms);
    loop {
        let done = counters.done.load(Ordering::Relaxed);
        let Err(error) = job.run(counters).await;
        add(&counters.failures, 1);
        if counters.done.load(Ordering::Relaxed) != done {
            backoff.reset();
        }
        let pause = backoff.next();
        warn!(
            worker = seat.worker,
            stream = %seat.stream,
            error = %Chain(&error),
            retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "worker failed and goes on from its progress"
        );
        tokio::time::sleep(pause).await;
    }
}
