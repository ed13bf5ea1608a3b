//! What a live reader hands on, and for what it listens.

use std::fmt;

use bytes::Bytes;
use tidings_protocol::{ChatId, Seq, SessionId, UserId};

/// A subject one can listen to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum LiveSubject {
    /// The events of a chat: `live.chat.<chat>`.
    Chat(ChatId),
    /// Everything for a connected user: `user.<user>.>`, of which `user.<user>.inbox` carries events.
    User(UserId),
}

impl fmt::Display for LiveSubject {
    /// The subject as subscribed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(chat) => write!(f, "live.chat.{chat}"),
            Self::User(user) => write!(f, "user.{user}.>"),
        }
    }
}

/// Which kind of stream stored an event. Receipts come on a chat's subject with numbers of their own stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StreamTag {
    /// `CHAT_<n>`: its numbers are the chat's (R1), and only they have gaps (R2).
    Chat,
    /// `INBOX_<n>`: its numbers are the user's.
    Inbox,
    /// `RECEIPT_<n>`: numbers of their own.
    Receipt,
    /// A stream this version does not know.
    Other,
}

impl StreamTag {
    pub(super) fn of(stream: &[u8]) -> Self {
        let word = memchr::memchr(b'_', stream).map_or(stream, |end| &stream[..end]);
        match word {
            b"CHAT" => Self::Chat,
            b"INBOX" => Self::Inbox,
            b"RECEIPT" => Self::Receipt,
            _ => Self::Other,
        }
    }
}

/// An event of the log, heard as it was stored.
///
/// `payload` is a slice of the read buffer: good for decoding and passing on, but it keeps the whole buffer
/// (`read_buffer_bytes`, or the size of the message when larger). Call [`LiveEvent::keep`] before storing one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveEvent {
    /// Where it was heard.
    pub subject: LiveSubject,
    /// What numbered it.
    pub stream: StreamTag,
    /// Its place in that stream.
    pub seq: Seq,
    /// The place of the event before it on its subject, void or not; 0 when there is none any more (R2).
    pub prev: Seq,
    /// When it was stored, milliseconds of log time.
    pub time_ms: u64,
    /// Stored after its deadline (R5): pass over it as if it were delivered.
    pub void: bool,
    /// The session whose command it is.
    pub session: Option<SessionId>,
    /// The event itself.
    pub payload: Bytes,
}

impl LiveEvent {
    /// The same event with a payload of its own that keeps no read buffer.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.payload = Bytes::copy_from_slice(&self.payload);
        self
    }
}

/// Why live delivery may have a hole. Whoever reads must check all tails now (R8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Interruption {
    /// The connection was lost and made again; all subscriptions are in force once more.
    Reconnected,
    /// The reader was too slow for too long, so this many events were dropped since the last item.
    Overflow {
        /// Events dropped. 0 when only another interruption found no room.
        dropped: u64,
    },
    /// A stream has a new leader: the old one may have stored without republishing.
    Leader {
        /// The stream's name.
        stream: String,
    },
}

/// What comes out of the reader's channel, in the order in which it was heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LiveItem {
    /// An event of the log.
    Event(LiveEvent),
    /// Events may be missing before the next item.
    Interrupted(Interruption),
}
