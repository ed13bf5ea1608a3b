//! The hub: the one task that owns warm chats, connected users and their sessions.
//!
//! It takes live items, commands of sessions, and results of its own jobs, one at a time, and never waits for anything
//! else. So "deliver, then note how far the session's token may go" needs no lock. Its inputs are bounded channels:
//! when the hub is behind, sessions wait with their commands and the live reader reports what it had to drop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_nats::Subject;
use tidings_nats::live::{Interruption, LiveEvent, LiveItem, LiveReader, LiveSubject, StreamTag};
use tidings_protocol::{ChatId, Seq, SessionId, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::event::{ChatEvent, InboxItem, Shown};
use super::inboxes::OnlineUser;
use super::jobs::{Done, Jobs};
use super::progress::{InboxPlace, InboxProgress};
use super::stats::Counters;
use super::warm::{Push, WarmChat};
use super::warmth::Warmth;
use crate::reads::Members;
use crate::session::shared::SessionShared;

/// Commands of sessions that wait for the hub. When full, sessions wait.
pub(crate) const COMMANDS: usize = 4_096;
/// Job results that wait for the hub. When full, jobs wait.
pub(crate) const RESULTS: usize = 4_096;
/// Live items taken at once.
const LIVE_BURST: usize = 256;
/// How often due rechecks are looked for.
const TIMER: Duration = Duration::from_millis(250);
/// A new subscription is looked at again after this: another server may have learned of it late (R8).
pub(super) const RECHECK_AFTER: Duration = Duration::from_secs(2);

/// What a session asks of the hub.
pub(crate) enum Command {
    /// A session has said hello: listen for its user, hold what comes. The answer is how far the user's inbox was
    /// delivered to other sessions.
    Register { shared: Arc<SessionShared>, reply: oneshot::Sender<Seq> },
    /// The session's `welcome` is in its queue: it covers the inbox up to `place`. Attach it to these chats.
    Joined { session: SessionId, place: InboxPlace, attach: Vec<(ChatId, Seq)> },
    /// The session has this chat whole up to `from`: a complete sync.
    Attach { session: SessionId, chat: ChatId, from: Seq },
    /// The session is gone.
    Close { session: SessionId },
}

/// A session as the hub sees it.
pub(super) struct SessionEntry {
    pub(super) shared: Arc<SessionShared>,
    /// `None` until its `welcome` is in its queue.
    pub(super) progress: Option<InboxProgress>,
    /// Inbox events that came before that, at most [`super::inboxes::HELD_ITEMS`].
    pub(super) held: Vec<InboxItem>,
    /// Chats it is attached to.
    pub(super) chats: Vec<ChatId>,
}

/// All sessions of this gateway.
pub(super) struct Sessions {
    pub(super) entries: HashMap<SessionId, SessionEntry>,
    pub(super) counters: Arc<Counters>,
}

impl Push for Sessions {
    fn push(&mut self, session: SessionId, shown: &Shown) {
        if let Some(entry) = self.entries.get(&session)
            && entry.shared.push(shown.frame.clone())
        {
            self.counters.deliveries.add(1);
        }
    }
}

/// Bounds and times of the fan-out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubSettings {
    /// How often all tails are compared with the stream (R8).
    pub(crate) sweep_every: Duration,
    /// Most warm chats; the least recently used goes cold.
    pub(crate) warm_chats: usize,
}

/// The hub's state. Nobody else holds any of it.
pub(crate) struct Hub {
    pub(super) settings: HubSettings,
    pub(super) jobs: Jobs,
    pub(super) live: Arc<dyn LiveReader>,
    pub(super) members: Arc<Members>,
    pub(super) counters: Arc<Counters>,
    pub(super) sessions: Sessions,
    pub(super) chats: HashMap<ChatId, WarmChat>,
    pub(super) warmth: Warmth,
    pub(super) users: HashMap<UserId, OnlineUser>,
    /// Subscriptions to be looked at once more, in the order of their time.
    pub(super) rechecks: std::collections::VecDeque<(Instant, Subject)>,
    /// A look at all tails is under way; another one was asked for meanwhile.
    sweeping: Option<bool>,
}

/// Where the hub's inputs come from.
pub(crate) struct Inputs {
    pub(crate) live: mpsc::Receiver<LiveItem>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) done: mpsc::Receiver<Done>,
}

