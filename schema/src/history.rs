//! History: the events of each chat with their numbers, the chat's head, and its members. Written by the history
//! worker and nobody else.

use async_trait::async_trait;
use bytes::Bytes;
use tidings_protocol::{ChatId, ChatKind, ClientId, Role, Seq, Timestamp, UserId};

use crate::{Progress, StoreError};

/// Events of any kind in one bucket (partition) of `messages`.
pub const BUCKET_EVENTS: u64 = 10_000;

/// One event of a chat as stored. Never written for void events (R5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryRow {
    /// The chat.
    pub chat: ChatId,
    /// Its place in the log, and the clock of all its cells.
    pub seq: Seq,
    /// The event before it in this chat; 0 for the first.
    pub prev: Seq,
    /// How many events of any kind the chat had before this one. Its bucket is `ord / BUCKET_EVENTS`.
    pub ord: u64,
    /// How many countable events stand at or before it (R3). It is this event's own `n` when it counts.
    pub n: u64,
    /// How many members the chat has after it.
    pub members: u64,
    /// Whether the event itself is countable.
    pub countable: bool,
    /// Name of its kind.
    pub kind: String,
    /// Who sent it; nil for `unreadable`.
    pub sender: UserId,
    /// The sender's name for it.
    pub client_id: Option<ClientId>,
    /// The gateway's clock at the send.
    pub at: Timestamp,
    /// The event, byte for byte as in the log (for `unreadable` the event that stands in for it).
    pub raw: Bytes,
}

/// The newest state of a chat: a fold of its log up to `seq`, which is the clock of the whole row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadRow {
    /// The chat.
    pub chat: ChatId,
    /// Newest event of any kind.
    pub seq: Seq,
    /// How many events of any kind, less one: `ord` of the newest.
    pub ord: u64,
    /// How many messages.
    pub n: u64,
    /// How many members.
    pub members: u64,
    /// Direct or group.
    pub kind: ChatKind,
    /// A group's title.
    pub title: Option<String>,
    /// Who created it.
    pub creator: UserId,
    /// When the newest message was sent.
    pub at: Option<Timestamp>,
    /// The newest message's text, cut.
    pub preview: Option<String>,
    /// The newest message's sender.
    pub from: Option<UserId>,
}

/// A user's membership of a chat. `clock` is the `seq` of the event that it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberRow {
    /// The chat.
    pub chat: ChatId,
    /// The user.
    pub user: UserId,
    /// The event that this row comes from.
    pub clock: Seq,
    /// The role; `None` once they have left.
    pub role: Option<Role>,
    /// The event that made them a member (the latest time).
    pub joined_seq: Seq,
    /// The last event they may read, once they have left: the one that ended it.
    pub left_seq: Option<Seq>,
}

/// One idempotent upsert: applied only when its clock is newer than the row's (equal clocks carry equal rows).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HistoryWrite {
    /// An event.
    Entry(EntryRow),
    /// The chat's head.
    Head(HeadRow),
    /// A membership.
    Member(MemberRow),
}

/// Which entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Range {
    /// `seq` greater than this, the lowest first to be taken.
    After(Seq),
    /// `seq` lower than this, the highest first to be taken.
    Before(Seq),
}

/// Rows of chats.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Writes rows of events of `stream` and then the history worker's progress (in one transaction where the store
    /// has them). Blind and idempotent.
    async fn apply_history(&self, stream: &str, writes: &[HistoryWrite], progress: Progress) -> Result<(), StoreError>;

    /// The heads of these chats, in this order.
    async fn heads(&self, chats: &[ChatId]) -> Result<Vec<Option<HeadRow>>, StoreError>;

    /// Up to `limit` entries in the range, always oldest first.
    async fn entries(&self, chat: ChatId, range: Range, limit: usize) -> Result<Vec<EntryRow>, StoreError>;

    /// The newest entry at or before `seq`.
    async fn entry_at(&self, chat: ChatId, seq: Seq) -> Result<Option<EntryRow>, StoreError>;

    /// The membership of one user.
    async fn member(&self, chat: ChatId, user: UserId) -> Result<Option<MemberRow>, StoreError>;

    /// Up to `limit` memberships with a user id greater than `after`, in order of user id, those who left included.
    async fn members(&self, chat: ChatId, after: Option<UserId>, limit: usize) -> Result<Vec<MemberRow>, StoreError>;
}
