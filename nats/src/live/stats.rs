//! What the live reader counts.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::desired::Desired;

/// Counters since the start, but for the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveStats {
    /// Connected, with all subscriptions confirmed on this connection at least once.
    pub connected: bool,
    /// Subjects subscribed now.
    pub subscriptions: usize,
    /// Subscriptions and their ends that the server has not been told of yet.
    pub waiting_changes: usize,
    /// Events put into the channel.
    pub delivered: u64,
    /// Events dropped because the reader was behind; all of them announced by an interruption.
    pub dropped: u64,
    /// Times the socket was left unread because the reader was behind.
    pub stalls: u64,
    /// Interruptions put into the channel.
    pub interruptions: u64,
    /// Messages that are real but of no use here: presence, signals, leaders of other streams.
    pub ignored: u64,
    /// Messages on an event's subject that no stream stored.
    pub malformed: u64,
    /// Connections made.
    pub connections: u64,
    /// Attempts to connect that failed.
    pub failed_attempts: u64,
    /// Subscriptions that a server refused.
    pub refused: u64,
    /// Bytes read from sockets.
    pub read_bytes: u64,
}

/// The counters behind [`LiveStats`], shared by the handle and the task.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connected: AtomicBool,
    pub(super) delivered: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) stalls: AtomicU64,
    pub(super) interruptions: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) failed_attempts: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) read_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, desired: &Desired) -> LiveStats {
        LiveStats {
            connected: self.connected.load(Relaxed),
            subscriptions: desired.wanted(),
            waiting_changes: desired.waiting(),
            delivered: self.delivered.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            stalls: self.stalls.load(Relaxed),
            interruptions: self.interruptions.load(Relaxed),
            ignored: self.ignored.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            connections: self.connections.load(Relaxed),
            failed_attempts: self.failed_attempts.load(Relaxed),
            refused: self.refused.load(Relaxed),
            read_bytes: self.read_bytes.load(Relaxed),
        }
    }
}