impl Hub {
    pub(crate) fn new(settings: HubSettings, jobs: Jobs, members: Arc<Members>, counters: Arc<Counters>) -> Self {
        Self {
            settings,
            live: jobs.live.clone(),
            jobs,
            members,
            sessions: Sessions { entries: HashMap::new(), counters: counters.clone() },
            counters,
            chats: HashMap::new(),
            warmth: Warmth::default(),
            users: HashMap::new(),
            rechecks: std::collections::VecDeque::new(),
            sweeping: None,
        }
    }

    /// Runs until `cancel`.
    pub(crate) async fn run(mut self, mut inputs: Inputs, cancel: CancellationToken) {
        let mut burst = Vec::with_capacity(LIVE_BURST);
        let mut timer = tokio::time::interval(TIMER);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_sweep = Instant::now();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                count = inputs.live.recv_many(&mut burst, LIVE_BURST) => {
                    if count == 0 { return; }
                    for item in burst.drain(..) { self.live_item(item); }
                }
                Some(command) = inputs.commands.recv() => self.command(command),
                Some(done) = inputs.done.recv() => self.done(done),
                _ = timer.tick() => {
                    self.recheck_due();
                    self.cool_surplus();
                    if last_sweep.elapsed() >= self.settings.sweep_every {
                        last_sweep = Instant::now();
                        self.sweep();
                    }
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Register { shared, reply } => {
                let seen = self.register(shared);
                // A session that is gone meanwhile closes by itself.
                let _ = reply.send(seen);
            }
            Command::Joined { session, place, attach } => self.joined(session, place, attach),
            Command::Attach { session, chat, from } => self.attach(session, chat, from, None),
            Command::Close { session } => self.close(session),
        }
    }

    fn live_item(&mut self, item: LiveItem) {
        match item {
            LiveItem::Event(event) => self.live_event(event),
            LiveItem::Interrupted(interruption) => self.interrupted(&interruption),
        }
    }

    fn live_event(&mut self, event: LiveEvent) {
        match (event.subject, event.stream) {
            (LiveSubject::Chat(chat), StreamTag::Chat) => {
                self.counters.live_chat_events.add(1);
                self.warmth.used(chat);
                let event = ChatEvent::from(event.keep());
                self.with_chat(chat, |chat, push| chat.live(event, push));
            }
            (LiveSubject::User(user), StreamTag::Inbox) => {
                self.counters.live_inbox_events.add(1);
                self.inbox_live(user, InboxItem::from(ChatEvent::from(event)));
            }
            _ => {}
        }
    }

    fn interrupted(&mut self, interruption: &Interruption) {
        self.counters.interruptions.add(1);
        tracing::info!(?interruption, "live delivery was interrupted, all tails are checked");
        self.sweep();
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::ChatRead { chat, run } => self.chat_read(chat, run),
            Done::SessionRead { chat, session, after, run } => self.session_read(chat, session, after, run),
            Done::InboxRead { user, run } => self.inbox_read(user, run),
            Done::Placed { user, inbox_seq, pointer, from, line } => self.placed(user, inbox_seq, &pointer, from, line),
            Done::Line { user, inbox_seq, except, line } => self.line(user, inbox_seq, except, line),
            Done::Tails { tails, sweep } => self.tails(tails, sweep),
        }
    }

    /// Compares all tails with the stream (R8). One look at a time.
    fn sweep(&mut self) {
        if let Some(again) = &mut self.sweeping {
            *again = true;
            return;
        }
        let chats = self.chats.keys().copied().map(Subject::chat);
        let subjects: Vec<Subject> = chats.chain(self.users.keys().copied().map(Subject::inbox)).collect();
        if !subjects.is_empty() {
            self.sweeping = Some(false);
            self.jobs.look_at_tails(subjects, true);
        }
    }

    /// Looks once more at subscriptions that were made a moment ago.
    fn recheck_due(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        while self.rechecks.front().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.rechecks.pop_front().map(|(_, subject)| subject));
        }
        if !due.is_empty() {
            self.jobs.look_at_tails(due, false);
        }
    }

    fn tails(&mut self, tails: Vec<(Subject, Seq)>, sweep: bool) {
        for (subject, tail) in tails {
            self.counters.tails_checked.add(1);
            match (subject.chat_id(), subject.user_id()) {
                (Some(chat), _) => {
                    if self.chats.get(&chat).is_some_and(|warm| warm.last() < tail) {
                        self.counters.tails_behind.add(1);
                        self.with_chat(chat, |chat, push| chat.announced(tail, push));
                    }
                }
                (None, Some(user)) => self.inbox_announced(user, tail),
                (None, None) => {}
            }
        }
        if sweep && self.sweeping.take() == Some(true) {
            self.sweep();
        }
    }
}
