//! Each user's list of chats: one row per user and chat. Written by the user_chats worker from inboxes, nobody else.

use async_trait::async_trait;
use tidings_protocol::inbox::{Position, ReadPosition};
use tidings_protocol::{ChatId, Pointer, Seq, UserId};

use crate::{Progress, StoreError};

/// A chat in a user's list, as of the last pointer.
#[derive(Clone, PartialEq, Debug)]
pub struct UserChatRow {
    /// Whose list.
    pub user: UserId,
    /// The newest pointer applied: the clock of everything in it is its `seq`. What speaks of its own range means nothing
    /// here: `first` reads as equal to `seq`, `own` as absent, `chat_changed` as false.
    pub pointer: Pointer,
    /// The own read position, the highest of all read events and own sends; its own clock.
    pub read: Position,
}

/// One idempotent upsert.
#[derive(Clone, PartialEq, Debug)]
pub enum UserChatWrite {
    /// Replaces the chat's cells when `pointer.seq` is newer; moves the read position up to `pointer.own`.
    Pointer {
        /// Whose list.
        user: UserId,
        /// The pointer.
        pointer: Box<Pointer>,
    },
    /// Moves the read position up. Before any pointer it makes no visible row, but is kept.
    Read {
        /// Whose list.
        user: UserId,
        /// The position.
        read: ReadPosition,
    },
}

/// Where a page of a list begins: after this line, in the order newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListPlace {
    /// `pointer.newest.seq` of the last line.
    pub newest_seq: Seq,
    /// Its chat, which decides among equals (greater ids first).
    pub chat: ChatId,
}

/// Rows of users' lists.
#[async_trait]
pub trait UserChatsStore: Send + Sync {
    /// Writes rows from `stream` ("INBOX_0") and then the user_chats worker's progress (one transaction where there
    /// are any).
    async fn apply_user_chats(
        &self,
        stream: &str,
        writes: &[UserChatWrite],
        progress: Progress,
    ) -> Result<(), StoreError>;

    /// Up to `limit` rows of a user's list, newest first, after `place`. Chats that the user has left are in it.
    async fn list(&self, user: UserId, place: Option<ListPlace>, limit: usize) -> Result<Vec<UserChatRow>, StoreError>;

    /// These chats of the user's list, in this order.
    async fn user_chats(&self, user: UserId, chats: &[ChatId]) -> Result<Vec<Option<UserChatRow>>, StoreError>;

    /// Only the read position (it may be there before the first pointer); `None` when nothing was read.
    async fn read_position(&self, user: UserId, chat: ChatId) -> Result<Option<Position>, StoreError>;
}
