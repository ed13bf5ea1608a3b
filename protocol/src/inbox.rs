//! Events of a user's inbox: the user's own log, the same for all devices.
//!
//! Pointers come from the pointers worker only ("chat C moved from `first` to `seq`", R15); read positions come from
//! gateways (R4). A pointer is a whole picture of the chat as of its `seq` for that user, so a later one replaces an
//! earlier one and a late one changes nothing (R10).

use serde::{Deserialize, Serialize};

use crate::{ChatId, ChatKind, Newest, Role, Seq, UserId};

/// The version written today.
pub const INBOX_VERSION: u32 = 1;

/// One event of an inbox, as stored.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct InboxEvent {
    /// Format version.
    pub v: u32,
    /// What it is about.
    #[serde(flatten)]
    pub kind: InboxKind,
}

impl InboxEvent {
    /// An event of today's version.
    pub fn new(kind: InboxKind) -> Self {
        Self { v: INBOX_VERSION, kind }
    }

    /// The bytes that go into the log.
    ///
    /// # Errors
    /// When a time cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are no inbox event. An unknown kind, or one of a later version, is [`InboxKind::Unknown`], no error.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_slice(bytes)?;
        if v > INBOX_VERSION {
            return Ok(Self { v, kind: InboxKind::Unknown });
        }
        serde_json::from_slice(bytes)
    }
}

/// What an inbox event is about.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InboxKind {
    /// A chat moved.
    Pointer(Box<Pointer>),
    /// The user read a chat up to a place.
    Read(ReadPosition),
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// "Chat C moved": covers every event of the chat from `first` to `seq` for this user.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Pointer {
    /// The chat.
    pub chat: ChatId,
    /// The chat's first event after its last acked pointer.
    pub first: Seq,
    /// The newest event that it covers; everything below is as of this one.
    pub seq: Seq,
    /// Direct or group.
    pub chat_kind: ChatKind,
    /// A group's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The other user of a direct chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
    /// How many members.
    pub members: u64,
    /// This user's role; absent when they are no member any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The event that made this user a member (the latest time).
    pub joined_seq: Seq,
    /// The last event that this user may read, when they are no member any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_seq: Option<Seq>,
    /// Newest event (`seq`) and newest message (the rest) as of `seq`.
    pub newest: Newest,
    /// This user's own newest message in the range: a send is a read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Position>,
    /// Membership, role or title changed within the range: lists must be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chat_changed: bool,
}

/// A place in a chat with the number of messages up to it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Position {
    /// The place.
    pub seq: Seq,
    /// How many messages stand at or before it.
    pub n: u64,
}

/// The user read `chat` up to `seq`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ReadPosition {
    /// The chat.
    pub chat: ChatId,
    /// The newest event read.
    pub seq: Seq,
    /// How many messages stand at or before it.
    pub n: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_version_wrote_is_unknown_not_misread() {
        let read = |v: u32| {
            let text =
                format!(r#"{{"v":{v},"kind":"read","chat":"00000000-0000-0000-0000-000000000001","seq":4,"n":2}}"#);
            InboxEvent::decode(text.as_bytes()).map(|event| event.kind == InboxKind::Unknown).ok()
        };
        assert_eq!((read(1), read(2)), (Some(false), Some(true)));
        assert!(InboxEvent::decode(b"{}").is_err());
    }
}
