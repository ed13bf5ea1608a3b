//! One chat in the engine: the gap rule, the outbox, and what it waits for.

use std::time::Instant;

use tidings_protocol::client_frame::Send;
use tidings_protocol::sync::{ChatSync, Kept};
use tidings_protocol::{ChatId, Event, Seq};

use super::outbox::Outbox;

/// An event on its way to the app.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Arrived {
    pub(super) prev: Option<Seq>,
    pub(super) event: Event,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub(super) sync: ChatSync<Arrived>,
    pub(super) outbox: Outbox,
    /// It is in [`super::Engine::turns`].
    pub(super) in_turn: bool,
    /// Nothing is sent before this: the server asked for a pause.
    pub(super) pause_until: Option<Instant>,
    /// Refusals of sends since the last that was stored: how long the next pause is.
    pub(super) send_refusals: u32,
    /// A refused sync is asked again then.
    pub(super) sync_again: Option<Instant>,
    /// Refusals of syncs since the last answer.
    pub(super) sync_refusals: u32,
}

impl Chat {
    pub(super) fn restored(kept: Kept) -> Self {
        Self { sync: ChatSync::restored(kept), ..Self::default() }
    }

    /// Waits end with the connection: the next one may be to a server that takes it. How often it was refused stays.
    pub(super) fn disconnected(&mut self) {
        self.sync.disconnected();
        self.outbox.disconnected();
        self.in_turn = false;
        self.pause_until = None;
        self.sync_again = None;
    }

    /// The next message that may go out now.
    pub(super) fn next_send(&mut self, chat: ChatId, now: Instant) -> Option<(u64, Send)> {
        if !self.sync.may_send() || self.pause_until.is_some_and(|until| until > now) {
            return None;
        }
        let (entry, first) = self.outbox.start(self.sync.last().unwrap_or(0))?;
        let send = Send {
            chat,
            client_id: entry.client_id,
            body: entry.body.clone(),
            retry: !first,
            after_seq: entry.after.filter(|_| !first),
        };
        let number = entry.number;
        self.sync.send_started(number);
        Some((number, send))
    }
}
