//! Events that a worker cannot read go to `dead.<worker>` in the stream `DEAD`, with where they stood, so that somebody
//! can list and replay them (R12).
//!
//! It never holds up the worker for long: when the stream does not take a letter in [`ATTEMPTS`], that is an error in
//! the log of the process and the work goes on, because the event still stands in its own stream.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use tidings_nats::{FeedEvent, Log, StreamName};
use tracing::{error, warn};

use super::backoff::Backoff;
use crate::error::Chain;

/// How often a letter is tried.
const ATTEMPTS: u32 = 4;
/// How long one try waits for the stream.
const TRY_WAIT: Duration = Duration::from_secs(2);
/// Headers of a dead letter, whose body is the event as it stands in its stream.
pub mod dead_header {
    /// The stream in which the event stands.
    pub const STREAM: &str = "Tidings-Stream";
    /// Its place there.
    pub const SEQUENCE: &str = "Tidings-Sequence";
    /// Its subject.
    pub const SUBJECT: &str = "Tidings-Subject";
    /// Why it is here, one of a few words.
    pub const REASON: &str = "Tidings-Reason";
}

/// Why an event is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// Its bytes are no event.
    Unreadable,
    /// It is an event of a kind or version that this worker does not know and cannot keep in its rows.
    UnknownKind,
    /// It stands in a stream where its subject does not belong.
    Misplaced,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnknownKind => "unknown_kind",
            Self::Misplaced => "misplaced",
        }
    }
}

/// Where one worker's dead events of one stream go.
pub(crate) struct DeadLetters {
    jetstream: jetstream::Context,
    worker: &'static str,
    stream: StreamName,
    subject: String,
}

impl DeadLetters {
    pub(crate) fn new(log: &Log, worker: &'static str, stream: StreamName) -> Self {
        let mut jetstream = jetstream::new(log.client().clone());
        jetstream.set_timeout(TRY_WAIT);
        Self { jetstream, worker, stream, subject: format!("dead.{worker}") }
    }

    /// Sends a letter. Sending it again within the dedupe window changes nothing.
    pub(crate) async fn send(&self, event: &FeedEvent, reason: Reason) {
        let (worker, seq) = (self.worker, event.seq);
        let mut backoff = Backoff::new(100, 1_000);
        for attempt in 1..=ATTEMPTS {
            let Err(failed) = self.try_send(event, reason).await else {
                warn!(worker, stream = %self.stream, seq, reason = reason.as_str(), "event is dead");
                return;
            };
            if attempt == ATTEMPTS {
                error!(worker, stream = %self.stream, seq, reason = reason.as_str(),
                    error = %Chain(&failed), "event is dead and could not be listed");
                return;
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn try_send(&self, event: &FeedEvent, reason: Reason) -> Result<(), jetstream::context::PublishError> {
        let mut headers = HeaderMap::new();
        headers.insert(dead_header::STREAM, self.stream.to_string());
        headers.insert(dead_header::SEQUENCE, event.seq.to_string());
        headers.insert(dead_header::SUBJECT, event.subject.to_string());
        headers.insert(dead_header::REASON, reason.as_str());
        let id = format!("{}.{}.{}", self.worker, self.stream, event.seq);
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        let ack = self.jetstream.publish_with_headers(self.subject.clone(), headers, event.payload.clone()).await?;
        ack.await?;
        Ok(())
    }
}
