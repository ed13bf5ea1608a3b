//! Live delivery: pointers, warm chats, republished copies, tail checks (R2, R8, R15).
//!
//! What it protects: an attached session gets every event of the chat, in order, though republished
//! copies drop and come twice. It never shows a void event, and never sends a session's own event
//! back to it live.

use crate::lookup::index;
use crate::setup::Setup;
use crate::state::{ChatId, GatewayId, Pointer, Seq, State, UserId};

impl Setup {
    /// The pointers worker closes a window of a chat: one pointer to each member's inbox.
    pub(crate) fn point(&self, state: &mut State, chat: ChatId) {
        let from = state.pointed[chat];
        let seq = state.tail(chat);
        let mut moved = state.events().filter(|(_, stored)| stored.message.chat == chat);
        let first = moved.find(|(at, _)| *at > from).map_or(seq, |(at, _)| at);
        drop(moved);
        state.pointed[chat] = seq;
        for client in &mut state.clients {
            client.inbox.push(Pointer { chat, first, seq });
            let position = index(client.inbox.len());
            if let Some(session) = &mut client.session {
                session.inbox_live.push(position);
            }
        }
    }

    /// A republished inbox event reaches the user's gateway (R2 holds for inboxes, too).
    pub(crate) fn receive_pointer(&self, state: &mut State, user: UserId) {
        let Some(session) = state.client_mut(user).session.as_mut() else {
            return;
        };
        let position = session.inbox_live.remove(0);
        let seen = session.inbox_seen;
        let first = if self.rules.gap_rule { seen + 1 } else { position };
        self.read_inbox(state, user, first, position);
    }

    /// R8 for an inbox: what its tail shows and no copy brought.
    pub(crate) fn check_inbox(&self, state: &mut State, user: UserId) {
        let Some(seen) = state.client(user).session.as_ref().map(|s| s.inbox_seen) else {
            return;
        };
        let tail = index(state.client(user).inbox.len());
        self.read_inbox(state, user, seen + 1, tail);
    }

    /// Whether the inbox holds pointers its user's gateway has not delivered.
    pub(crate) fn inbox_behind(&self, state: &State, user: UserId) -> bool {
        let client = state.client(user);
        let readable = self.rules.tail_check && self.rules.pointers_in_log;
        readable && client.session.as_ref().is_some_and(|s| usize::from(s.inbox_seen) < client.inbox.len())
    }

    fn read_inbox(&self, state: &mut State, user: UserId, first: u8, last: u8) {
        for position in first..=last {
            self.wake(state, user, state.client(user).inbox[usize::from(position) - 1]);
            if let Some(session) = &mut state.client_mut(user).session {
                session.inbox_seen = session.inbox_seen.max(position);
            }
        }
    }

    /// A pointer attaches its user's session: the log from `first` to the tail, then what is live.
    /// One that was delivered already is dropped (R15's free tail check).
    fn wake(&self, state: &mut State, user: UserId, pointer: Pointer) {
        let Some(session) = state.client(user).session.as_ref() else {
            return;
        };
        let from = match session.attached[pointer.chat] {
            Some(at) if at >= pointer.seq => return,
            Some(at) => at,
            None => pointer.first - 1,
        };
        let frames = frames(state, pointer.chat, from);
        for (seq, prev) in frames {
            self.event(state, user, pointer.chat, seq, prev);
        }
        self.attach(state, user, pointer.chat);
    }

    /// A republished copy reaches a gateway.
    pub(crate) fn receive(&self, state: &mut State, id: GatewayId) {
        let seq = state.gateway_mut(id).live.remove(0);
        let chat = state.log[usize::from(seq) - 1].message.chat;
        let Some(last) = state.gateway(id).warm[chat] else {
            return;
        };
        if !self.rules.gap_rule {
            let only = frames(state, chat, seq - 1).into_iter().take(1).collect();
            return self.deliver(state, id, chat, only, seq);
        }
        if seq <= last {
            return;
        }
        let gap = state.before(chat, seq) > last;
        let mut frames = frames(state, chat, if gap { last } else { seq - 1 });
        frames.retain(|(at, _)| *at <= seq);
        self.deliver(state, id, chat, frames, seq);
    }

    /// Whether a warm chat's tail is ahead of what the gateway delivered.
    pub(crate) fn chat_behind(&self, state: &State, id: GatewayId, chat: ChatId) -> bool {
        let warm = state.gateway(id).warm[chat];
        self.rules.tail_check && warm.is_some_and(|last| last < state.tail(chat))
    }

    /// R8 for a chat: reads what its tail shows and no copy brought.
    pub(crate) fn check_tail(&self, state: &mut State, id: GatewayId, chat: ChatId) {
        let Some(last) = state.gateway(id).warm[chat] else {
            return;
        };
        self.deliver(state, id, chat, frames(state, chat, last), state.tail(chat));
    }

    /// The same frames to every attached session; the chat is delivered up to `last` then.
    fn deliver(&self, state: &mut State, id: GatewayId, chat: ChatId, frames: Vec<(Seq, Seq)>, last: Seq) {
        state.gateway_mut(id).warm[chat] = Some(last);
        for user in state.users() {
            let Some(session) = state.session_at(user, id) else {
                continue;
            };
            let Some(at) = session.attached[chat] else {
                continue;
            };
            session.attached[chat] = Some(at.max(last));
            let own = session.own.clone();
            for &(seq, prev) in &frames {
                let message = state.log[usize::from(seq) - 1].message;
                let sent_here = message.from == user && own.contains(&message.nth);
                let had = self.rules.gap_rule && seq <= at;
                if !sent_here && !had {
                    self.event(state, user, chat, seq, prev);
                }
            }
        }
    }

    /// The session has the chat up to the tail and gets what is live from there on; the chat is warm.
    pub(crate) fn attach(&self, state: &mut State, user: UserId, chat: ChatId) {
        let tail = state.tail(chat);
        let Some(session) = state.client_mut(user).session.as_mut().filter(|_| self.live) else {
            return;
        };
        session.attached[chat] = Some(tail);
        let gateway = session.gateway;
        state.gateway_mut(gateway).warm[chat].get_or_insert(tail);
    }
}

/// What a gateway sends of a chat after `from`: `seq` and `prev` of each event that is not void.
fn frames(state: &State, chat: ChatId, from: Seq) -> Vec<(Seq, Seq)> {
    let newer = state.valid(chat).filter(|(seq, _)| *seq > from);
    newer.map(|(seq, _)| (seq, state.prev(chat, seq))).collect()
}

/// Chats nobody here is attached to any more go cold.
pub(crate) fn cool(state: &mut State, id: GatewayId) {
    for chat in state.chats() {
        let watched = state.clients.iter().filter_map(|client| client.session.as_ref());
        let mut watched = watched.filter(|session| session.gateway == id);
        if watched.any(|session| session.attached[chat].is_some()) {
            continue;
        }
        let events: Vec<Seq> = state.events().filter(|(_, s)| s.message.chat == chat).map(|(at, _)| at).collect();
        let gateway = state.gateway_mut(id);
        gateway.warm[chat] = None;
        gateway.live.retain(|seq| !events.contains(seq));
    }
}
