//! What the server says after `welcome`, frame by frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tidings_protocol::server_frame::{ErrorFrame, EventFrame, Resync, Sent, ServerFrame, Synced};
use tidings_protocol::sync::Step;
use tidings_protocol::{ChatId, ErrorCode, Event, Refusal, Retry, Seq};

use super::chat::Arrived;
use super::{Action, Asked, Engine, Taken};
use crate::event::{ClientEvent, Stored};

impl Engine {
    /// Takes a frame in.
    pub(crate) fn frame(&mut self, frame: ServerFrame, now: Instant) -> Taken {
        let mut taken = Taken::Done;
        match frame {
            ServerFrame::Event(event) => self.event(event),
            ServerFrame::Sent(sent) => self.sent(sent),
            ServerFrame::Synced(synced) => self.synced(synced),
            ServerFrame::Error(error) => taken = self.error(error, now),
            ServerFrame::Chat(line) => {
                self.since = line.since.or(self.since.take());
                self.learn(&line.chat);
                self.tell(ClientEvent::Chat(line.chat));
            }
            ServerFrame::Resync(resync) => self.resync(resync),
            ServerFrame::Tick(tick) => self.since = Some(tick.since),
            ServerFrame::Drain(drain) => {
                self.draining();
                let wait = Duration::from_millis(drain.reconnect_after_ms);
                taken = Taken::Drain(wait, Duration::from_millis(drain.window_ms));
            }
            ServerFrame::Pong(pong) => {
                self.since = pong.since.clone().or(self.since.take());
                taken = Taken::Answer(pong.re, Box::new(ServerFrame::Pong(pong)));
            }
            ServerFrame::Page(page) => taken = Taken::Answer(page.re, Box::new(ServerFrame::Page(page))),
            ServerFrame::ChatList(list) => {
                list.chats.iter().for_each(|line| self.learn(line));
                taken = Taken::Answer(list.re, Box::new(ServerFrame::ChatList(list)));
            }
            ServerFrame::Ok(done) => taken = Taken::Answer(done.re, Box::new(ServerFrame::Ok(done))),
            ServerFrame::Welcome(welcome) => taken = Taken::Answer(welcome.re, Box::new(ServerFrame::Welcome(welcome))),
        }
        self.go_on(now);
        taken
    }

    fn event(&mut self, frame: EventFrame) {
        let EventFrame { chat, seq, prev, event } = frame;
        let state = self.chats.entry(chat).or_default();
        let steps = state.sync.event(seq, prev, Arrived { prev: Some(prev), event });
        self.follow(chat, steps);
    }

    fn sent(&mut self, sent: Sent) {
        let Some(Asked::Send { chat: id, number }) = self.answered(sent.re) else { return };
        let Some(chat) = self.chats.get_mut(&id) else { return };
        chat.send_refusals = 0;
        let entry = chat.outbox.settle(number);
        let steps = chat.sync.send_settled(number, Some(sent.seq));
        if entry.is_some() {
            let Sent { chat, client_id, seq, at, duplicate, .. } = sent;
            self.actions.push(Action::Settled(client_id, Ok(Stored { chat, client_id, seq, at, duplicate })));
        }
        self.follow(id, steps);
        self.turn(id);
    }

    fn synced(&mut self, synced: Synced) {
        let Some(Asked::Sync { chat: id }) = self.answered(synced.re) else { return };
        let Some(chat) = self.chats.get_mut(&id) else { return };
        chat.sync_refusals = 0;
        let entries = synced.items.into_iter();
        let items = entries.map(|entry| (entry.seq, Arrived { prev: entry.prev, event: entry.event })).collect();
        let steps = chat.sync.synced(items, synced.limited);
        self.follow(id, steps);
        let Some(chat) = self.chats.get_mut(&id).filter(|chat| chat.sync.may_send()) else { return };
        let last = chat.sync.last().unwrap_or(0);
        chat.outbox.synced(last);
        self.tell(ClientEvent::Resynced { chat: id, last });
        self.turn(id);
    }

    fn resync(&mut self, resync: Resync) {
        let chats = resync.chats.unwrap_or_else(|| self.chats.keys().copied().collect());
        for id in chats {
            let steps = self.chats.entry(id).or_default().sync.distrust();
            self.follow(id, steps);
        }
    }

    fn error(&mut self, error: ErrorFrame, now: Instant) -> Taken {
        let Some(asked) = self.answered(error.re) else {
            return Taken::Answer(error.re, Box::new(ServerFrame::Error(error)));
        };
        let retry = error.retry;
        match asked {
            Asked::Send { chat, number } => self.send_refused(chat, number, error, now),
            Asked::Sync { chat } => self.sync_refused(chat, error, now),
        }
        if retry == Retry::RefreshToken { Taken::NewToken } else { Taken::Done }
    }

