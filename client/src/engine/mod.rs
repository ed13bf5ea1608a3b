//! The client's mind, without a socket: what it knows of its chats, what it has to send, and what it says next.
//!
//! It protects the contract on the client's side: what is told to the app is each chat's log, each event once, in
//! order, without a hole (the gap rule, [`tidings_protocol::sync`]), and each own message is stored once, in order
//! (the outbox). Frames, the clock and commands go in; requests, events and outcomes come out ([`Action`]). It does no
//! I/O and looks at no clock, so that tests can drive it through any order of losses, refusals and reconnects.
//!
//! Bounds: [`SENDS_IN_FLIGHT`] and [`SYNCS_IN_FLIGHT`] requests at once (a gateway takes 64 of one session); what waits
//! is bounded by the caller (the outbox) and by the number of chats.

mod answers;
mod chat;
mod outbox;
#[cfg(test)]
mod tests;
mod welcome;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use tidings_protocol::client_frame::{Command, Request, Sync};
use tidings_protocol::server_frame::ServerFrame;
use tidings_protocol::{Body, ChatId, ChatSummary, ClientId, Refusal, Seq, UserId};

use self::chat::Chat;
use crate::backoff::Jitter;
use crate::event::{ClientEvent, Resume, Stored};

/// Own sends under way at once.
pub(crate) const SENDS_IN_FLIGHT: usize = 48;
/// Syncs under way at once; the other chats that want one wait.
pub(crate) const SYNCS_IN_FLIGHT: usize = 8;
/// A `sync` that has no answer for so long will have none: the connection is given up.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for a `send`: a gateway answers before the dedupe window (2 minutes) is half over.
const SEND_TIMEOUT: Duration = Duration::from_secs(90);

/// What the engine wants done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Write this request.
    Ask(Request),
    /// Tell the app.
    Tell(ClientEvent),
    /// A message has its outcome.
    Settled(ClientId, Result<Stored, Refusal>),
}

/// What a frame means for the connection.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Nothing more.
    Done,
    /// An answer to a request that is not the engine's.
    Answer(u64, Box<ServerFrame>),
    /// Go elsewhere, after this, spread over that much more.
    Drain(Duration, Duration),
    /// The access token is no longer taken.
    NewToken,
}

/// A request of the engine that has no answer yet.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Send { chat: ChatId, number: u64 },
    Sync { chat: ChatId },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Who we are; `None` before the first welcome.
    me: Option<UserId>,
    /// The newest resume token.
    since: Option<String>,
    /// Everything known of each chat; kept over reconnects.
    chats: BTreeMap<ChatId, Chat>,
    /// Requests go out only between `welcome` and the end of the connection (or its `drain`).
    online: bool,
    /// Requests without an answer; ends with the connection.
    asked: HashMap<u64, Asked>,
    /// Until when each of them is waited for, in the order of asking.
    sends_until: VecDeque<(Instant, u64)>,
    syncs_until: VecDeque<(Instant, u64)>,
    sends_in_flight: usize,
    syncs_in_flight: usize,
    /// Number of the last request, the engine's or another's.
    last_id: u64,
    /// Chats that may have something to send. Each is in it once ([`Chat::in_turn`]).
    turns: VecDeque<ChatId>,
    /// Chats that want a sync, and from where; those with own messages first.
    syncs: VecDeque<(ChatId, Seq)>,
    /// When chats that wait are looked at again.
    alarms: BTreeSet<(Instant, ChatId)>,
    jitter: Jitter,
    actions: Vec<Action>,
}

impl Engine {
    pub(crate) fn new(resume: Resume, seed: u64) -> Self {
        let chats = resume.chats.into_iter().map(|(chat, kept)| (chat, Chat::restored(kept))).collect();
        Self {
            me: None,
            since: resume.since,
            chats,
            online: false,
            asked: HashMap::new(),
            sends_until: VecDeque::new(),
            syncs_until: VecDeque::new(),
            sends_in_flight: 0,
            syncs_in_flight: 0,
            last_id: 0,
            turns: VecDeque::new(),
            syncs: VecDeque::new(),
            alarms: BTreeSet::new(),
            jitter: Jitter::new(seed),
            actions: Vec::new(),
        }
    }

