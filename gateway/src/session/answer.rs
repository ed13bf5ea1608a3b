//! Answers to requests, and the operations behind them.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use futures_util::future::BoxFuture;
use tidings_protocol::client_frame::{Chats, History, Read, Sync};
use tidings_protocol::server_frame::{ChatList, Done, ErrorFrame, Page, Sent, ServerFrame, Synced as SyncedFrame};
use tidings_protocol::{ChatId, ClientId, Refusal, SessionId, UserId};

use crate::http::ops::{ChatsQuery, HistoryQuery, Stored};
use crate::ops::{Ops, Synced};

/// An answer on its way to the socket.
pub(crate) enum Answer {
    /// To `send`, once it had its turn.
    Sent { re: u64, chat: ChatId, client_id: ClientId, result: Result<Stored, Refusal> },
    /// To `sync`.
    Synced { re: u64, chat: ChatId, result: Result<Synced, Refusal> },
    /// Ready as it is.
    Frame(ServerFrame),
    /// A refusal.
    Refused { re: u64, refusal: Refusal },
}

/// An answer that is being made.
pub(crate) type Answering = BoxFuture<'static, Answer>;

/// Answers `sync`.
pub(super) fn sync(ops: Arc<Ops>, user: UserId, re: u64, sync: Sync) -> Answering {
    Box::pin(async move { Answer::Synced { re, chat: sync.chat, result: ops.sync(user, &sync).await } })
}

/// Answers `history`.
pub(super) fn history(ops: Arc<Ops>, user: UserId, re: u64, asked: History) -> Answering {
    Box::pin(async move {
        let page = match HistoryQuery::of(&asked) {
            Ok(query) => ops.history_page(user, asked.chat, query).await,
            Err(refusal) => Err(refusal),
        };
        match page {
            Ok(page) => Answer::Frame(ServerFrame::Page(Page {
                re,
                chat: asked.chat,
                items: page.items,
                older: page.older,
                newer: page.newer,
                stale: page.stale,
            })),
            Err(refusal) => Answer::Refused { re, refusal },
        }
    })
}

/// Answers `chats`.
pub(super) fn chats(ops: Arc<Ops>, user: UserId, re: u64, asked: Chats) -> Answering {
    Box::pin(async move {
        let page = match ChatsQuery::of(user, &asked) {
            Ok(query) => ops.chats(user, query).await,
            Err(refusal) => Err(refusal),
        };
        match page {
            Ok(page) => Answer::Frame(ServerFrame::ChatList(ChatList {
                re,
                chats: page.chats,
                more: page.more,
                stale: page.stale,
            })),
            Err(refusal) => Answer::Refused { re, refusal },
        }
    })
}

/// Answers `read`.
pub(super) fn read(ops: Arc<Ops>, user: UserId, session: SessionId, re: u64, read: Read) -> Answering {
    Box::pin(async move {
        match ops.read(user, Some(session), read.chat, read.seq).await {
            Ok(()) => Answer::Frame(ServerFrame::Ok(Done { re })),
            Err(refusal) => Answer::Refused { re, refusal },
        }
    })
}

impl Answer {
    /// The frame.
    pub(super) fn into_frame(self) -> ServerFrame {
        match self {
            Self::Sent { re, chat, client_id, result: Ok(stored) } => {
                let Stored { seq, at, duplicate } = stored;
                ServerFrame::Sent(Sent { re, chat, client_id, seq, at, duplicate })
            }
            Self::Synced { re, chat, result: Ok(synced) } => {
                let Synced { items, limited, cursor, .. } = synced;
                ServerFrame::Synced(SyncedFrame { re, chat, items, limited, cursor })
            }
            Self::Frame(frame) => frame,
            Self::Sent { re, result: Err(refusal), .. }
            | Self::Synced { re, result: Err(refusal), .. }
            | Self::Refused { re, refusal } => ServerFrame::Error(ErrorFrame::of(re, refusal)),
        }
    }
}

/// A frame as text; one that cannot be written is a mistake of ours and is logged.
pub(super) fn text_of(frame: &ServerFrame) -> Option<Utf8Bytes> {
    match frame.encode() {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a frame could not be written");
            None
        }
    }
}
