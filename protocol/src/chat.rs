//! What the API says of a chat: its summary (a line in a list) and the entries of its history.

use serde::{Deserialize, Serialize};

use crate::{ChatId, Event, Seq, Timestamp, UserId};

/// Direct (two people, for ever) or group.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// Two people. Nobody is added or removed.
    Direct,
    /// Any number of people, with roles.
    Group,
}

/// What a member may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, sends, leaves.
    Member,
    /// Also adds and removes members, renames.
    Admin,
    /// Also gives roles, and removes admins.
    Owner,
}

/// The newest event and the newest message of a chat, as far as the answer could know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Newest {
    /// `seq` of the newest event of any kind.
    pub seq: Seq,
    /// How many messages the chat has had: the newest message's `n` (R3).
    pub n: u64,
    /// When the newest message was sent.
    pub at: Option<Timestamp>,
    /// The newest message's text, cut to [`crate::limits::PREVIEW_CHARS`].
    pub preview: Option<String>,
    /// The newest message's sender.
    pub from: Option<UserId>,
}

/// A chat as one user sees it in a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ChatSummary {
    /// The chat.
    pub id: ChatId,
    /// Direct or group.
    pub kind: ChatKind,
    /// A group's title.
    pub title: Option<String>,
    /// How many members.
    pub members: u64,
    /// The user's role; absent once they have left.
    pub role: Option<Role>,
    /// Newest event and message.
    pub newest: Newest,
    /// The user's own read position; 0 when nothing was read.
    pub read_seq: Seq,
    /// Messages after the read position, exact.
    pub unread: u64,
    /// Until when the user muted it.
    pub muted_until: Option<Timestamp>,
    /// The last event that the user may read, once they are no member any more.
    pub left_seq: Option<Seq>,
    /// The other user of a direct chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
}

/// One event of a chat with its place, the same in every answer.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Entry {
    /// Its place in the log (R1).
    pub seq: Seq,
    /// The event before it in this chat, where known (R2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Seq>,
    /// Its number in the chat: countable events only, once materialised (R3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The event.
    pub event: Event,
}

/// What everybody may know of a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct UserCard {
    /// The user.
    pub id: UserId,
    /// Their handle without `@`; absent for users known only by an app's token.
    pub handle: Option<String>,
    /// The name they show.
    pub name: String,
}

/// One member in a member list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct MemberCard {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// The event that made them a member.
    pub joined_seq: Seq,
}