    /// A number for a request that is not the engine's.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// For `hello`.
    pub(crate) fn since(&self) -> Option<String> {
        self.since.clone()
    }

    /// Everything to go on from, as of this moment.
    pub(crate) fn resume(&self) -> Resume {
        let kept = self.chats.iter().filter_map(|(id, chat)| chat.sync.kept().map(|kept| (*id, kept)));
        Resume { since: self.since.clone(), chats: kept.collect() }
    }

    /// What is to be done now.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Takes a message in.
    pub(crate) fn push(&mut self, chat: ChatId, client_id: ClientId, body: Body, now: Instant) {
        self.chats.entry(chat).or_default().outbox.push(client_id, body);
        self.turn(chat);
        self.go_on(now);
    }

    /// A list or an answer over HTTP names the chat.
    pub(crate) fn learn(&mut self, summary: &ChatSummary) {
        self.chats.entry(summary.id).or_default().sync.listed(summary.newest.seq);
    }

    /// The connection is gone, and with it every answer that was still to come.
    pub(crate) fn lost(&mut self) {
        self.online = false;
        self.asked.clear();
        self.sends_until.clear();
        self.syncs_until.clear();
        self.sends_in_flight = 0;
        self.syncs_in_flight = 0;
        self.turns.clear();
        self.syncs.clear();
        self.alarms.clear();
        self.chats.values_mut().for_each(Chat::disconnected);
    }

    /// The server is stopping: what is under way may still be answered, nothing new begins.
    fn draining(&mut self) {
        self.online = false;
    }

    /// When [`Engine::wake`] wants to be called.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let waited = [&self.sends_until, &self.syncs_until].into_iter().filter_map(|queue| queue.front());
        waited.map(|(until, _)| *until).chain(alarm).min()
    }

    /// Time has passed. `false`: an answer did not come in its time, the connection is to be given up.
    pub(crate) fn wake(&mut self, now: Instant) -> bool {
        while let Some((at, chat)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, chat));
            if let Some(state) = self.chats.get_mut(&chat).filter(|state| state.sync_again.is_some_and(|at| at <= now))
            {
                state.sync_again = None;
                let steps = state.sync.resume();
                self.follow(chat, steps);
            }
            self.turn(chat);
        }
        self.go_on(now);
        self.next_wake().is_none_or(|at| at > now)
    }

    /// The chat may have something to send.
    fn turn(&mut self, id: ChatId) {
        if let Some(chat) = self.chats.get_mut(&id).filter(|chat| !chat.in_turn && !chat.outbox.is_empty()) {
            chat.in_turn = true;
            self.turns.push_back(id);
        }
    }

    /// Asks what may be asked now: syncs, then sends, one of each chat in turn.
    fn go_on(&mut self, now: Instant) {
        while self.online && self.syncs_in_flight < SYNCS_IN_FLIGHT {
            let Some((chat, after)) = self.syncs.pop_front() else { break };
            self.syncs_in_flight += 1;
            let id = self.ask(Asked::Sync { chat }, Command::Sync(Sync { chat, after }));
            self.syncs_until.push_back((now + SYNC_TIMEOUT, id));
        }
        while self.online && self.sends_in_flight < SENDS_IN_FLIGHT {
            let Some(id) = self.turns.pop_front() else { break };
            if let Some(chat) = self.chats.get_mut(&id) {
                chat.in_turn = false;
                if let Some((number, send)) = chat.next_send(id, now) {
                    self.sends_in_flight += 1;
                    let asked = self.ask(Asked::Send { chat: id, number }, Command::Send(send));
                    self.sends_until.push_back((now + SEND_TIMEOUT, asked));
                    self.turn(id);
                }
            }
        }
    }

    fn ask(&mut self, asked: Asked, command: Command) -> u64 {
        let id = self.next_id();
        self.asked.insert(id, asked);
        self.actions.push(Action::Ask(Request { id, command }));
        id
    }

    fn tell(&mut self, event: ClientEvent) {
        self.actions.push(Action::Tell(event));
    }

    fn alarm(&mut self, chat: ChatId, at: Instant) {
        self.alarms.insert((at, chat));
    }
}
