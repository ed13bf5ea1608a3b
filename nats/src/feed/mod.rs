//! What workers read: a whole stream, in order.
use std::time::Duration;

use bytes::Bytes;
use tidings_protocol::Seq;

use crate::log::Log;
use crate::subjects::{StreamName, Subject};

/// One event of a stream, as a worker gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedEvent {
    /// The chat or inbox.
    pub subject: Subject,
    /// Its place.
    pub seq: Seq,
    /// When it was stored: milliseconds of log time since 1970.
    pub time_ms: u64,
    /// Stored after its deadline: it says nothing, but it has a place (R5).
    pub void: bool,
    /// The stored bytes.
    pub payload: Bytes,
}

/// Why a feed cannot go on. It may be asked again: it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log could not be read.
    #[error("could not read the log")]
    Log(#[source] crate::log::LogError),
    /// The progress could not be read or written.
    #[error("could not {what} the progress")]
    Progress {
        /// "read" or "write".
        what: &'static str,
    },
}

/// All events of one stream from a place on, in order, without a hole or a repeat, across reconnects and restarts.
#[derive(Debug)]
pub struct Feed {
    next: Seq,
}

impl Feed {
    /// A feed of `stream` that begins with `start_seq` (or the oldest event after it that is still there).
    pub fn from(_log: &Log, _stream: StreamName, start_seq: Seq) -> Self {
        Self { next: start_seq }
    }

    /// At most `max` events; waits for the first one up to `wait`, then takes what is there. Empty: nothing came.
    ///
    /// # Errors
    /// See [`FeedError`].
    pub async fn next(&mut self, _max: usize, _wait: Duration) -> Result<Vec<FeedEvent>, FeedError> {
        Ok(Vec::new())
    }

    /// Every event below this has been given.
    pub fn position(&self) -> Seq {
        self.next
    }
}

/// A feed that remembers in NATS how far its worker is done (R11).
#[derive(Debug)]
pub struct DurableFeed {
    feed: Feed,
}

impl DurableFeed {
    /// The feed of the worker `name` on `stream`, from where it was done.
    ///
    /// # Errors
    /// See [`FeedError`].
    pub async fn open(log: &Log, stream: StreamName, _name: &str) -> Result<Self, FeedError> {
        Ok(Self { feed: Feed::from(log, stream, 1) })
    }

    /// See [`Feed::next`].
    ///
    /// # Errors
    /// See [`FeedError`].
    pub async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<FeedEvent>, FeedError> {
        self.feed.next(max, wait).await
    }

    /// The worker is done with everything up to `seq`. Never goes back.
    ///
    /// # Errors
    /// When it could not be written down; ask again.
    pub async fn ack_to(&mut self, _seq: Seq) -> Result<(), FeedError> {
        Ok(())
    }

    /// Up to where the worker was done when last written down; 0 for nothing.
    pub fn acked(&self) -> Seq {
        0
    }
}