    fn send_refused(&mut self, id: ChatId, number: u64, error: ErrorFrame, now: Instant) {
        let Some(chat) = self.chats.get_mut(&id) else { return };
        if error.retry == Retry::Never {
            let steps = chat.sync.send_settled(number, None);
            if let Some(entry) = chat.outbox.settle(number) {
                self.actions.push(Action::Settled(entry.client_id, Err(refusal(error))));
            }
            self.follow(id, steps);
            self.turn(id);
            return;
        }
        // `after_sync` says that it may be stored, or that an earlier one comes first; the rest that it is not.
        let ready = matches!(error.retry, Retry::Now | Retry::Backoff);
        chat.outbox.reopen(number, ready);
        if error.code != ErrorCode::OutOfTurn {
            let at_least = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
            // One `after_sync` is no reason to wait: the sync is. Several in a row are.
            if error.retry == Retry::Backoff || chat.send_refusals > 1 {
                let until = now + self.jitter.backoff(chat.send_refusals, at_least);
                chat.pause_until = Some(until);
                self.alarms.insert((until, id));
            }
            chat.send_refusals = chat.send_refusals.saturating_add(1);
        }
        let steps = chat.sync.send_reopened(number);
        self.follow(id, steps);
        if !ready {
            let steps = self.chats.get_mut(&id).map(|chat| chat.sync.ask()).unwrap_or_default();
            self.follow(id, steps);
        }
        self.turn(id);
    }

    fn sync_refused(&mut self, id: ChatId, error: ErrorFrame, now: Instant) {
        let Some(chat) = self.chats.get_mut(&id) else { return };
        if error.retry == Retry::Never {
            // Not for us: nothing of it will come, and what is open cannot be settled otherwise.
            let Some(mut chat) = self.chats.remove(&id) else { return };
            let refusal = refusal(error);
            for entry in chat.outbox.drain() {
                self.actions.push(Action::Settled(entry.client_id, Err(refusal.clone())));
            }
            return;
        }
        chat.sync.sync_refused();
        let at_least = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
        let until = now + self.jitter.backoff(chat.sync_refusals, at_least);
        chat.sync_refusals = chat.sync_refusals.saturating_add(1);
        chat.sync_again = Some(until);
        self.alarm(id, until);
        self.turn(id);
    }

    /// The request that this answers, if it is the engine's.
    fn answered(&mut self, re: u64) -> Option<Asked> {
        let asked = self.asked.remove(&re)?;
        let queue = match asked {
            Asked::Send { .. } => {
                self.sends_in_flight -= 1;
                &mut self.sends_until
            }
            Asked::Sync { .. } => {
                self.syncs_in_flight -= 1;
                &mut self.syncs_until
            }
        };
        while queue.front().is_some_and(|(_, id)| !self.asked.contains_key(id)) {
            queue.pop_front();
        }
        Some(asked)
    }

    /// Does what the gap rule says. An own event settles its message, which may let more events through.
    pub(super) fn follow(&mut self, id: ChatId, steps: Vec<Step<Arrived>>) {
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Deliver(seq, Arrived { prev, event }) => {
                    steps.extend(self.settle_own(id, seq, &event));
                    self.tell(ClientEvent::Event { chat: id, seq, prev, event });
                }
                Step::Sync { after } => {
                    let first = self.chats.get(&id).is_some_and(|chat| !chat.outbox.is_empty());
                    if first { self.syncs.push_front((id, after)) } else { self.syncs.push_back((id, after)) }
                }
            }
        }
    }

    fn settle_own(&mut self, id: ChatId, seq: Seq, event: &Event) -> Vec<Step<Arrived>> {
        let (Some(me), Some(chat)) = (self.me, self.chats.get_mut(&id)) else { return Vec::new() };
        let Some(client_id) = event.client_id.filter(|_| event.from == me) else { return Vec::new() };
        let Some(number) = chat.outbox.number_of(client_id) else { return Vec::new() };
        chat.outbox.settle(number);
        let stored = Stored { chat: id, client_id, seq, at: event.at, duplicate: true };
        self.actions.push(Action::Settled(client_id, Ok(stored)));
        chat.sync.send_settled(number, Some(seq))
    }
}

fn refusal(error: ErrorFrame) -> Refusal {
    Refusal { code: error.code, message: error.message, retry_after_ms: error.retry_after_ms }
}
