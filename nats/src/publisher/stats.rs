//! Counters of a publisher.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the publisher has done since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PublishStats {
    /// Atomic batches sent, repeats included.
    pub batches: u64,
    /// Messages sent within batches, repeats included.
    pub batched_messages: u64,
    /// Messages sent as plain publishes, repeats included.
    pub plain_messages: u64,
    /// Appends answered with a place.
    pub appended: u64,
    /// Groups sent again, whole or in halves.
    pub retries: u64,
    /// Appends answered with an earlier place, by the server or from memory.
    pub duplicates: u64,
    /// Events found void and appended again.
    pub voids: u64,
    /// Appends refused, those that could not be queued included.
    pub refused: u64,
    /// Appends whose outcome is unknown.
    pub unknown: u64,
    /// Messages that wait now.
    pub queued: u64,
}

/// The counters themselves; each only grows.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) batches: Counter,
    pub(super) batched_messages: Counter,
    pub(super) plain_messages: Counter,
    pub(super) appended: Counter,
    pub(super) retries: Counter,
    pub(super) duplicates: Counter,
    pub(super) voids: Counter,
    pub(super) refused: Counter,
    pub(super) unknown: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn read(&self, queued: usize) -> PublishStats {
        PublishStats {
            batches: self.batches.get(),
            batched_messages: self.batched_messages.get(),
            plain_messages: self.plain_messages.get(),
            appended: self.appended.get(),
            retries: self.retries.get(),
            duplicates: self.duplicates.get(),
            voids: self.voids.get(),
            refused: self.refused.get(),
            unknown: self.unknown.get(),
            queued: queued as u64,
        }
    }
}
