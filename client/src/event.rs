//! What a client tells the app: events of chats in log order, and how the connection is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidings_protocol::sync::Kept;
use tidings_protocol::{ChatId, ChatSummary, ClientId, Event, Refusal, Seq, Timestamp, UserCard};

/// What a client tells the app, in this order. Of each chat the events come in log order, each once, without a hole.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientEvent {
    /// The next event of a chat. A message of our own that this client sent comes here only when a sync brings it;
    /// its place is what [`crate::Sending`] gave.
    Event {
        /// The chat.
        chat: ChatId,
        /// Its place in the log.
        seq: Seq,
        /// The event before it in the chat, where known.
        prev: Option<Seq>,
        /// The event.
        event: Event,
    },
    /// A line of the list of chats, as of now.
    Chat(ChatSummary),
    /// Connected.
    Online {
        /// Who we are.
        user: UserCard,
        /// Nothing changed while we were away but the chats that are told next.
        resumed: bool,
        /// The server could not read its log: newer messages may be missing until a [`ClientEvent::Resynced`].
        stale: bool,
    },
    /// Not connected.
    Offline {
        /// Why.
        reason: OfflineReason,
        /// When the next attempt begins; `None`: never, the client has stopped.
        retry_in: Option<Duration>,
    },
    /// Something may have been missing from this chat; now everything up to `last` was told.
    Resynced {
        /// The chat.
        chat: ChatId,
        /// The newest event told, or where the chat begins for this client.
        last: Seq,
    },
}

/// Why there is no connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OfflineReason {
    /// No connection could be made.
    #[error("could not connect: {0}")]
    Connect(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server closed it with this code.
    #[error("closed by the server with code {0}")]
    Closed(u16),
    /// The server asked us to go elsewhere.
    #[error("the server is draining")]
    Drained,
    /// Nothing was heard for too long, not even a ping.
    #[error("nothing was heard for too long")]
    Silent,
    /// A request got no answer within its time.
    #[error("a request was not answered in time")]
    Unanswered,
    /// What came was no frame.
    #[error("the server sent something that is no frame")]
    Garbage,
    /// `hello` was refused.
    #[error("hello was refused: {0}")]
    Refused(Refusal),
    /// The access token is no longer taken.
    #[error("the access token was refused")]
    TokenRefused,
    /// The source of tokens failed.
    #[error("could not get an access token: {0}")]
    NoToken(String),
    /// [`crate::Client::close`] was called, or the last handle was dropped.
    #[error("closed by the app")]
    Stopped,
}

/// A message is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The chat.
    pub chat: ChatId,
    /// Its name.
    pub client_id: ClientId,
    /// Its place in the log.
    pub seq: Seq,
    /// As stored in the event.
    pub at: Timestamp,
    /// Known from an earlier try: by the server's word, or because a sync brought the event.
    pub duplicate: bool,
}

/// What lets another client (the same app started again) go on where this one was. All of it is from one moment:
/// keep and give it back as one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Resume {
    /// The newest resume token.
    pub since: Option<String>,
    /// What is known of each chat.
    pub chats: BTreeMap<ChatId, Kept>,
}
