//! What all sessions of a gateway share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tidings_nats::live::LiveReader;
use tidings_nats::{Log, StreamName, Subject};
use tidings_protocol::{Since, UserId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::fanout::hub::Command;
use crate::fanout::progress::InboxPlace;
use crate::ops::Ops;
use crate::reads::Reads;
use crate::settings::SessionSettings;
use crate::tokens::Verifier;

/// Shared by all sessions; read-only but for counters and channels.
pub(crate) struct Core {
    pub(crate) settings: SessionSettings,
    pub(crate) log: Log,
    pub(crate) live: Arc<dyn LiveReader>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) ops: Arc<Ops>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) accounts: Arc<Accounts>,
    /// Commands to the hub; bounded, senders wait.
    pub(crate) hub: mpsc::Sender<Command>,
    /// Identity of each inbox stream: a token of another epoch is of another log.
    pub(crate) inbox_epochs: HashMap<StreamName, u64>,
    /// How long an inbox keeps its events; a token nearly as old is no good.
    pub(crate) inbox_age_ms: u64,
    /// Sockets open now.
    pub(crate) open: AtomicUsize,
    /// The gateway drains: sessions say goodbye.
    pub(crate) draining: CancellationToken,
    /// Owns the sessions.
    pub(crate) sessions: TaskTracker,
}

impl Core {
    /// The stream that holds a user's inbox, with its number and epoch.
    fn inbox_stream(&self, user: UserId) -> (u16, u64) {
        let stream = self.log.shards().stream_of(&Subject::inbox(user));
        let number = match stream {
            StreamName::Inbox(number) => number,
            _ => 0,
        };
        (number, self.inbox_epochs.get(&stream).copied().unwrap_or(0))
    }

    /// The resume token for a place in a user's inbox. `None` for no place (the log could not be read at hello).
    pub(crate) fn token(&self, user: UserId, place: InboxPlace) -> Option<String> {
        if place.time_ms == 0 {
            return None;
        }
        let (stream, epoch) = self.inbox_stream(user);
        let time_ms = i64::try_from(place.time_ms).unwrap_or(i64::MAX);
        Some(Since { user, stream, epoch, seq: place.seq, time_ms }.to_string())
    }

    /// The place that a client's token names, when it can be resumed from: this user's, this log's, and young enough.
    pub(crate) fn place_of(&self, user: UserId, text: &str, now_ms: u64) -> Option<InboxPlace> {
        let since: Since = text.parse().ok()?;
        let (stream, epoch) = self.inbox_stream(user);
        let time_ms = u64::try_from(since.time_ms).ok()?;
        let young = now_ms.saturating_sub(time_ms) < self.inbox_age_ms / 10 * 9;
        (since.user == user && since.stream == stream && since.epoch == epoch && young)
            .then_some(InboxPlace { seq: since.seq, time_ms })
    }
}
