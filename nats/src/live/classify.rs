//! From a message on the wire to what it means. Pure: no I/O, no state, no panic on foreign bytes.

use tidings_protocol::{ChatId, SessionId, Timestamp, UserId};
use uuid::Uuid;

use super::headers::{self, Known};
use super::item::{LiveEvent, LiveSubject, StreamTag};
use super::wire::Frame;
use crate::headers::is_void;

/// Where servers announce a new leader; the stream's name follows.
pub(super) const LEADER_ADVISORY: &[u8] = b"$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.";

/// What a message is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An event of the log.
    Event(LiveEvent),
    /// A new leader of one of the log's streams.
    Leader(String),
    /// Something real that nobody here uses: presence, signals, leaders of other streams.
    Ignored,
    /// On an event's subject, but not stored by a stream, or with headers that cannot be read.
    Malformed,
}

pub(super) fn classify(frame: Frame) -> Heard {
    let subject = frame.subject();
    if let Some(stream) = subject.strip_prefix(LEADER_ADVISORY) {
        return leader(stream);
    }
    match event_subject(subject) {
        Place::Event(at) => event(at, frame).map_or(Heard::Malformed, Heard::Event),
        Place::Other => Heard::Ignored,
        Place::Unknown => Heard::Malformed,
    }
}

enum Place {
    Event(LiveSubject),
    Other,
    Unknown,
}

fn event_subject(subject: &[u8]) -> Place {
    if let Some(chat) = subject.strip_prefix(b"live.chat.") {
        return match Uuid::try_parse_ascii(chat) {
            Ok(id) => Place::Event(LiveSubject::Chat(ChatId(id))),
            Err(_) => Place::Unknown,
        };
    }
    let Some(rest) = subject.strip_prefix(b"user.") else {
        return Place::Unknown;
    };
    let Some(dot) = memchr::memchr(b'.', rest) else {
        return Place::Unknown;
    };
    match (Uuid::try_parse_ascii(&rest[..dot]), &rest[dot + 1..]) {
        (Ok(id), b"inbox") => Place::Event(LiveSubject::User(UserId(id))),
        (Ok(_), _) => Place::Other,
        (Err(_), _) => Place::Unknown,
    }
}

fn event(subject: LiveSubject, frame: Frame) -> Option<LiveEvent> {
    let Known { stream, sequence, last_sequence, time_stamp, deadline, session } = headers::scan(frame.headers());
    let time_ms = time_ms(time_stamp?)?;
    // A deadline that cannot be read is none: the event stays valid for every reader alike.
    let void = is_void(deadline.and_then(headers::number), time_ms);
    Some(LiveEvent {
        subject,
        stream: StreamTag::of(stream?),
        seq: headers::number(sequence?)?,
        prev: headers::number(last_sequence?)?,
        time_ms,
        void,
        session: session.and_then(|id| Uuid::try_parse_ascii(id).ok()).map(SessionId),
        payload: frame.into_payload(),
    })
}

fn time_ms(text: &[u8]) -> Option<u64> {
    let at = Timestamp::parse(std::str::from_utf8(text).ok()?)?;
    u64::try_from(at.millis()).ok()
}

fn leader(stream: &[u8]) -> Heard {
    match StreamTag::of(stream) {
        StreamTag::Other => Heard::Ignored,
        StreamTag::Chat | StreamTag::Inbox | StreamTag::Receipt => {
            Heard::Leader(String::from_utf8_lossy(stream).into_owned())
        }
    }
}
