//! A server of a few lines, as the engine sees one: a log, and one session with its turns.
//!
//! It keeps R6 and R7 by the letter and helps with nothing more: an unmarked send that comes a second time and a retry
//! whose `after_seq` is beyond the stored message are stored again, so that a client that is wrong is found out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidings_protocol::client_frame::Send;
use tidings_protocol::limits::Limits;
use tidings_protocol::server_frame::{
    ErrorFrame, EventFrame, Resync, Sent, ServerFrame, Synced, Tick, UnreadSums, Welcome,
};
use tidings_protocol::{
    Body, ChatId, ChatKind, ChatSummary, ClientId, Entry, ErrorCode, Event, EventKind, Newest, Refusal, Retry, Role,
    Seq, SessionId, Timestamp, UserCard, UserId,
};

/// Events in one `synced`.
const PAGE: usize = 3;

pub(super) fn me() -> UserId {
    UserId(uuid::Uuid::from_u128(1))
}

pub(super) fn body(nth: u64) -> Body {
    Body::of(&serde_json::json!({"nth": nth})).unwrap()
}

pub(super) fn event(from: UserId, client_id: Option<ClientId>) -> Event {
    Event::new(EventKind::Message, from, client_id, Timestamp(0), body(0))
}

pub(super) fn summary(id: ChatId, newest: Seq) -> ChatSummary {
    ChatSummary {
        id,
        kind: ChatKind::Group,
        title: None,
        members: 2,
        role: Some(Role::Member),
        newest: Newest { seq: newest, ..Newest::default() },
        read_seq: 0,
        unread: 0,
        muted_until: None,
        left_seq: None,
        with: None,
    }
}

pub(super) fn welcome(chats: Vec<ChatSummary>, resumed: bool, since: &str) -> Welcome {
    Welcome {
        re: 0,
        user: UserCard { id: me(), handle: None, name: "me".to_owned() },
        session: SessionId::generate(),
        server_time: Timestamp(0),
        chats,
        more: None,
        unread: UnreadSums::default(),
        resumed,
        since: Some(since.to_owned()),
        limits: Limits::current(25_000),
        stale: false,
    }
}

/// An event in the log; its place is its `seq`.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) chat: ChatId,
    pub(super) event: Event,
    /// Number of the session that sent it; 0 for others.
    session: u64,
}

/// A send between the gateway and the log.
#[derive(Debug)]
struct Pending {
    re: u64,
    send: Send,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) log: Vec<Stored>,
    /// Copies whose sender is gone or has given up, and the session that sent them; they may land, but never twice, and
    /// those of one chat and session in order (R7).
    limbo: Vec<(VecDeque<Send>, u64)>,
    /// Number of the session.
    session: u64,
    pending: Vec<Pending>,
    /// Stored, and not yet answered.
    acked: Vec<ServerFrame>,
    /// Per chat the refused send that has not come again.
    refused: BTreeMap<ChatId, ClientId>,
    /// What is on its way to the client.
    pub(super) wire: VecDeque<ServerFrame>,
    /// The newest place up to which everything was put on the wire; a token holds it.
    delivered: Seq,
    /// The first place that was lost on its way to this session.
    lost: Option<Seq>,
    /// Chats whose last event was lost.
    holes: BTreeSet<ChatId>,
}

impl Server {
    /// The events of a chat with their places.
    pub(super) fn events(&self, chat: ChatId) -> impl Iterator<Item = (Seq, &Stored)> {
        let placed = (1..).zip(&self.log);
        placed.filter(move |(_, stored)| stored.chat == chat)
    }

    fn newest(&self, chat: ChatId) -> Seq {
        self.events(chat).last().map_or(0, |(seq, _)| seq)
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.acked.is_empty() && self.wire.is_empty()
    }

