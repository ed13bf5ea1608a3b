//! What a state of the model is: the log, the publishes under way, the gateways, the clients.
//!
//! It protects the meaning of the words: a `seq` is a place in [`State::log`] and nothing else, an
//! event is *stored* when it is there, *void* when readers pass over it, *acked* when the client that
//! sent it has heard so. It never holds what a real process could not know: a client sees the log only
//! through what the module `client` hands it.

use std::ops::{Index, IndexMut};

/// A place in the log, from 1; 0 is "before everything".
pub type Seq = u8;

/// Log time. A deadline is the tick of its stamp; the window remembers an id for [`WINDOW`] ticks.
pub type Tick = u8;

/// Ticks for which the log remembers a message id: longer than a deadline (R5).
pub const WINDOW: Tick = 2;

/// A chat; every client is a member of every chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatId(pub u8);

/// A user with one device, and so one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub u8);

/// A gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayId(pub u8);

/// One value for each chat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PerChat<T>(pub Vec<T>);

impl<T: Clone> PerChat<T> {
    /// The same value for each of `chats` chats.
    pub fn new(chats: u8, value: T) -> Self {
        Self(vec![value; usize::from(chats)])
    }
}

impl<T> Index<ChatId> for PerChat<T> {
    type Output = T;
    fn index(&self, chat: ChatId) -> &T {
        &self.0[usize::from(chat.0)]
    }
}

impl<T> IndexMut<ChatId> for PerChat<T> {
    fn index_mut(&mut self, chat: ChatId) -> &mut T {
        &mut self.0[usize::from(chat.0)]
    }
}

/// A message as its sender names it: the sender's `nth` (the model's `client_id`), in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    /// The sender.
    pub from: UserId,
    /// Which of the sender's messages, in the order in which they were sent.
    pub nth: u8,
    /// Where it goes.
    pub chat: ChatId,
}

/// A message on its way from a gateway into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Publish {
    /// What is published.
    pub message: Message,
    /// With `message` the id in the window: 0, or the `seq` of a void event that holds the id (R5).
    pub salt: Seq,
    /// The deadline: stored in a later tick, it is void.
    pub stamp: Tick,
    /// Marked by the client as a retry, with its `after_seq`; goes alone.
    pub retry: Option<Seq>,
}

/// An event of the log; its `seq` is its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// The message.
    pub message: Message,
    /// The rest of its id in the window.
    pub salt: Seq,
    /// When it was stored: the window forgets the id [`WINDOW`] ticks later.
    pub at: Tick,
    /// Stored after its deadline: no reader shows it.
    pub void: bool,
}

/// A group on its way to the log, or sitting in a paused server. It outlives its gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Copy {
    /// Who published it and would hear the answer.
    pub gateway: GatewayId,
    /// One atomic batch.
    pub group: Vec<Publish>,
}

/// A pointer in a user's inbox: the chat moved, its events `first` to `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// The chat that moved.
    pub chat: ChatId,
    /// Its first event since the pointer before.
    pub first: Seq,
    /// Its newest event.
    pub seq: Seq,
}

/// A gateway's memory; a crash empties it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// Accepted commands that wait for the lane.
    pub lane: Vec<Publish>,
    /// Published groups without an answer; one at most under R7.
    pub groups: Vec<Vec<Publish>>,
    /// Last `seq` delivered of each warm chat; none when cold.
    pub warm: PerChat<Option<Seq>>,
    /// Republished copies that are on their way to it.
    pub live: Vec<Seq>,
}

/// What a gateway and a client hold for one connection; ends with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    /// Where the connection ends.
    pub gateway: GatewayId,
    /// Position in the user's inbox up to which every pointer was delivered in full.
    pub inbox_seen: u8,
    /// Republished inbox events that are on their way to the gateway, as positions.
    pub inbox_live: Vec<u8>,
    /// `seq` up to which each chat was delivered; none when the session is not attached to it.
    pub attached: PerChat<Option<Seq>>,
    /// Own messages sent over this connection: their live events are not sent back.
    pub own: Vec<u8>,
    /// The `seq`s that `sent` gave this session.
    pub sent: Vec<Seq>,
    /// The gateway refuses sends to the chat: an earlier one was refused and has not come again.
    pub out_of_turn: PerChat<bool>,
    /// The refusal is still on its way: the client goes on sending as if there were none.
    pub unheard: PerChat<bool>,
}

/// What a client knows of a message of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outgoing {
    /// Not yet sent.
    Unsent,
    /// Sent over this connection, no answer yet.
    Pending {
        /// `after_seq` of R6.
        after: Seq,
    },
    /// Refused, unknown, or cut off: to be settled by a sync or sent again.
    Open {
        /// `after_seq` of R6.
        after: Seq,
        /// May be sent again without a sync first.
        may_retry: bool,
    },
    /// Acknowledged with this `seq`, by `sent` or by its own event in a sync.
    Acked(Seq),
}

/// A chat as a client has it; kept over reconnects, like the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// `newest.seq` of the first summary: what is older is scroll-back, asked for when wanted.
    pub start: Seq,
    /// The client's `last`.
    pub last: Seq,
    /// False from the moment a gap or a newer summary shows until a complete sync.
    pub whole: bool,
    /// What `event` and `synced` brought, in the order in which it was shown.
    pub shown: Vec<Seq>,
}

/// A user's client, and the inbox the log keeps for the user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The connection, if there is one.
    pub session: Option<Session>,
    /// `since`: a position in the inbox; none before the first hello.
    pub token: Option<u8>,
    /// The outbox, one for each planned message.
    pub outbox: Vec<Outgoing>,
    /// The chats.
    pub views: PerChat<View>,
    /// The user's inbox, a log.
    pub inbox: Vec<Pointer>,
}

/// Faults that may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Republished copies (of chats or inboxes) that get lost.
    pub losses: u8,
    /// Republished copies that come twice.
    pub repeats: u8,
    /// Gateways that die and start again empty.
    pub crashes: u8,
    /// Connections that break while the gateway lives on.
    pub cuts: u8,
    /// Groups refused by the server.
    pub refusals: u8,
    /// Answers of the server that get lost.
    pub lost_answers: u8,
    /// Groups that a gateway publishes once more with the same ids.
    pub republished: u8,
    /// Tokens that the server no longer takes (`resumed: false`).
    pub stale_tokens: u8,
}

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Log time.
    pub now: Tick,
    /// The stream of all chats: the truth.
    pub log: Vec<Stored>,
    /// Publishes on their way.
    pub copies: Vec<Copy>,
    /// How far the pointers worker is in each chat.
    pub pointed: PerChat<Seq>,
    /// How far the history worker is.
    pub materialised: Seq,
    /// The gateways.
    pub gateways: Vec<Gateway>,
    /// The clients.
    pub clients: Vec<Client>,
    /// Faults that may still happen.
    pub left: Faults,
}
