//! What workers read: a whole stream, in order, without a hole or a repeat.
//!
//! Protects R10 and R12 from the road: whatever happens to the connection, the server or the consumer, the next event
//! given is the one after the last given. A feed keeps its own place and nothing else; anything strange (a gap in the
//! consumer's numbers, missed heartbeats, a reconnect, a consumer that is gone) makes it begin anew behind the last
//! event given. Void events are given, marked, because watermarks move over them. Nothing is ever acknowledged to the
//! server: progress is the store's ([`Feed`]) or a record in NATS ([`DurableFeed`]).

mod consumer;
mod durable;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_protocol::Seq;

use crate::bucket::BucketError;
use crate::log::{Log, LogError};
use crate::subjects::{StreamName, Subject};
use consumer::{Broken, Consumer};
pub use durable::DurableFeed;

/// First and longest pause before a feed that cannot begin tries again.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

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
    Log(#[from] LogError),
    /// The progress could not be read or written.
    #[error("could not {what} the progress of {worker}")]
    Progress {
        /// "read" or "write".
        what: &'static str,
        /// Whose.
        worker: String,
        /// Why.
        #[source]
        source: BucketError,
    },
    /// The progress is of another stream of that name: somebody made the stream anew.
    #[error("the progress of {worker} is of the stream of {found}, this one is of {wanted}")]
    OtherStream {
        /// Whose progress.
        worker: String,
        /// The epoch in the progress.
        found: u64,
        /// The epoch of the stream.
        wanted: u64,
    },
}

/// All events of one stream from a place on, in order, across reconnects and restarts.
#[derive(Debug)]
pub struct Feed {
    log: Log,
    stream: StreamName,
    /// The place after the last event given.
    next: Seq,
    /// Where events come from now; made anew after any trouble.
    consumer: Option<Consumer>,
    pause: Duration,
}

impl Feed {
    /// A feed of `stream` that begins with `start_seq`, or with the oldest event after it that is still there.
    pub fn from(log: &Log, stream: StreamName, start_seq: Seq) -> Self {
        Self { log: log.clone(), stream, next: start_seq.max(1), consumer: None, pause: PAUSE_MIN }
    }

    /// At most `max` events; waits for the first one up to `wait`, then takes what is there. Empty: nothing came.
    /// Dropping the future loses nothing: it never waits with events in hand.
    ///
    /// # Errors
    /// When the feed could not (re)begin within `wait`; it was tried at least once.
    pub async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<FeedEvent>, FeedError> {
        let until = Instant::now() + wait;
        loop {
            if self.consumer.is_none() {
                self.consumer = self.begin(until).await?;
            }
            let Some(consumer) = &mut self.consumer else {
                continue;
            };
            let mut events = Vec::new();
            let given = consumer.take(&mut events, &mut self.next, max.max(1), until).await;
            if let Err(Broken) = given {
                tracing::debug!(stream = %self.stream, next = self.next, "feed begins anew");
                self.consumer = None;
            }
            // What came before the trouble is whole.
            if given.is_ok() || !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// Makes a consumer; after a failure it pauses, and fails when that would take longer than `until`.
    async fn begin(&mut self, until: Instant) -> Result<Option<Consumer>, FeedError> {
        match Consumer::open(&self.log, self.stream, self.next).await {
            Ok(consumer) => {
                self.pause = PAUSE_MIN;
                Ok(Some(consumer))
            }
            Err(error) => {
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSE_MAX);
                if Instant::now() + pause >= until {
                    tokio::time::sleep_until(until.into()).await;
                    return Err(error.into());
                }
                tokio::time::sleep(pause).await;
                Ok(None)
            }
        }
    }

    /// Every event below this has been given.
    pub fn position(&self) -> Seq {
        self.next
    }

    /// The stream that it reads.
    pub fn stream(&self) -> StreamName {
        self.stream
    }
}
