//! Connected users: their sessions, their inbox, and what a pointer makes of it (R14, R15).
//!
//! It protects the resume token: a session's token moves past an inbox event only when everything that the event covers
//! is in the session's queue.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use tidings_nats::Subject;
use tidings_nats::live::LiveSubject;
use tidings_protocol::inbox::InboxKind;
use tidings_protocol::{ChatId, CloseCode, Pointer, Seq, SessionId, UserId};

use super::event::InboxItem;
use super::hub::{Hub, RECHECK_AFTER, SessionEntry};
use super::jobs::Run;
use super::progress::{InboxPlace, InboxProgress};
use super::tail::{Fed, Tail};
use crate::session::shared::SessionShared;

/// Inbox events held for one session while its `welcome` is made. More means "too slow": it comes again.
pub(super) const HELD_ITEMS: usize = 1_000;
/// Inbox events of one session that may wait to be delivered in full. More means "too slow".
const OPEN_ITEMS: usize = 10_000;

/// A user with a session here.
#[derive(Debug)]
pub(super) struct OnlineUser {
    sessions: Vec<SessionId>,
    /// `None` until the first session's `welcome` says where the inbox stands; what comes live before is in `early`.
    tail: Option<Tail<InboxItem>>,
    /// At most [`HELD_ITEMS`]; what is dropped above it is read from the log.
    early: Vec<InboxItem>,
}

impl Hub {
    pub(super) fn register(&mut self, shared: Arc<SessionShared>) -> Seq {
        let (session, user) = (shared.id, shared.user);
        let entry = SessionEntry { shared, progress: None, held: Vec::new(), chats: Vec::new() };
        self.sessions.entries.insert(session, entry);
        let new = !self.users.contains_key(&user);
        let online =
            self.users.entry(user).or_insert(OnlineUser { sessions: Vec::new(), tail: None, early: Vec::new() });
        online.sessions.push(session);
        let seen = online.tail.as_ref().map_or(0, Tail::last);
        if new {
            if let Err(error) = self.live.subscribe(LiveSubject::User(user)) {
                tracing::error!(%user, error = &error as &dyn std::error::Error, "could not subscribe to a user");
            }
            self.rechecks.push_back((Instant::now() + RECHECK_AFTER, Subject::inbox(user)));
        }
        self.count_users();
        seen
    }

    pub(super) fn close(&mut self, session: SessionId) {
        let Some(entry) = self.sessions.entries.remove(&session) else { return };
        for chat in entry.chats {
            self.warmth.caught_up.remove(&(chat, session));
            self.with_chat(chat, |warm, _| {
                warm.detach(session);
                super::warm::Todo::default()
            });
        }
        let user = entry.shared.user;
        if let Some(online) = self.users.get_mut(&user) {
            online.sessions.retain(|other| *other != session);
            if online.sessions.is_empty() {
                self.users.remove(&user);
                self.live.unsubscribe(LiveSubject::User(user));
            }
        }
        self.count_users();
    }

    fn count_users(&self) {
        self.counters.users.set(self.users.len() as u64);
        self.counters.sessions.set(self.sessions.entries.len() as u64);
    }

    /// A session's `welcome` is in its queue.
    pub(super) fn joined(&mut self, session: SessionId, place: InboxPlace, attach: Vec<(ChatId, Seq)>) {
        let Some(entry) = self.sessions.entries.get_mut(&session) else { return };
        entry.progress = Some(InboxProgress::new(place));
        entry.shared.move_since(place);
        let held = std::mem::take(&mut entry.held);
        let user = entry.shared.user;
        for (chat, from) in attach {
            self.attach(session, chat, from, None);
        }
        for item in held.into_iter().filter(|item| item.seq > place.seq) {
            self.deliver_to(user, &[session], &item);
        }
        let Some(online) = self.users.get_mut(&user) else { return };
        if online.tail.is_none() {
            online.tail = Some(Tail::new(place.seq));
            let early = std::mem::take(&mut online.early);
            // What was dropped here is newer than what was kept, so the last kept one's successor shows the hole; the
            // recheck of the new subscription finds it if nothing follows.
            for item in early {
                self.feed_inbox(user, |tail| tail.live(item));
            }
        } else {
            self.inbox_announced(user, place.seq);
        }
    }

    /// An inbox event came live.
    pub(super) fn inbox_live(&mut self, user: UserId, item: InboxItem) {
        let Some(online) = self.users.get_mut(&user) else { return };
        if online.tail.is_none() {
            if online.early.len() < HELD_ITEMS {
                online.early.push(item);
            }
            return;
        }
        self.feed_inbox(user, |tail| tail.live(item));
    }

    /// The newest event of an inbox in the stream is `newest`.
    pub(super) fn inbox_announced(&mut self, user: UserId, newest: Seq) {
        let behind =
            self.users.get(&user).and_then(|online| online.tail.as_ref()).is_some_and(|tail| tail.last() < newest);
        if behind {
            self.counters.tails_behind.add(1);
            self.feed_inbox(user, |tail| tail.announced(newest));
        }
    }

    /// An inbox's log read is done.
    pub(super) fn inbox_read(&mut self, user: UserId, run: Option<Run<InboxItem>>) {
        self.feed_inbox(user, |tail| match run {
            Some(run) => tail.repaired(run.events, run.complete),
            None => tail.retry(),
        });
    }

