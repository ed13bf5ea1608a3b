//! Warm and cold (R7): when a chat gets its subscription, who is attached to it, and when it goes cold again.
//!
//! A chat is warm while a session of this gateway is attached to it. Beyond the bound the least recently used goes cold
//! after a last look at its tail, so that nothing published before the subscription ends is missed; its sessions learn
//! of later events by their users' pointers (R15).

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use tidings_nats::Subject;
use tidings_nats::live::LiveSubject;
use tidings_protocol::server_frame::{Resync, ServerFrame};
use tidings_protocol::{ChatId, Seq, SessionId};

use super::event::ChatEvent;
use super::hub::{Hub, RECHECK_AFTER, Sessions};
use super::jobs::Run;
use super::warm::{Todo, WarmChat};

/// Events that a session is caught up by in pushes. A session further behind is told to sync.
const CATCH_UP_EVENTS: usize = 1_000;

/// When warm chats were used last, and which are on their way to cold.
#[derive(Debug, Default)]
pub(super) struct Warmth {
    /// Seconds of use, coarse, so that a busy chat costs one change a second.
    by_use: BTreeSet<(u64, ChatId)>,
    used_at: HashMap<ChatId, u64>,
    started: Option<Instant>,
    /// Chats with a last look under way.
    cooling: BTreeSet<ChatId>,
    /// Events already pushed in the catch-up of a session that takes several reads.
    pub(super) caught_up: HashMap<(ChatId, SessionId), usize>,
}

impl Warmth {
    pub(super) fn used(&mut self, chat: ChatId) {
        let now = self.started.get_or_insert_with(Instant::now).elapsed().as_secs();
        if let Some(used) = self.used_at.get_mut(&chat).filter(|used| **used < now) {
            self.by_use.remove(&(*used, chat));
            self.by_use.insert((now, chat));
            *used = now;
        }
    }

    fn add(&mut self, chat: ChatId) {
        let now = self.started.get_or_insert_with(Instant::now).elapsed().as_secs();
        self.used_at.insert(chat, now);
        self.by_use.insert((now, chat));
    }

    fn remove(&mut self, chat: ChatId) {
        if let Some(used) = self.used_at.remove(&chat) {
            self.by_use.remove(&(used, chat));
        }
        self.cooling.remove(&chat);
    }

    /// The least recently used chats above `bound` that are not cooling yet.
    fn surplus(&self, bound: usize) -> Vec<ChatId> {
        let surplus = self.used_at.len().saturating_sub(bound + self.cooling.len());
        self.by_use.iter().map(|(_, chat)| *chat).filter(|chat| !self.cooling.contains(chat)).take(surplus).collect()
    }
}

impl Hub {
    /// Attaches a session that has everything of `chat` up to `from`.
    pub(super) fn attach(&mut self, session: SessionId, chat: ChatId, from: Seq, until: Option<Seq>) {
        let Some(entry) = self.sessions.entries.get_mut(&session) else { return };
        let user = entry.shared.user;
        if !entry.chats.contains(&chat) {
            entry.chats.push(chat);
        }
        let new = !self.chats.contains_key(&chat);
        if new {
            self.warm_up(chat, from);
        }
        self.warmth.cooling.remove(&chat);
        self.warmth.used(chat);
        self.with_chat(chat, |warm, push| warm.attach(session, user, from, until, push));
        if new {
            let read_after = self.chats.get_mut(&chat).and_then(|warm| warm.begin(&mut self.sessions).read_after);
            if let Some(after) = read_after {
                self.jobs.read_chat(chat, after, after, true);
            }
        }
    }

    fn warm_up(&mut self, chat: ChatId, from: Seq) {
        if let Err(error) = self.live.subscribe(LiveSubject::Chat(chat)) {
            // The sweep still finds what is missed; the reader's own log says why.
            tracing::error!(%chat, error = &error as &dyn std::error::Error, "could not subscribe to a chat");
        }
        self.chats.insert(chat, WarmChat::new(chat, from));
        self.warmth.add(chat);
        self.rechecks.push_back((Instant::now() + RECHECK_AFTER, Subject::chat(chat)));
        self.counters.warmed.add(1);
        self.counters.warm_chats.set(self.chats.len() as u64);
    }

