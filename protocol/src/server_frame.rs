//! What the server says. An answer carries the request's `id` as `re`; what the server says by itself has none.

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::{
    ChatId, ChatSummary, ClientId, Entry, ErrorCode, Event, Refusal, Retry, Seq, SessionId, Timestamp, UserCard,
};

/// One frame from the server.
#[derive(Clone, PartialEq, Serialize, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answer to `hello`.
    Welcome(Welcome),
    /// Answer to `send`: the message is on disk.
    Sent(Sent),
    /// Answer to `sync`.
    Synced(Synced),
    /// Answer to `history`.
    Page(Page),
    /// Answer to `chats`.
    ChatList(ChatList),
    /// Answer to `read`.
    Ok(Done),
    /// Answer to `ping`.
    Pong(Pong),
    /// A refusal.
    Error(ErrorFrame),
    /// An event of a chat.
    Event(EventFrame),
    /// A line of the list of chats changed.
    Chat(ChatFrame),
    /// What the client holds of these chats (all, when absent) may be short: sync.
    Resync(Resync),
    /// A newer resume token.
    Tick(Tick),
    /// This gateway stops: come back, spread over a window.
    Drain(Drain),
}

/// Answer to `hello`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Welcome {
    /// The request.
    pub re: u64,
    /// Who the token says you are.
    pub user: UserCard,
    /// This connection.
    pub session: SessionId,
    /// The server's clock.
    pub server_time: Timestamp,
    /// `resumed`: the chats that moved; else the newest ones.
    pub chats: Vec<ChatSummary>,
    /// Leads to the rest of the list.
    pub more: Option<String>,
    /// Sums over `chats`.
    pub unread: UnreadSums,
    /// Whether nothing but `chats` changed since the token.
    pub resumed: bool,
    /// Newer resume token.
    pub since: Option<String>,
    /// The bounds.
    pub limits: Limits,
    /// The log could not be read: newer acked messages may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// Sums over the chats of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct UnreadSums {
    /// Chats with something unread.
    pub chats: u64,
    /// Unread messages.
    pub messages: u64,
}

/// Answer to `send`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Sent {
    /// The request.
    pub re: u64,
    /// The chat.
    pub chat: ChatId,
    /// The client's name for it.
    pub client_id: ClientId,
    /// Its place in the log.
    pub seq: Seq,
    /// As stored in the event.
    pub at: Timestamp,
    /// Whether it had been stored by an earlier try.
    pub duplicate: bool,
}

/// Answer to `sync`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Synced {
    /// The request.
    pub re: u64,
    /// The chat.
    pub chat: ChatId,
    /// The run right after the place asked for, without a hole.
    pub items: Vec<Entry>,
    /// More follow.
    pub limited: bool,
    /// The place after `items`, for `history`.
    pub cursor: Option<String>,
}

/// Answer to `history`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Page {
    /// The request.
    pub re: u64,
    /// The chat.
    pub chat: ChatId,
    /// Oldest first.
    pub items: Vec<Entry>,
    /// Leads to older entries.
    pub older: Option<String>,
    /// Leads to newer entries.
    pub newer: Option<String>,
    /// The log could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// Answer to `chats`.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct ChatList {
    /// The request.
    pub re: u64,
    /// Newest first.
    pub chats: Vec<ChatSummary>,
    /// Leads to the rest.
    pub more: Option<String>,
    /// The log could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// Answer to `read`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Done {
    /// The request.
    pub re: u64,
}

/// Answer to `ping`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Pong {
    /// The request.
    pub re: u64,
    /// The server's clock.
    pub server_time: Timestamp,
    /// Newer resume token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// A refusal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ErrorFrame {
    /// The request; 0 when it could not be read.
    pub re: u64,
    /// Why.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// What to do about it.
    pub retry: Retry,
    /// Not before this many milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl ErrorFrame {
    /// The frame for a refusal.
    pub fn of(re: u64, refusal: Refusal) -> Self {
        let Refusal { code, message, retry_after_ms } = refusal;
        Self { re, code, message, retry: code.retry(), retry_after_ms }
    }
}

/// An event of a chat, live.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct EventFrame {
    /// The chat.
    pub chat: ChatId,
    /// Its place in the log.
    pub seq: Seq,
    /// The event before it in this chat (R2).
    pub prev: Seq,
    /// The event, byte for byte as stored.
    pub event: Event,
}

/// A line of the list changed.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct ChatFrame {
    /// The line.
    pub chat: ChatSummary,
    /// Newer resume token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// Sync these chats.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Resync {
    /// All, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chats: Option<Vec<ChatId>>,
}

/// A newer resume token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Tick {
    /// The token.
    pub since: String,
}

/// This gateway stops.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Drain {
    /// Come back no earlier than this.
    pub reconnect_after_ms: u64,
    /// Spread over this much more, at random.
    pub window_ms: u64,
}

impl ServerFrame {
    /// The JSON text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads one frame. `None` for a type that this version does not know (clients ignore those).
    ///
    /// # Errors
    /// When it is no frame.
    pub fn decode(text: &str) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(rename = "type", borrow)]
            kind: std::borrow::Cow<'a, str>,
        }
        let head: Head<'_> = serde_json::from_str(text)?;
        Ok(Some(match &*head.kind {
            "welcome" => Self::Welcome(serde_json::from_str(text)?),
            "sent" => Self::Sent(serde_json::from_str(text)?),
            "synced" => Self::Synced(serde_json::from_str(text)?),
            "page" => Self::Page(serde_json::from_str(text)?),
            "chat_list" => Self::ChatList(serde_json::from_str(text)?),
            "ok" => Self::Ok(serde_json::from_str(text)?),
            "pong" => Self::Pong(serde_json::from_str(text)?),
            "error" => Self::Error(serde_json::from_str(text)?),
            "event" => Self::Event(serde_json::from_str(text)?),
            "chat" => Self::Chat(serde_json::from_str(text)?),
            "resync" => Self::Resync(serde_json::from_str(text)?),
            "tick" => Self::Tick(serde_json::from_str(text)?),
            "drain" => Self::Drain(serde_json::from_str(text)?),
            _ => return Ok(None),
        }))
    }
}
