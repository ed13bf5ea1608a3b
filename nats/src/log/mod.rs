//! Reads of the log: runs of one subject, tails of many, single events, the state of a stream.
//!
//! Protects R5 and R8 for every reader: a void event never comes out (it is passed over, and `reached` says so), an
//! answer that must reach a place does or is an error, no wait is unbounded. It never writes and keeps nothing: two
//! reads know nothing of each other.

mod get;
mod last;
mod read_after;
mod request;
mod stored;

use bytes::Bytes;
use tidings_protocol::{Seq, SessionId};

pub(crate) use request::ApiError;
pub(crate) use stored::{Stored, number};

use crate::clock::LogClock;
use crate::subjects::{ShardMap, StreamName, Subject};

/// Reads the log. A copy is the same reader.
#[derive(Clone, Debug)]
pub struct Log {
    client: async_nats::Client,
    shards: ShardMap,
    clock: LogClock,
}

/// How much one read may give. At least one event is given when there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadMax {
    /// Most events.
    pub events: usize,
    /// Most payload bytes.
    pub bytes: usize,
}

/// One event of the log that is not void.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEvent {
    /// The chat or inbox.
    pub subject: Subject,
    /// Its place.
    pub seq: Seq,
    /// The event before it on its subject, when the same read gave it (R2: a read cannot know more).
    pub prev: Option<Seq>,
    /// When it was stored: milliseconds of log time since 1970.
    pub time_ms: u64,
    /// The session that sent it.
    pub session: Option<SessionId>,
    /// The stored bytes.
    pub payload: Bytes,
}

/// A run of one subject's events without a hole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogRun {
    /// The events, in order; void ones are passed over.
    pub events: Vec<LogEvent>,
    /// Nothing more stood on this subject when it was read.
    pub complete: bool,
    /// The run is whole up to here: the last event seen (void ones count), or where the read began.
    pub reached: Seq,
}

/// The last event of a subject. It may be void: the tail is the tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastEvent {
    /// Its place.
    pub seq: Seq,
    /// When it was stored: milliseconds of log time since 1970.
    pub time_ms: u64,
}

/// Why the log gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No answer in time, from any replica nor the leader.
    #[error("no answer from stream {stream} in time")]
    TimedOut {
        /// The stream asked.
        stream: StreamName,
    },
    /// The request could not be sent.
    #[error("could not ask stream {stream}")]
    Request {
        /// The stream asked.
        stream: StreamName,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The stream answered with an error.
    #[error("stream {stream} refused with {code}: {text}")]
    Refused {
        /// The stream asked.
        stream: StreamName,
        /// JetStream's error code, or the status of a read.
        code: u64,
        /// Its text.
        text: String,
    },
    /// The answer cannot be understood.
    #[error("stream {stream} gave an answer without {what}")]
    Malformed {
        /// The stream asked.
        stream: StreamName,
        /// What is missing or wrong.
        what: &'static str,
    },
    /// The log does not reach as far as it must (R8).
    #[error("{stream} reaches {reached}, needed is {wanted}")]
    Behind {
        /// The stream asked.
        stream: StreamName,
        /// How far the answer goes.
        reached: Seq,
        /// How far it must go.
        wanted: Seq,
    },
}

/// Why a request could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is no connection to any server.
    #[error("not connected to nats")]
    Disconnected,
    /// The client could not send it, or nobody holds the stream now.
    #[error("could not send the request")]
    Send(#[source] async_nats::RequestError),
}

impl Log {
    /// A reader over `client`. Times heard in answers go to `clock`.
    pub fn new(client: async_nats::Client, shards: ShardMap, clock: LogClock) -> Self {
        Self { client, shards, clock }
    }

    /// The connection.
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// Which stream holds what.
    pub fn shards(&self) -> &ShardMap {
        &self.shards
    }

    /// Log time.
    pub fn clock(&self) -> &LogClock {
        &self.clock
    }

    fn read_all(&self, stream: StreamName, messages: Vec<async_nats::Message>) -> Result<Vec<Stored>, LogError> {
        let read = |message| {
            let stored = Stored::of_direct(message);
            stored.map_err(|what| LogError::Malformed { stream, what })
        };
        let stored: Vec<Stored> = messages.into_iter().map(read).collect::<Result<_, _>>()?;
        if let Some(last) = stored.last() {
            self.clock.observe(last.time_ms);
        }
        Ok(stored)
    }
}

/// The error that a status other than the expected ones is.
fn refused(stream: StreamName, end: &async_nats::Message) -> LogError {
    let code = end.status.map_or(0, |status| status.as_u16());
    LogError::Refused { stream, code: code.into(), text: end.description.clone().unwrap_or_default() }
}