    fn go_cold(&mut self, chat: ChatId) {
        let Some(warm) = self.chats.remove(&chat) else { return };
        for session in warm.sessions() {
            if let Some(entry) = self.sessions.entries.get_mut(&session) {
                entry.chats.retain(|attached| *attached != chat);
            }
        }
        self.live.unsubscribe(LiveSubject::Chat(chat));
        self.members.close(chat);
        self.warmth.remove(chat);
        self.counters.cooled.add(1);
        self.counters.warm_chats.set(self.chats.len() as u64);
    }

    /// Starts the last look at the tails of the least recently used chats above the bound.
    pub(super) fn cool_surplus(&mut self) {
        for chat in self.warmth.surplus(self.settings.warm_chats) {
            self.warmth.cooling.insert(chat);
            self.with_chat(chat, WarmChat::begin);
        }
    }

    /// Lets `step` change a warm chat and does what follows from it.
    pub(super) fn with_chat(&mut self, chat: ChatId, step: impl FnOnce(&mut WarmChat, &mut Sessions) -> Todo) {
        let Some(warm) = self.chats.get_mut(&chat) else { return };
        let before = self.counters.deliveries.get();
        let shown_before = warm.last();
        let todo = step(warm, &mut self.sessions);
        if warm.last() != shown_before || self.counters.deliveries.get() != before {
            self.warmth.used(chat);
        }
        self.follow_up(chat, todo);
    }

    fn follow_up(&mut self, chat: ChatId, todo: Todo) {
        let wanted = self.chats.get(&chat).map_or(0, WarmChat::wanted);
        if let Some(after) = todo.read_after {
            self.counters.repairs.add(1);
            self.jobs.read_chat(chat, after, wanted, false);
        }
        for catch_up in todo.catch_ups {
            self.counters.catch_ups.add(1);
            let at_least = self.chats.get(&chat).map_or(0, WarmChat::last);
            self.jobs.read_for_session(chat, catch_up.session, catch_up.after, at_least);
        }
        self.counters.encodes.add(todo.encoded);
        for (seq, event) in &todo.changes {
            self.members.apply(chat, *seq, event);
        }
        for session in todo.detached {
            if let Some(entry) = self.sessions.entries.get_mut(&session) {
                entry.chats.retain(|attached| *attached != chat);
            }
        }
        for (session, inbox_seq) in todo.settled {
            self.settle(session, inbox_seq);
        }
        let Some(warm) = self.chats.get(&chat) else { return };
        if warm.is_unused() || (self.warmth.cooling.contains(&chat) && warm.is_settled()) {
            self.go_cold(chat);
        } else if warm.is_settled() {
            self.members.open(chat, warm.last());
        }
    }

    /// A warm chat's log read is done.
    pub(super) fn chat_read(&mut self, chat: ChatId, run: Option<Run<ChatEvent>>) {
        self.with_chat(chat, |warm, push| match run {
            Some(run) => warm.repaired(run.events, run.complete, push),
            None => warm.retry(push),
        });
    }

    /// A single session's log read is done.
    pub(super) fn session_read(&mut self, chat: ChatId, session: SessionId, after: Seq, run: Option<Run<ChatEvent>>) {
        let Some(run) = run else {
            if self.chats.get(&chat).is_some_and(|warm| warm.has(session)) {
                let at_least = self.chats.get(&chat).map_or(0, WarmChat::last);
                self.jobs.read_for_session(chat, session, after, at_least);
            }
            return;
        };
        let pushed = self.warmth.caught_up.remove(&(chat, session)).unwrap_or(0) + run.events.len();
        if !run.complete && pushed >= CATCH_UP_EVENTS {
            self.park(chat, session);
            return;
        }
        if !run.complete {
            self.warmth.caught_up.insert((chat, session), pushed);
        }
        self.with_chat(chat, |warm, push| warm.caught_up(session, &run.events, run.complete, push));
    }

    /// Tells a session that is too far behind to sync the chat.
    fn park(&mut self, chat: ChatId, session: SessionId) {
        self.counters.resyncs.add(1);
        if let Some(warm) = self.chats.get_mut(&chat) {
            warm.park(session);
        }
        let resync = ServerFrame::Resync(Resync { chats: Some(vec![chat]) });
        if let (Some(entry), Ok(frame)) = (self.sessions.entries.get(&session), resync.encode()) {
            entry.shared.push(Utf8Bytes::from(frame));
        }
    }
}
