//! The client: hello, the gap rule, sync, and how a connection ends (R13, R14 and PROTOCOL.md, "Gap
//! rule for clients").
//!
//! What it protects: whatever a client shows up to its `last` is all there is; what it is not sure of
//! it marks as not whole and asks for. The mark is kept with the token and outlives the connection.
//! This is the reference for `protocol/src/sync.rs`.

use crate::live::cool;
use crate::lookup::index;
use crate::setup::Setup;
use crate::state::{ChatId, Gateway, GatewayId, Outgoing, PerChat, Seq, Session, State, UserId};

impl Setup {
    /// The events of a chat an answer holds: the store up to the watermark, then the log (R13).
    pub(crate) fn answer(&self, state: &State, chat: ChatId) -> Vec<Seq> {
        let watermark = state.materialised;
        let in_answer = |seq: &Seq| *seq <= watermark || self.rules.read_your_writes;
        state.valid(chat).map(|(seq, _)| seq).filter(in_answer).collect()
    }

    /// `hello` and `welcome`. The position in the inbox is taken before anything else is read.
    pub(crate) fn hello(&self, state: &mut State, user: UserId, gateway: GatewayId, stale: bool) {
        let position = index(state.client(user).inbox.len());
        let token = state.client(user).token.filter(|_| !stale);
        let first_time = state.client(user).token.is_none();
        let client = state.client_mut(user);
        client.session = Some(self.session(gateway, position));
        client.token = Some(position);
        for chat in state.chats() {
            state.client_mut(user).views[chat].whole |= !self.readings.not_whole_is_kept;
            let since = usize::from(token.unwrap_or(0));
            let inbox = &state.client(user).inbox;
            let moved = self.rules.pointers_in_log && inbox[since..].iter().any(|p| p.chat == chat);
            if token.is_some() && !moved {
                continue;
            }
            let newest = self.answer(state, chat).last().copied().unwrap_or(0);
            let view = &mut state.client_mut(user).views[chat];
            if first_time {
                view.start = newest;
                view.last = newest;
            }
            view.whole = newest == view.last;
            if token.is_some() {
                self.attach(state, user, chat);
            }
        }
    }

    pub(crate) fn session(&self, gateway: GatewayId, inbox_seen: u8) -> Session {
        Session {
            gateway,
            inbox_seen,
            inbox_live: Vec::new(),
            attached: PerChat::new(self.chats, None),
            own: Vec::new(),
            sent: Vec::new(),
            out_of_turn: PerChat::new(self.chats, false),
            unheard: PerChat::new(self.chats, false),
        }
    }

    /// `event`: the gap rule for clients.
    pub(crate) fn event(&self, state: &mut State, user: UserId, chat: ChatId, seq: Seq, prev: Seq) {
        let known_own = self.known_own(state, user, chat, prev);
        let view = &mut state.client_mut(user).views[chat];
        if self.rules.gap_rule {
            let waits = self.readings.event_waits_for_sync && !view.whole;
            if seq <= view.last || waits {
                return;
            }
            if prev > view.last && !known_own {
                view.whole = false;
                return;
            }
        }
        show(state, user, chat, seq);
    }

    /// Whether `sent` gave this session `prev`, and nothing the client sent to the chat before is open.
    fn known_own(&self, state: &State, user: UserId, chat: ChatId, prev: Seq) -> bool {
        let client = state.client(user);
        let settled = self.messages(user).filter(|m| m.chat == chat).map(|m| client.outgoing(m.nth));
        let mut before = settled.take_while(|outgoing| *outgoing != Outgoing::Acked(prev));
        client.session.as_ref().is_some_and(|session| session.sent.contains(&prev))
            && (!self.readings.own_prev_when_settled || before.all(|o| matches!(o, Outgoing::Acked(_))))
    }

    /// Whether the client asks for a sync of this chat.
    pub(crate) fn wants_sync(&self, state: &State, user: UserId, chat: ChatId) -> bool {
        let client = state.client(user);
        let unsettled = self
            .messages(user)
            .any(|m| m.chat == chat && matches!(client.outgoing(m.nth), Outgoing::Open { may_retry: false, .. }));
        client.session.is_some() && (unsettled || !client.views[chat].whole)
    }

    /// `sync` after `last` and `synced`: a page of what comes right after; complete when no more follows.
    pub(crate) fn sync(&self, state: &mut State, user: UserId, chat: ChatId) {
        let last = state.client(user).views[chat].last;
        let mut items: Vec<Seq> = self.answer(state, chat).into_iter().filter(|seq| *seq > last).collect();
        let limited = items.len() > self.page;
        items.truncate(self.page);
        for seq in items {
            show(state, user, chat, seq);
        }
        if !limited {
            self.attach(state, user, chat);
            self.settle(state, user, chat);
        }
    }

    /// A complete sync: the chat is whole, and what is still open was not stored up to `last`.
    fn settle(&self, state: &mut State, user: UserId, chat: ChatId) {
        let client = state.client_mut(user);
        let view = &mut client.views[chat];
        let after = view.last;
        if let Some(session) = &mut client.session {
            session.out_of_turn[chat] = false;
            if self.readings.no_send_behind_sync || view.whole {
                session.unheard[chat] = false;
            }
        }
        view.whole = true;
        for message in self.messages(user).filter(|m| m.chat == chat) {
            let outgoing = client.outgoing_mut(message.nth);
            if let Outgoing::Open { .. } = outgoing {
                *outgoing = Outgoing::Open { after, may_retry: true };
            }
        }
    }

    /// The position a token given now would hold (R14).
    pub(crate) fn token(&self, state: &State, user: UserId) -> Option<u8> {
        let client = state.client(user);
        let session = client.session.as_ref()?;
        let delivered = self.rules.token_after_delivery;
        let position = if delivered { session.inbox_seen } else { index(client.inbox.len()) };
        (client.token < Some(position)).then_some(position)
    }
}

/// Shows an event, moves `last`, and settles the outbox with it when it is the client's own.
fn show(state: &mut State, user: UserId, chat: ChatId, seq: Seq) {
    let message = state.log[usize::from(seq) - 1].message;
    let client = state.client_mut(user);
    client.views[chat].shown.push(seq);
    client.views[chat].last = seq;
    if message.from == user && !matches!(client.outgoing(message.nth), Outgoing::Acked(_)) {
        *client.outgoing_mut(message.nth) = Outgoing::Acked(seq);
    }
}

/// The connection is gone, and with it every answer that was still to come.
pub(crate) fn disconnect(state: &mut State, user: UserId) {
    let client = state.client_mut(user);
    let Some(session) = client.session.take() else {
        return;
    };
    for outgoing in &mut client.outbox {
        if let Outgoing::Pending { after } | Outgoing::Open { after, .. } = *outgoing {
            *outgoing = Outgoing::Open { after, may_retry: false };
        }
    }
    cool(state, session.gateway);
}

/// A gateway dies and starts again with nothing; what it published may still land.
pub(crate) fn crash(state: &mut State, id: GatewayId, fresh: Gateway) {
    for user in state.users() {
        if state.session_at(user, id).is_some() {
            disconnect(state, user);
        }
    }
    *state.gateway_mut(id) = fresh;
}