    /// A new session; `since` is a token as text.
    pub(super) fn connect(&mut self, since: Option<&str>, chats: &[ChatId], resumes: bool) -> Welcome {
        self.session += 1;
        let since: Option<Seq> = since.filter(|_| resumes).map(|since| since.parse().unwrap());
        self.delivered = self.log.len() as Seq;
        self.lost = None;
        self.holes.clear();
        let token = self.delivered.to_string();
        let moved = |chat: &&ChatId| since.is_none_or(|since| self.newest(**chat) > since);
        let lines = chats.iter().filter(moved).map(|chat| summary(*chat, self.newest(*chat))).collect();
        welcome(lines, since.is_some(), &token)
    }

    /// The connection is cut: what is pending may still land.
    pub(super) fn cut(&mut self) {
        self.wire.clear();
        self.acked.clear();
        self.refused.clear();
        let session = self.session;
        let mut chats: BTreeMap<ChatId, VecDeque<Send>> = BTreeMap::new();
        for pending in self.pending.drain(..) {
            chats.entry(pending.send.chat).or_default().push_back(pending.send);
        }
        self.limbo.extend(chats.into_values().map(|sends| (sends, session)));
    }

    /// A request to send.
    pub(super) fn send(&mut self, re: u64, send: Send, final_refusal: bool) {
        let (chat, client_id) = (send.chat, send.client_id);
        if self.refused.get(&chat).is_some_and(|refused| *refused != client_id) {
            return self.refuse(re, ErrorCode::OutOfTurn);
        }
        self.refused.remove(&chat);
        if final_refusal {
            return self.refuse(re, ErrorCode::TooLarge);
        }
        if let Some(after) = send.after_seq.filter(|_| send.retry) {
            let is_it = |(_, stored): &(Seq, &Stored)| stored.event.client_id == Some(client_id);
            let found = self.events(chat).filter(|(seq, _)| *seq > after).find(is_it).map(|(seq, _)| seq);
            if let Some(seq) = found {
                return self.acked.push(sent(re, &send, seq, true));
            }
        }
        self.pending.push(Pending { re, send });
    }

    fn refuse(&mut self, re: u64, code: ErrorCode) {
        self.wire.push_back(ServerFrame::Error(ErrorFrame::of(re, Refusal::new(code, ""))));
    }

    /// The log stores the pending send in place `at` (the first of its chat that is pending).
    pub(super) fn land(&mut self, at: usize, loses: bool) {
        let Some(at) = self.first_of_chat(at) else { return };
        let Pending { re, send } = self.pending.remove(at);
        // The message id catches a copy that landed since this one was looked for.
        let landed = self.limbo_landed(&send);
        let seq = landed.unwrap_or_else(|| self.append(send.chat, me(), Some(send.client_id), self.session, loses));
        self.acked.push(sent(re, &send, seq, landed.is_some()));
    }

    fn limbo_landed(&self, send: &Send) -> Option<Seq> {
        let after = send.after_seq?;
        let is_it = |(_, stored): &(Seq, &Stored)| stored.event.client_id == Some(send.client_id);
        self.events(send.chat).filter(|(seq, _)| *seq > after).find(is_it).map(|(seq, _)| seq)
    }

    fn first_of_chat(&self, at: usize) -> Option<usize> {
        let chat = self.pending.get(at % self.pending.len().max(1))?.send.chat;
        self.pending.iter().position(|pending| pending.send.chat == chat)
    }

    /// The log refuses it, or its outcome is not known; what is behind it is out of turn.
    pub(super) fn fail(&mut self, at: usize, unknown: bool) {
        let Some(at) = self.first_of_chat(at) else { return };
        let Pending { re, send } = self.pending.remove(at);
        let code = if unknown { ErrorCode::OutcomeUnknown } else { ErrorCode::Overloaded };
        self.refuse(re, code);
        self.refused.insert(send.chat, send.client_id);
        let chat = send.chat;
        if unknown {
            self.limbo.push((VecDeque::from([send]), self.session));
        }
        while let Some(at) = self.pending.iter().position(|pending| pending.send.chat == chat) {
            let behind = self.pending.remove(at);
            self.refuse(behind.re, ErrorCode::OutOfTurn);
        }
    }

