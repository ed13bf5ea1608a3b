//! What can be asked of a chat, one operation per file, the same for sockets and HTTP: check who asks, then append one
//! event (R4) or read.
//!
//! An operation never writes a row about a chat: it appends to the log, and workers derive the rest.

mod chats;
mod create;
mod history;
mod members;
mod read;
mod remove;
mod rename;
mod send;
mod sync;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_nats::{Append, AppendError, Appended, Owner, Publisher, Subject};
use tidings_protocol::client_frame::Send as SendRequest;
use tidings_protocol::{
    Body, ChatId, ChatSummary, ErrorCode, Event, EventKind, MsgId, Refusal, Role, Seq, Timestamp, UserId,
};
use tidings_schema::DirectoryStore;
use time::OffsetDateTime;

use crate::accounts::UserRef;
use crate::http::ops::{
    ChatOps, ChatsPage, ChatsQuery, CreateChat, EntriesPage, HistoryQuery, MembersPage, MembersQuery, Stored,
};
use crate::reads::Reads;

pub(crate) use send::Sender;
pub(crate) use sync::Synced;

/// Whether the log may take more.
pub type HasRoom = Arc<dyn Fn() -> bool + Send + Sync>;

/// The operations.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) reads: Arc<Reads>,
    pub(crate) publisher: Publisher,
    pub(crate) directory: Arc<dyn DirectoryStore>,
    /// Whether the log may take more; asked before every append, so it only looks at a flag.
    pub(crate) has_room: HasRoom,
}

impl Ops {
    /// Refuses appends while there is no room for them: before the disk is full, not after.
    fn require_room(&self) -> Result<(), Refusal> {
        if (self.has_room)() {
            return Ok(());
        }
        Err(Refusal::new(ErrorCode::LogUnavailable, "the log takes no more at the moment").after_ms(5_000))
    }

    /// Appends and waits until the event is on disk.
    async fn append(&self, append: Append) -> Result<Appended, Refusal> {
        self.require_room()?;
        self.publisher.append(append).await.map_err(append_refusal)
    }

    /// Appends one event about a chat that is no message.
    async fn append_change(
        &self,
        chat: ChatId,
        user: UserId,
        kind: EventKind,
        body: Body,
    ) -> Result<Appended, Refusal> {
        let append = change(chat, user, kind, body)?;
        self.append(append).await
    }
}

/// The append of an event about a chat that is no message.
fn change(chat: ChatId, user: UserId, kind: EventKind, body: Body) -> Result<Append, Refusal> {
    let payload = encode(&Event::new(kind, user, None, now(), body))?;
    Ok(Append::new(Subject::chat(chat), owner_of(user), Some(MsgId::random()), payload))
}

fn encode(event: &Event) -> Result<Bytes, Refusal> {
    event.encode().map(Bytes::from).map_err(|_| Refusal::new(ErrorCode::Internal, "the event cannot be written"))
}

fn body_of<T: serde::Serialize>(particulars: &T) -> Result<Body, Refusal> {
    Body::of(particulars).map_err(|_| Refusal::new(ErrorCode::Internal, "the event cannot be written"))
}

/// The gateway's clock, for `at`.
pub(crate) fn now() -> Timestamp {
    OffsetDateTime::now_utc().into()
}

/// Whose share of the queue a call without a session takes.
fn owner_of(user: UserId) -> Owner {
    let mut word = [0u8; 8];
    word.copy_from_slice(&user.as_bytes()[8..]);
    Owner(u64::from_be_bytes(word))
}

/// An append's error as clients see it.
pub(crate) fn append_refusal(error: AppendError) -> Refusal {
    let text = error.to_string();
    match error {
        AppendError::QueueFull => Refusal::new(ErrorCode::Overloaded, text).after_ms(200),
        AppendError::Unavailable { .. } | AppendError::LogFull => {
            tracing::warn!(error = &error as &dyn std::error::Error, "append refused");
            Refusal::new(ErrorCode::LogUnavailable, text).after_ms(1_000)
        }
        AppendError::Stopped => Refusal::new(ErrorCode::LogUnavailable, text).after_ms(1_000),
        AppendError::OutOfTurn => Refusal::new(ErrorCode::OutOfTurn, text),
        AppendError::OutcomeUnknown => Refusal::new(ErrorCode::OutcomeUnknown, text),
        AppendError::NotEmpty => Refusal::new(ErrorCode::Already, text),
        AppendError::Conflict { .. } => Refusal::new(ErrorCode::Conflict, "another body was sent under this client_id"),
        AppendError::TooLarge => Refusal::new(ErrorCode::TooLarge, text),
    }
}

#[async_trait]
impl ChatOps for Ops {
    async fn list_chats(&self, user: UserId, page: ChatsQuery) -> Result<ChatsPage, Refusal> {
        self.chats(user, page).await
    }

    async fn create_chat(&self, user: UserId, chat: CreateChat) -> Result<ChatSummary, Refusal> {
        self.create(user, chat).await
    }

    async fn get_chat(&self, user: UserId, chat: ChatId) -> Result<ChatSummary, Refusal> {
        self.reads.membership(chat, user).await?.require_reader()?;
        self.reads.summary(user, chat).await
    }

    async fn rename_chat(&self, user: UserId, chat: ChatId, title: String) -> Result<ChatSummary, Refusal> {
        self.rename(user, chat, title).await
    }

    async fn list_members(&self, user: UserId, chat: ChatId, page: MembersQuery) -> Result<MembersPage, Refusal> {
        self.members(user, chat, page).await
    }

    async fn put_member(&self, user: UserId, chat: ChatId, who: UserRef, role: Option<Role>) -> Result<(), Refusal> {
        self.add(user, chat, who, role).await
    }

    async fn delete_member(&self, user: UserId, chat: ChatId, who: UserRef) -> Result<(), Refusal> {
        self.remove(user, chat, who).await
    }

    async fn history(&self, user: UserId, chat: ChatId, page: HistoryQuery) -> Result<EntriesPage, Refusal> {
        self.history_page(user, chat, page).await
    }

    async fn put_message(&self, user: UserId, send: SendRequest) -> Result<Stored, Refusal> {
        self.send_now(user, send).await
    }

    async fn put_read(&self, user: UserId, chat: ChatId, seq: Seq) -> Result<(), Refusal> {
        self.read(user, None, chat, seq).await
    }
}
