//! A configuration of the model: how large the world is, what may fail, which rules are on.

use stateright::{Model, Property};

use crate::actions::Action;
use crate::properties::properties;
use crate::rules::{Readings, Rules};
use crate::state::{ChatId, Client, Faults, Gateway, GatewayId, Message, Outgoing, PerChat, Seq};
use crate::state::{State, Tick, UserId, View};

/// What one client is going to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The gateway it is connected to when a run begins; none: it says its first hello at any time.
    pub at: Option<GatewayId>,
    /// The chats of its messages, in the order in which it sends them.
    pub sends: Vec<ChatId>,
}

/// A bounded world.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many chats; every client is in all of them.
    pub chats: u8,
    /// How many gateways.
    pub gateways: u8,
    /// The clients.
    pub clients: Vec<Plan>,
    /// Most events in one `synced`.
    pub page: usize,
    /// Log time ends here.
    pub last_tick: Tick,
    /// Whether there is live delivery: pointers and warm chats. Without it clients only sync.
    pub live: bool,
    /// Whether the history worker runs; if not it stands still at 0.
    pub store_lags: bool,
    /// What may fail in one run, and how often.
    pub faults: Faults,
    /// The rules that are on.
    pub rules: Rules,
    /// The readings of the rules.
    pub readings: Readings,
}

impl Setup {
    /// A user's messages, in the order in which they are sent.
    pub(crate) fn messages(&self, user: UserId) -> impl Iterator<Item = Message> + '_ {
        let sends = &self.clients[usize::from(user.0)].sends;
        sends.iter().zip(0..).map(move |(chat, nth)| Message { from: user, nth, chat: *chat })
    }

    /// Whether nothing can happen any more.
    pub(crate) fn ended(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.offer(state, &mut actions);
        actions.is_empty()
    }

    /// A gateway that has just started.
    pub(crate) fn gateway(&self) -> Gateway {
        let (lane, groups, live) = (Vec::new(), Vec::new(), Vec::new());
        Gateway { lane, groups, warm: PerChat::new(self.chats, None), live }
    }

    /// A client that is connected to an empty log, or has never been.
    fn client(&self, plan: &Plan) -> Client {
        let view = View { start: 0, last: 0, whole: true, shown: Vec::new() };
        Client {
            session: plan.at.map(|gateway| self.session(gateway, 0)),
            token: plan.at.map(|_| 0),
            outbox: vec![Outgoing::Unsent; plan.sends.len()],
            views: PerChat::new(self.chats, view),
            inbox: Vec::new(),
        }
    }
}

impl Model for Setup {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            log: Vec::new(),
            copies: Vec::new(),
            pointed: PerChat::new(self.chats, Seq::MIN),
            materialised: 0,
            gateways: (0..self.gateways).map(|_| self.gateway()).collect(),
            clients: self.clients.iter().map(|plan| self.client(plan)).collect(),
            left: self.faults,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.offer(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.apply(&mut state, &action);
        debug_assert_ne!(&state, last, "{action:?} is offered and changes nothing");
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
