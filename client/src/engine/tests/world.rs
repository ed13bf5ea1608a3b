//! One random run: an engine, a server, and everything that may happen between them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tidings_protocol::client_frame::{Command, Request};
use tidings_protocol::server_frame::{Resync, ServerFrame};
use tidings_protocol::{ChatId, ClientId, Seq};

use super::super::{Action, Engine, Taken};
use super::server::{Server, body};
use crate::event::{ClientEvent, Resume};

const CHATS: usize = 2;

/// See the module.
pub(super) struct World {
    seed: u64,
    random: u64,
    now: Instant,
    engine: Engine,
    server: Server,
    chats: Vec<ChatId>,
    online: bool,
    /// Requests on their way to the server.
    requests: VecDeque<Request>,
    /// Syncs that the server has taken and not yet answered.
    syncs: Vec<Request>,
    /// Messages in the order in which they were given, those that the server refuses for good apart.
    given: BTreeMap<ChatId, Vec<ClientId>>,
    hopeless: Vec<ClientId>,
    /// Messages that went out unmarked.
    unmarked: Vec<ClientId>,
    nth: u128,
    told: BTreeMap<ChatId, Vec<Seq>>,
    outcomes: BTreeMap<ClientId, Option<Seq>>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: Instant::now(),
            engine: Engine::new(Resume::default(), seed),
            server: Server::default(),
            chats: (0..CHATS as u128).map(|nth| ChatId(uuid::Uuid::from_u128(100 + nth))).collect(),
            online: false,
            requests: VecDeque::new(),
            syncs: Vec::new(),
            given: BTreeMap::new(),
            hopeless: Vec::new(),
            unmarked: Vec::new(),
            nth: 0,
            told: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound as u64) as usize
    }

    fn chat(&mut self) -> ChatId {
        let at = self.below(CHATS);
        self.chats[at]
    }

    pub(super) fn run(&mut self, steps: usize) {
        self.connect(true);
        for _ in 0..steps {
            let at = self.below(8);
            match self.below(24) {
                0..=2 => self.give(),
                3..=6 => self.serve(true),
                7..=10 => self.server.land(at, at == 0),
                11 => self.server.fail(at, at < 3),
                12 => self.server.land_limbo(at),
                13..=14 => self.server.answer(at),
                15 => {
                    let chat = self.chat();
                    self.server.other(chat, at == 0);
                }
                16 => {
                    let chat = self.chat();
                    self.server.repeat(chat);
                }
                17 => self.answer_sync(at, true),
                18..=21 => self.read(),
                22 if at < 2 => self.cut(),
                22 => self.server.tick(),
                _ => self.later(),
            }
            if !self.online && self.below(3) == 0 {
                let resumes = self.below(4) > 0;
                self.connect(resumes);
            }
        }
    }

    /// No more faults: everything that is under way comes to its end.
    pub(super) fn calm(&mut self) {
        if !self.online {
            self.connect(true);
        }
        for round in 0..200 {
            for _ in 0..20 {
                self.serve(false);
                self.server.land(round, false);
                self.server.land_limbo(0);
                self.server.answer(0);
                self.answer_sync(0, false);
                self.read();
            }
            self.now += Duration::from_secs(21);
            self.wake();
            if round == 100 {
                self.server.wire.push_back(ServerFrame::Resync(Resync { chats: None }));
            }
        }
        assert!(self.server.is_idle() && self.requests.is_empty() && self.syncs.is_empty(), "seed {}", self.seed);
    }

    fn connect(&mut self, resumes: bool) {
        let welcome = self.server.connect(self.engine.since().as_deref(), &self.chats, resumes);
        self.online = true;
        self.engine.welcome(welcome, self.now);
        self.perform();
    }

    fn cut(&mut self) {
        if self.online {
            self.online = false;
            self.requests.clear();
            self.syncs.clear();
            self.server.cut();
            self.engine.lost();
            self.perform();
        }
    }

    fn give(&mut self) {
        let chat = self.chat();
        self.nth += 1;
        let client_id = ClientId(uuid::Uuid::from_u128(self.nth));
        if self.below(12) == 0 {
            self.hopeless.push(client_id);
        } else {
            self.given.entry(chat).or_default().push(client_id);
        }
        self.engine.push(chat, client_id, body(0), self.now);
        self.perform();
    }

    /// The server takes the next request.
    fn serve(&mut self, faults: bool) {
        let Some(request) = self.requests.pop_front() else { return };
        match request.command {
            Command::Send(send) => {
                if !send.retry {
                    assert!(!self.unmarked.contains(&send.client_id), "unmarked twice, seed {}", self.seed);
                    self.unmarked.push(send.client_id);
                }
                let hopeless = self.hopeless.contains(&send.client_id);
                self.server.send(request.id, send, hopeless);
            }
            Command::Sync(_) if faults && self.below(6) == 0 => self.server.sync_refused(request.id),
            Command::Sync(_) => self.syncs.push(request),
            other => panic!("{other:?}"),
        }
    }

    fn answer_sync(&mut self, at: usize, faults: bool) {
        if self.syncs.is_empty() || (faults && at == 7) {
            return;
        }
        let request = self.syncs.remove(at % self.syncs.len());
        if let Command::Sync(sync) = request.command {
            self.server.sync(request.id, sync.chat, sync.after);
        }
    }

    /// The client takes the next frame.
    fn read(&mut self) {
        let Some(frame) = self.server.wire.pop_front().filter(|_| self.online) else { return };
        assert!(matches!(self.engine.frame(frame, self.now), Taken::Done), "seed {}", self.seed);
        self.perform();
    }

    fn later(&mut self) {
        let by = Duration::from_millis(self.below(2_000) as u64);
        self.now += by;
        self.wake();
    }

    fn wake(&mut self) {
        if self.engine.wake(self.now) {
            self.perform();
        } else {
            self.cut();
            self.connect(true);
        }
    }

    fn perform(&mut self) {
        for action in self.engine.take_actions() {
            match action {
                Action::Ask(request) if self.online => self.requests.push_back(request),
                Action::Ask(request) => panic!("asked without a connection: {request:?}, seed {}", self.seed),
                Action::Tell(ClientEvent::Event { chat, seq, .. }) => self.told.entry(chat).or_default().push(seq),
                Action::Tell(_) => {}
                Action::Settled(client_id, outcome) => {
                    let twice = self.outcomes.insert(client_id, outcome.ok().map(|stored| stored.seq));
                    assert_eq!(twice, None, "two outcomes, seed {}", self.seed);
                }
            }
        }
    }

    pub(super) fn check(&self) {
        let seed = self.seed;
        for client_id in &self.hopeless {
            assert_eq!(self.outcomes.get(client_id), Some(&None), "seed {seed}");
        }
        for chat in &self.chats {
            let given = self.given.get(chat).cloned().unwrap_or_default();
            let mine = |client_id: &ClientId| given.contains(client_id);
            let log: Vec<(Seq, Option<ClientId>)> =
                self.server.events(*chat).map(|(seq, stored)| (seq, stored.event.client_id)).collect();
            let stored: Vec<ClientId> = log.iter().filter_map(|(_, client_id)| *client_id).collect();
            assert_eq!(stored, given, "each once and in order, seed {seed}");
            for (seq, client_id) in &log {
                if let Some(client_id) = client_id.filter(mine) {
                    assert_eq!(self.outcomes.get(&client_id), Some(&Some(*seq)), "outcome, seed {seed}");
                }
            }
            let told = self.told.get(chat).cloned().unwrap_or_default();
            assert!(told.is_sorted_by(|a, b| a < b), "told once and in order, seed {seed}: {told:?}");
            let acked = |client_id: &Option<ClientId>| client_id.is_some();
            let missing: Vec<Seq> = log
                .iter()
                .filter(|(seq, client_id)| !told.contains(seq) && !acked(client_id))
                .map(|(seq, _)| *seq)
                .collect();
            assert_eq!(missing, Vec::<Seq>::new(), "everything of others is told, seed {seed}");
        }
    }
}
