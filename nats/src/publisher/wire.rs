//! What goes to the server and comes back: headers, replies, error codes.
//!
//! One subscription per lane takes all replies; a number at the end of the reply subject says what is answered, so an
//! answer that comes late, to an attempt given up, still finds its group.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use serde::Deserialize;
use tidings_protocol::Seq;

use super::job::Job;
use crate::headers;
use crate::log::ApiError;

/// How the server answers a publish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// On disk at that place (the last one of a batch).
    Stored { seq: Seq, duplicate: bool, count: usize },
    /// Taken into an open batch.
    Staged,
    /// Nobody holds the stream now.
    NoResponders,
    /// No.
    Refused(Refusal),
    /// Not understood.
    Strange,
}

/// Why the server said no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) code: u64,
    pub(super) text: String,
}

/// What a refusal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It passes: ask again after a pause. Nothing was stored by this attempt.
    Again,
    /// An id of the batch is in the log.
    Duplicate,
    /// The subject has events.
    NotEmpty,
    /// No room.
    Full,
    /// The message is too large.
    TooLarge,
    /// Anything else.
    Other,
}

impl Refusal {
    pub(super) fn kind(&self) -> Kind {
        match self.code {
            // In process (409), not ready, too many requests, incomplete batch, too many batches, no leader, offline.
            10_158 | 10_163 | 10_167 | 10_176 | 10_210 | 10_008 | 10_118 | 10_194 => Kind::Again,
            10_201 => Kind::Duplicate,
            10_071 | 10_164 => Kind::NotEmpty,
            10_023 | 10_047 | 10_002 => Kind::Full,
            // The store failed: full when it says so (`discard: new`).
            10_077 if self.text.contains("maximum") || self.text.contains("no space") => Kind::Full,
            10_054 => Kind::TooLarge,
            _ => Kind::Other,
        }
    }
}

#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    seq: Seq,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    count: usize,
    error: Option<ApiError>,
}

impl Reply {
    fn of(message: &Message) -> Self {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Self::NoResponders;
        }
        if message.payload.is_empty() {
            return Self::Staged;
        }
        match serde_json::from_slice::<PubAck>(&message.payload) {
            Ok(PubAck { error: Some(error), .. }) => {
                Self::Refused(Refusal { code: error.err_code.max(error.code), text: error.description })
            }
            Ok(ack) if ack.seq > 0 => Self::Stored { seq: ack.seq, duplicate: ack.duplicate, count: ack.count },
            _ => Self::Strange,
        }
    }
}

/// A batch's header values for one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct InBatch<'a> {
    pub(super) id: &'a str,
    /// From 1.
    pub(super) place: usize,
    pub(super) commit: bool,
}

/// The lane's way to the server.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    inbox: String,
    replies: Subscriber,
    next: u64,
}

impl Wire {
    pub(super) async fn open(client: Client) -> Result<Self, async_nats::SubscribeError> {
        let inbox = client.new_inbox();
        let replies = client.subscribe(format!("{inbox}.*")).await?;
        Ok(Self { client, inbox, replies, next: 0 })
    }

    /// A number that no reply has carried yet.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Hands one message to the connection. `false`: it did not take it.
    pub(super) async fn send(&self, job: &Job, reply: Option<u64>, batch: Option<InBatch<'_>>) -> bool {
        let subject = job.append.subject.to_string();
        let headers = headers_of(job, batch);
        let payload = job.append.payload.clone();
        let sent = match reply {
            Some(number) => {
                let reply = format!("{}.{number}", self.inbox);
                self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
            None => self.client.publish_with_headers(subject, headers, payload).await,
        };
        sent.is_ok()
    }

    /// The next reply with its number, if one comes within `wait`. `Err`: there will be none any more.
    pub(super) async fn reply(&mut self, wait: Duration) -> Result<Option<(u64, Reply)>, Closed> {
        let Ok(message) = tokio::time::timeout(wait, self.replies.next()).await else {
            return Ok(None);
        };
        let message = message.ok_or(Closed)?;
        let number = message.subject.rsplit('.').next().and_then(|last| last.parse().ok()).unwrap_or(0);
        Ok(Some((number, Reply::of(&message))))
    }
}

/// The client was closed for good.
#[derive(Debug)]
pub(super) struct Closed;

fn headers_of(job: &Job, batch: Option<InBatch<'_>>) -> HeaderMap {
    let mut map = HeaderMap::new();
    if let Some(id) = &job.id {
        map.insert(headers::MSG_ID, id.as_str());
    }
    if let Some(stamp) = job.stamp.filter(|_| job.append.deadline) {
        map.insert(headers::DEADLINE, stamp.deadline_ms.to_string());
    }
    if let Some(session) = job.append.session {
        map.insert(headers::SESSION, session.to_string());
    }
    if let Some(last) = job.expect {
        map.insert(headers::EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
    }
    if let Some(batch) = batch {
        map.insert(headers::BATCH_ID, batch.id);
        map.insert(headers::BATCH_SEQUENCE, batch.place.to_string());
        if batch.commit {
            map.insert(headers::BATCH_COMMIT, "1");
        }
    }
    map
}