    /// A copy of before lands, if its message is not there already.
    pub(super) fn land_limbo(&mut self, at: usize) {
        if self.limbo.is_empty() {
            return;
        }
        let at = at % self.limbo.len();
        let session = self.limbo[at].1;
        let Some(send) = self.limbo[at].0.pop_front() else {
            self.limbo.remove(at);
            return;
        };
        let stored = self.log.iter().any(|stored| stored.event.client_id == Some(send.client_id));
        // One that a later message of the same device has passed is past its deadline: void.
        let nth = |client_id: Option<ClientId>| client_id.map_or(0, |client_id| client_id.0.as_u128());
        let mine = self.events(send.chat).filter(|(_, stored)| stored.event.from == me());
        let passed = mine.into_iter().any(|(_, stored)| nth(stored.event.client_id) > nth(Some(send.client_id)));
        if !stored && !passed {
            self.append(send.chat, me(), Some(send.client_id), session, false);
        }
    }

    /// Answers one stored send.
    pub(super) fn answer(&mut self, at: usize) {
        if !self.acked.is_empty() {
            let frame = self.acked.remove(at % self.acked.len());
            self.wire.push_back(frame);
        }
    }

    /// Somebody else writes.
    pub(super) fn other(&mut self, chat: ChatId, loses: bool) {
        self.append(chat, UserId(uuid::Uuid::from_u128(2)), None, 0, loses);
    }

    fn append(&mut self, chat: ChatId, from: UserId, client_id: Option<ClientId>, session: u64, loses: bool) -> Seq {
        let prev = self.newest(chat);
        self.log.push(Stored { chat, event: event(from, client_id), session });
        let seq = self.log.len() as Seq;
        if session == self.session {
            // A gateway hears of its session's own events as well, so it sees the hole before them.
            if self.holes.remove(&chat) {
                self.wire.push_back(ServerFrame::Resync(Resync { chats: Some(vec![chat]) }));
            }
        } else {
            if loses {
                self.lost.get_or_insert(seq);
                self.holes.insert(chat);
            } else {
                self.holes.remove(&chat);
                let event = event(from, client_id);
                self.wire.push_back(ServerFrame::Event(EventFrame { chat, seq, prev, event }));
            }
        }
        if self.lost.is_none() {
            self.delivered = seq;
        }
        seq
    }

    /// The last event of a chat comes once more.
    pub(super) fn repeat(&mut self, chat: ChatId) {
        let Some((seq, stored)) = self.events(chat).last() else { return };
        if stored.session != self.session && self.lost.is_none_or(|lost| lost > seq) {
            let prev = self.events(chat).map(|(seq, _)| seq).filter(|other| *other < seq).last().unwrap_or(0);
            let event = stored.event.clone();
            self.wire.push_back(ServerFrame::Event(EventFrame { chat, seq, prev, event }));
        }
    }

    pub(super) fn sync(&mut self, re: u64, chat: ChatId, after: Seq) {
        let entry = |(seq, stored): (Seq, &Stored)| Entry { seq, prev: None, n: None, event: stored.event.clone() };
        let mut items: Vec<Entry> = self.events(chat).filter(|(seq, _)| *seq > after).map(entry).collect();
        let limited = items.len() > PAGE;
        items.truncate(PAGE);
        if !limited {
            self.refused.remove(&chat);
        }
        self.wire.push_back(ServerFrame::Synced(Synced { re, chat, items, limited, cursor: None }));
    }

    pub(super) fn sync_refused(&mut self, re: u64) {
        assert_eq!(ErrorCode::LogUnavailable.retry(), Retry::Backoff);
        self.refuse(re, ErrorCode::LogUnavailable);
    }

    /// A newer token, which holds only what was put on the wire.
    pub(super) fn tick(&mut self) {
        self.wire.push_back(ServerFrame::Tick(Tick { since: self.delivered.to_string() }));
    }
}

fn sent(re: u64, send: &Send, seq: Seq, duplicate: bool) -> ServerFrame {
    let (chat, client_id) = (send.chat, send.client_id);
    ServerFrame::Sent(Sent { re, chat, client_id, seq, at: Timestamp(0), duplicate })
}
