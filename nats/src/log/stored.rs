//! A stored message as the two kinds of reads give it: direct (headers of the server beside ours) and by the leader
//! (JSON with the raw header block).

use std::str::FromStr;

use async_nats::{HeaderMap, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tidings_protocol::{Seq, SessionId};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::LogEvent;
use crate::headers;
use crate::subjects::Subject;

/// One stored event with everything that rules look at, void or not.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) subject: Subject,
    pub(crate) seq: Seq,
    pub(crate) time_ms: u64,
    pub(crate) void: bool,
    pub(crate) msg_id: Option<String>,
    /// The atomic batch it came in, and its place there.
    pub(crate) batch: Option<(String, u64)>,
    pub(crate) session: Option<SessionId>,
    pub(crate) payload: Bytes,
}

/// What `STREAM.MSG.GET` gives.
#[derive(serde::Deserialize)]
pub(super) struct LeaderAnswer {
    message: LeaderMessage,
}

#[derive(serde::Deserialize)]
struct LeaderMessage {
    subject: String,
    seq: Seq,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

impl Stored {
    /// Reads a direct answer; the error names what is missing.
    pub(super) fn of_direct(message: Message) -> Result<Self, &'static str> {
        let given = message.headers.ok_or("headers")?;
        let seq = number(&given, headers::SEQUENCE).ok_or("a sequence")?;
        let subject = given.get(headers::SUBJECT).ok_or("a subject")?;
        let subject = subject.as_str().parse().map_err(|_| "a known subject")?;
        let time = given.get(headers::TIME_STAMP).ok_or("a time")?;
        let time_ms = read_time(time.as_str()).ok_or("a time")?;
        let own = |name: &str| given.get(name).map(|value| value.as_str().to_owned());
        Ok(Self::of_parts(subject, seq, time_ms, own, message.payload))
    }

    /// Reads the leader's answer; the error names what is missing.
    pub(super) fn of_leader(answer: LeaderAnswer) -> Result<Self, &'static str> {
        let message = answer.message;
        let subject = message.subject.parse().map_err(|_| "a known subject")?;
        let time_ms = read_time(&message.time).ok_or("a time")?;
        let block = STANDARD.decode(message.hdrs).map_err(|_| "headers")?;
        let block = String::from_utf8(block).map_err(|_| "headers")?;
        let payload = STANDARD.decode(message.data).map_err(|_| "a payload")?;
        let own = |name: &str| header_of(&block, name).map(str::to_owned);
        let seq = message.seq;
        Ok(Self::of_parts(subject, seq, time_ms, own, payload.into()))
    }

    fn of_parts(
        subject: Subject,
        seq: Seq,
        time_ms: u64,
        own: impl Fn(&str) -> Option<String>,
        payload: Bytes,
    ) -> Self {
        let deadline = own(headers::DEADLINE).and_then(|text| text.parse().ok());
        let place = || own(headers::BATCH_SEQUENCE).and_then(|text| text.parse().ok());
        Self {
            subject,
            seq,
            time_ms,
            void: headers::is_void(deadline, time_ms),
            msg_id: own(headers::MSG_ID),
            batch: own(headers::BATCH_ID).zip(place()),
            session: own(headers::SESSION).and_then(|text| text.parse().ok()),
            payload,
        }
    }

    /// The event for readers, who never see a void one.
    pub(super) fn into_event(self, prev: Option<Seq>) -> LogEvent {
        LogEvent {
            subject: self.subject,
            seq: self.seq,
            prev,
            time_ms: self.time_ms,
            session: self.session,
            payload: self.payload,
        }
    }
}

/// A header that is a number.
pub(crate) fn number<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.as_str().parse().ok()
}

/// Milliseconds since 1970 of a time as servers write it.
pub(crate) fn read_time(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// That time as servers read it.
pub(crate) fn write_time(time_ms: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000).ok()?;
    time.format(&Rfc3339).ok()
}

/// The first value of a header in a raw block `NATS/1.0\r\nName: value\r\n...`.
fn header_of<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_in_milliseconds() {
        let text = "2026-11-21T02:11:09.123456789Z";
        assert_eq!(read_time(text), Some(1_795_227_069_123));
        let written = write_time(1_795_227_069_123);
        assert_eq!(written.as_deref().and_then(read_time), Some(1_795_227_069_123));
        assert_eq!(read_time("yesterday"), None);
    }

    #[test]
    fn headers_are_found_in_a_raw_block_by_their_whole_name() {
        let block = "NATS/1.0\r\nTidings-Deadline-X: 1\r\nTidings-Deadline: 22 \r\nA:\r\n\r\n";
        assert_eq!(header_of(block, "Tidings-Deadline"), Some("22"));
        assert_eq!(header_of(block, "A"), Some(""));
        assert_eq!(header_of(block, "Deadline"), None);
    }

    #[test]
    fn an_answer_that_lacks_something_names_it() {
        let answer = |time: &str, subject: &str| LeaderAnswer {
            message: LeaderMessage {
                subject: subject.to_owned(),
                seq: 1,
                hdrs: String::new(),
                data: String::new(),
                time: time.to_owned(),
            },
        };
        let time = "2026-11-21T02:11:09Z";
        assert_eq!(Stored::of_leader(answer(time, "chat.1")).err(), Some("a known subject"));
        let subject = Subject::chat(tidings_protocol::ChatId::generate()).to_string();
        assert_eq!(Stored::of_leader(answer("now", &subject)).err(), Some("a time"));
        assert!(Stored::of_leader(answer(time, &subject)).is_ok());
    }
}
