//! Events on their way to sessions: a chat event with the one frame that all sessions get, and an inbox event.

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use tidings_nats::live::LiveEvent;
use tidings_nats::log::LogEvent;
use tidings_protocol::{ChatId, Event, InboxEvent, Seq, SessionId};
use tidings_schema::rules::StoredEvent;

use super::tail::Placed;

/// A chat's event as it came, live or from the log.
#[derive(Clone, Debug)]
pub(crate) struct ChatEvent {
    pub(crate) seq: Seq,
    /// As the server said it, live; absent from a log read.
    pub(crate) prev: Option<Seq>,
    /// Stored after its deadline: its place counts, nobody sees it (R5).
    pub(crate) void: bool,
    /// The session that sent it: it gets `sent` instead.
    pub(crate) origin: Option<SessionId>,
    /// Log time, milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// The stored bytes.
    pub(crate) payload: Bytes,
}

impl Placed for ChatEvent {
    fn seq(&self) -> Seq {
        self.seq
    }
    fn prev(&self) -> Option<Seq> {
        self.prev
    }
}

impl From<LiveEvent> for ChatEvent {
    fn from(live: LiveEvent) -> Self {
        Self {
            seq: live.seq,
            prev: Some(live.prev),
            void: live.void,
            origin: live.session,
            time_ms: live.time_ms,
            payload: live.payload,
        }
    }
}

impl From<LogEvent> for ChatEvent {
    fn from(read: LogEvent) -> Self {
        Self {
            seq: read.seq,
            prev: None,
            void: false,
            origin: read.session,
            time_ms: read.time_ms,
            payload: read.payload,
        }
    }
}

/// An event of a chat, encoded once for everybody.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) seq: Seq,
    /// The newest event before it that is not void.
    pub(crate) prev: Seq,
    pub(crate) origin: Option<SessionId>,
    /// `{"type":"event",...}`, the same bytes for every session.
    pub(crate) frame: Utf8Bytes,
}

impl Shown {
    /// Encodes the frame: the stored bytes, wrapped. Bytes that are no event are shown as `unreadable` (R12), so that
    /// `prev` closes.
    pub(crate) fn encode(chat: ChatId, prev: Seq, event: &ChatEvent) -> (Self, Event) {
        let stored = StoredEvent::read(event.payload.clone(), i64::try_from(event.time_ms).unwrap_or(i64::MAX));
        // What reads as an event is UTF-8; the stand-in is written here.
        let event_json = String::from_utf8_lossy(&stored.raw);
        let seq = event.seq;
        let frame = format!(r#"{{"type":"event","chat":"{chat}","seq":{seq},"prev":{prev},"event":{event_json}}}"#);
        (Self { seq, prev, origin: event.origin, frame: frame.into() }, stored.event)
    }
}

/// An event of a user's inbox.
#[derive(Clone, Debug)]
pub(crate) struct InboxItem {
    pub(crate) seq: Seq,
    pub(crate) prev: Option<Seq>,
    pub(crate) void: bool,
    pub(crate) origin: Option<SessionId>,
    pub(crate) time_ms: u64,
    /// `None` when the bytes do not read: its place counts, the user_chats worker reports it.
    pub(crate) event: Option<InboxEvent>,
}

impl Placed for InboxItem {
    fn seq(&self) -> Seq {
        self.seq
    }
    fn prev(&self) -> Option<Seq> {
        self.prev
    }
}

impl From<ChatEvent> for InboxItem {
    fn from(event: ChatEvent) -> Self {
        Self {
            seq: event.seq,
            prev: event.prev,
            void: event.void,
            origin: event.origin,
            time_ms: event.time_ms,
            event: InboxEvent::decode(&event.payload).ok(),
        }
    }
}
