//! Questions to a [`State`] that several parts ask; none of them changes anything.

use crate::state::{ChatId, Client, Gateway, GatewayId, Message, Outgoing, Seq, Session, State};
use crate::state::{Stored, UserId, WINDOW};

impl State {
    /// A client.
    #[must_use]
    pub fn client(&self, user: UserId) -> &Client {
        &self.clients[usize::from(user.0)]
    }

    pub(crate) fn client_mut(&mut self, user: UserId) -> &mut Client {
        &mut self.clients[usize::from(user.0)]
    }

    /// A user's connection to this very gateway, if that is where the user is.
    pub(crate) fn session_at(&mut self, user: UserId, gateway: GatewayId) -> Option<&mut Session> {
        let session = self.client_mut(user).session.as_mut()?;
        (session.gateway == gateway).then_some(session)
    }

    pub(crate) fn gateway(&self, gateway: GatewayId) -> &Gateway {
        &self.gateways[usize::from(gateway.0)]
    }

    pub(crate) fn gateway_mut(&mut self, gateway: GatewayId) -> &mut Gateway {
        &mut self.gateways[usize::from(gateway.0)]
    }

    /// All users.
    pub fn users(&self) -> impl Iterator<Item = UserId> + use<> {
        (0..self.clients.len()).map(|user| UserId(index(user)))
    }

    pub(crate) fn gateway_ids(&self) -> impl Iterator<Item = GatewayId> + use<> {
        (0..self.gateways.len()).map(|gateway| GatewayId(index(gateway)))
    }

    /// All chats.
    pub fn chats(&self) -> impl Iterator<Item = ChatId> + use<> {
        (0..self.pointed.0.len()).map(|chat| ChatId(index(chat)))
    }

    /// The log with the `seq` of each event.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (Seq, &Stored)> {
        self.log.iter().enumerate().map(|(at, stored)| (index(at + 1), stored))
    }

    /// The events of a chat that are not void, oldest first.
    pub fn valid(&self, chat: ChatId) -> impl DoubleEndedIterator<Item = (Seq, &Stored)> {
        self.events().filter(move |(_, stored)| stored.message.chat == chat && !stored.void)
    }

    /// `seq` of the last event of a chat below `seq`, void or not: `Nats-Last-Sequence`.
    pub(crate) fn before(&self, chat: ChatId, seq: Seq) -> Seq {
        let mut older = self.events().rev().filter(|(_, stored)| stored.message.chat == chat);
        older.find(|(older, _)| *older < seq).map_or(0, |(older, _)| older)
    }

    /// `seq` of the last event of a chat, void or not.
    pub(crate) fn tail(&self, chat: ChatId) -> Seq {
        self.before(chat, Seq::MAX)
    }

    /// `prev` of a frame: the last event before `seq` that is not void.
    pub(crate) fn prev(&self, chat: ChatId, seq: Seq) -> Seq {
        self.valid(chat).rev().find(|(older, _)| *older < seq).map_or(0, |(older, _)| older)
    }

    /// The event that the window remembers under this id.
    pub(crate) fn remembered(&self, message: Message, salt: Seq) -> Option<(Seq, &Stored)> {
        self.events()
            .find(|(_, stored)| stored.message == message && stored.salt == salt && self.now < stored.at + WINDOW)
    }

    /// The first event of this message after `after` that is not void: R6's look.
    pub(crate) fn look(&self, message: Message, after: Seq) -> Option<Seq> {
        let mut found = self.valid(message.chat).filter(|(_, stored)| stored.message == message);
        found.find(|(seq, _)| *seq > after).map(|(seq, _)| seq)
    }
}

impl Client {
    /// Whether this client shows the event, or knows it as its own acknowledged message.
    #[must_use]
    pub fn has(&self, chat: ChatId, seq: Seq) -> bool {
        self.views[chat].shown.contains(&seq) || self.outbox.contains(&Outgoing::Acked(seq))
    }

    pub(crate) fn outgoing(&self, nth: u8) -> Outgoing {
        self.outbox[usize::from(nth)]
    }

    pub(crate) fn outgoing_mut(&mut self, nth: u8) -> &mut Outgoing {
        &mut self.outbox[usize::from(nth)]
    }
}

/// A place in one of the model's short lists as a number.
pub(crate) fn index(place: usize) -> u8 {
    u8::try_from(place).expect("a model holds a handful of things of each kind")
}
