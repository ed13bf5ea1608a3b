//! What a worker has done since it started, readable at any time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidings_nats::StreamName;
use tidings_protocol::Seq;

/// A worker on one stream, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// The stream read.
    pub stream: StreamName,
    /// Whether this process holds the lease (R9).
    pub active: bool,
    /// Events read, void ones included.
    pub events: u64,
    /// Rows or pointers written; repeats count again.
    pub written: u64,
    /// Events that could not be read and went to `dead.` (R12).
    pub dead: u64,
    /// Times the loop ended in an error and began again.
    pub failures: u64,
    /// Everything up to here is written down: progress in the store, or the ack floor of pointers.
    pub done: Seq,
    /// The newest event read.
    pub read: Seq,
    /// Milliseconds of log time from the newest event read to now while more is waiting; 0 when nothing waited.
    pub lag_ms: u64,
}

/// The counters behind [`Stats`]. Written by the worker's loop only, read by anybody.
#[derive(Debug)]
pub(crate) struct Counters {
    stream: StreamName,
    pub(crate) active: AtomicBool,
    pub(crate) events: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) done: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) lag_ms: AtomicU64,
}

impl Counters {
    pub(crate) fn new(stream: StreamName) -> Self {
        Self {
            stream,
            active: AtomicBool::new(false),
            events: AtomicU64::new(0),
            written: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            done: AtomicU64::new(0),
            read: AtomicU64::new(0),
            lag_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            stream: self.stream,
            active: self.active.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            read: self.read.load(Ordering::Relaxed),
            lag_ms: self.lag_ms.load(Ordering::Relaxed),
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// Sets a gauge.
pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}