    fn feed_inbox(&mut self, user: UserId, step: impl FnOnce(&mut Tail<InboxItem>) -> Fed<InboxItem>) {
        let Some(online) = self.users.get_mut(&user) else { return };
        let Some(tail) = online.tail.as_mut() else { return };
        let fed = step(tail);
        let wanted = tail.wanted();
        let sessions = online.sessions.clone();
        if let Some(after) = fed.read_after {
            self.counters.repairs.add(1);
            self.jobs.read_inbox(user, after, wanted);
        }
        for item in fed.ready {
            self.hold_or_deliver(user, &sessions, item);
        }
    }

    /// Sessions whose `welcome` is still being made get the event afterwards.
    fn hold_or_deliver(&mut self, user: UserId, sessions: &[SessionId], item: InboxItem) {
        let mut joined = Vec::with_capacity(sessions.len());
        for session in sessions {
            let Some(entry) = self.sessions.entries.get_mut(session) else { continue };
            if entry.progress.is_some() {
                joined.push(*session);
            } else if entry.held.len() < HELD_ITEMS {
                entry.held.push(item.clone());
            } else {
                entry.shared.queue.close(CloseCode::TooSlow);
            }
        }
        self.deliver_to(user, &joined, &item);
    }

    /// One inbox event for sessions that have their `welcome`.
    fn deliver_to(&mut self, user: UserId, sessions: &[SessionId], item: &InboxItem) {
        let place = InboxPlace { seq: item.seq, time_ms: item.time_ms };
        for session in sessions {
            let Some(entry) = self.sessions.entries.get_mut(session) else { continue };
            let Some(progress) = &mut entry.progress else { continue };
            if progress.waiting() >= OPEN_ITEMS {
                entry.shared.queue.close(CloseCode::TooSlow);
            } else {
                progress.open(place);
            }
        }
        match item.event.as_ref().filter(|_| !item.void).map(|event| &event.kind) {
            Some(InboxKind::Pointer(pointer)) => self.pointer(user, sessions, item.seq, pointer),
            Some(InboxKind::Read(read)) if sessions.iter().any(|session| Some(*session) != item.origin) => {
                self.jobs.read_moved(user, item.seq, read.chat, item.origin);
            }
            _ => {
                for session in sessions {
                    self.settle(*session, item.seq);
                }
            }
        }
    }

    /// A chat moved. A session that is attached only needs the chat to have come as far; one that is not is attached
    /// where the pointer's range begins.
    fn pointer(&mut self, user: UserId, sessions: &[SessionId], inbox_seq: Seq, pointer: &Pointer) {
        let warm = self.chats.get(&pointer.chat);
        let all_attached = warm.is_some_and(|warm| sessions.iter().all(|session| warm.has(*session)));
        if all_attached && !pointer.chat_changed {
            for session in sessions {
                self.wait(*session, inbox_seq, pointer);
            }
        } else {
            self.jobs.place(user, inbox_seq, Box::new(pointer.clone()), !all_attached);
        }
    }

    fn wait(&mut self, session: SessionId, inbox_seq: Seq, pointer: &Pointer) {
        let need = pointer.left_seq.unwrap_or(pointer.seq);
        if self.chats.contains_key(&pointer.chat) {
            self.with_chat(pointer.chat, |warm, push| warm.wait(session, inbox_seq, need, push));
        } else {
            self.settle(session, inbox_seq);
        }
    }

    /// Where a pointer's range begins is known, and its list line made.
    pub(super) fn placed(
        &mut self,
        user: UserId,
        inbox_seq: Seq,
        pointer: &Pointer,
        from: Seq,
        line: Option<Utf8Bytes>,
    ) {
        let Some(online) = self.users.get(&user) else { return };
        for session in online.sessions.clone() {
            let Some(entry) = self.sessions.entries.get(&session) else { continue };
            if entry.progress.as_ref().is_none_or(|progress| !progress.is_open(inbox_seq)) {
                continue;
            }
            if let Some(line) = &line {
                entry.shared.push(line.clone());
            }
            if !entry.chats.contains(&pointer.chat) {
                self.attach(session, pointer.chat, from, pointer.left_seq);
            }
            self.wait(session, inbox_seq, pointer);
        }
    }

    /// A list line after a read position moved.
    pub(super) fn line(&mut self, user: UserId, inbox_seq: Seq, except: Option<SessionId>, line: Option<Utf8Bytes>) {
        let Some(online) = self.users.get(&user) else { return };
        for session in online.sessions.clone() {
            if let (Some(line), Some(entry)) = (&line, self.sessions.entries.get(&session))
                && Some(session) != except
                && entry.progress.as_ref().is_some_and(|progress| progress.is_open(inbox_seq))
            {
                entry.shared.push(line.clone());
            }
            self.settle(session, inbox_seq);
        }
    }

    /// An inbox event is delivered to a session in full: its token may move.
    pub(super) fn settle(&mut self, session: SessionId, inbox_seq: Seq) {
        let Some(entry) = self.sessions.entries.get_mut(&session) else { return };
        if let Some(place) = entry.progress.as_mut().and_then(|progress| progress.settle(inbox_seq)) {
            entry.shared.move_since(place);
        }
    }
}
