//! The way of a message into the log: send, publish, land, refuse, give up, retry (R5, R6, R7).
//!
//! What it protects: a message is stored once, in the order in which its device sent it, whatever
//! sits in a paused server, gets lost or comes again. It never acks what is void or not stored.

use crate::setup::Setup;
use crate::state::{ChatId, Copy, GatewayId, Message, Outgoing, Publish, Seq, State, Stored, UserId};

impl Setup {
    /// The next message of a user that was never sent, if the client would send it now.
    pub(crate) fn next_send(&self, state: &State, user: UserId) -> Option<Message> {
        let client = state.client(user);
        let session = client.session.as_ref()?;
        let unsent = self.messages(user).find(|m| client.outgoing(m.nth) == Outgoing::Unsent)?;
        let open = self.first_open(state, user, unsent.chat).is_some();
        (!open || session.unheard[unsent.chat]).then_some(unsent)
    }

    /// The oldest message of a user in a chat that is open.
    pub(crate) fn first_open(&self, state: &State, user: UserId, chat: ChatId) -> Option<Message> {
        let client = state.client(user);
        self.messages(user).find(|m| m.chat == chat && matches!(client.outgoing(m.nth), Outgoing::Open { .. }))
    }

    /// `send`: into the lane, or refused because an earlier one was (R7).
    pub(crate) fn send(&self, state: &mut State, message: Message) {
        let now = state.now;
        let client = state.client_mut(message.from);
        let after = client.views[message.chat].last;
        let Some(session) = client.session.as_mut() else {
            return;
        };
        session.own.push(message.nth);
        if session.out_of_turn[message.chat] {
            *client.outgoing_mut(message.nth) = Outgoing::Open { after, may_retry: false };
            return;
        }
        let gateway = session.gateway;
        *client.outgoing_mut(message.nth) = Outgoing::Pending { after };
        let publish = Publish { message, salt: 0, stamp: now, retry: None };
        state.gateway_mut(gateway).lane.push(publish);
    }

    /// The oldest open message of a chat, if the client may send it again (R6).
    pub(crate) fn next_retry(&self, state: &State, user: UserId, chat: ChatId) -> Option<Message> {
        state.client(user).session.as_ref()?;
        let message = self.first_open(state, user, chat)?;
        match state.client(user).outgoing(message.nth) {
            Outgoing::Open { may_retry: false, .. } if self.rules.look_before_retry => None,
            _ => Some(message),
        }
    }

    /// `send` marked as a retry: answered from the log if it is there (R6's look), else into the lane.
    pub(crate) fn retry(&self, state: &mut State, message: Message) {
        let Outgoing::Open { after, .. } = state.client(message.from).outgoing(message.nth) else {
            return;
        };
        let publish = Publish { message, salt: 0, stamp: state.now, retry: Some(after) };
        let client = state.client_mut(message.from);
        let Some(session) = client.session.as_mut() else { return };
        session.out_of_turn[message.chat] = false;
        session.unheard[message.chat] = false;
        if !session.own.contains(&message.nth) {
            session.own.push(message.nth);
            session.own.sort_unstable();
        }
        let gateway = session.gateway;
        *client.outgoing_mut(message.nth) = Outgoing::Pending { after };
        if !self.found(state, gateway, publish) {
            state.gateway_mut(gateway).lane.push(publish);
        }
    }

    /// R6's look: a retry whose message is in the log is answered from there.
    fn found(&self, state: &mut State, gateway: GatewayId, publish: Publish) -> bool {
        let after = publish.retry.filter(|_| self.rules.look_before_retry);
        let found = after.and_then(|after| state.look(publish.message, after));
        if let Some(seq) = found {
            ack(state, gateway, publish.message, seq);
        }
        found.is_some()
    }

    /// Whether the lane of a gateway may go on.
    pub(crate) fn may_publish(&self, state: &State, gateway: GatewayId) -> bool {
        let gateway = state.gateway(gateway);
        (gateway.groups.is_empty() || !self.rules.one_group_in_flight) && !gateway.lane.is_empty()
    }

    /// Takes what waits in the lane as one group; marked retries go alone; what is past its deadline
    /// goes back to its sender.
    pub(crate) fn publish(&self, state: &mut State, id: GatewayId) {
        let now = state.now;
        let lane = &mut state.gateway_mut(id).lane;
        if !self.readings.deadline_from_acceptance {
            lane.iter_mut().for_each(|publish| publish.stamp = now);
        }
        let first = lane[0];
        if self.rules.void_events && first.stamp < now {
            lane.remove(0);
            return self.refused(state, id, first, false);
        }
        let plain = |p: &&Publish| p.stamp == first.stamp && p.retry.is_none();
        let many = lane.iter().take_while(plain).count().max(1);
        let group: Vec<Publish> = lane.drain(..many).collect();
        state.gateway_mut(id).groups.push(group.clone());
        push_copy(state, Copy { gateway: id, group });
    }

    /// The same group once more with the same ids, because its answer does not come.
    pub(crate) fn republish(&self, state: &mut State, gateway: GatewayId) {
        let group = state.gateway(gateway).groups[0].clone();
        push_copy(state, Copy { gateway, group });
    }

    /// Whether the gateway of this copy still waits for it and could still ack.
    pub(crate) fn awaited(&self, state: &State, copy: &Copy) -> bool {
        let late = self.rules.void_events && copy.group.iter().any(|p| p.stamp < state.now);
        !late && state.gateway(copy.gateway).groups.contains(&copy.group)
    }

    /// The server stores a copy: all of it, but what the window remembers. The gateway hears it or not.
    pub(crate) fn land(&self, state: &mut State, place: usize, heard: bool) {
        let Copy { gateway, group } = state.copies.remove(place);
        let mut again = Vec::new();
        let mut answers = Vec::new();
        for publish in &group {
            match state.remembered(publish.message, publish.salt) {
                Some((seq, stored)) if stored.void => again.push(Publish { salt: seq, ..*publish }),
                Some((seq, _)) => answers.push((publish.message, seq)),
                None => answers.push((publish.message, self.store(state, publish))),
            }
        }
        if !heard {
            return;
        }
        state.gateway_mut(gateway).groups.retain(|waiting| *waiting != group);
        for (message, seq) in answers {
            ack(state, gateway, message, seq);
        }
        if !again.is_empty() {
            state.gateway_mut(gateway).groups.push(again.clone());
            push_copy(state, Copy { gateway, group: again });
        }
    }

    /// One more event: on disk first, republished then.
    fn store(&self, state: &mut State, publish: &Publish) -> Seq {
        let void = self.rules.void_events && state.now > publish.stamp;
        let Publish { message, salt, .. } = *publish;
        state.log.push(Stored { message, salt, at: state.now, void });
        let seq = state.tail(message.chat);
        for gateway in &mut state.gateways {
            if gateway.warm[message.chat].is_some() {
                gateway.live.push(seq);
            }
        }
        seq
    }

    /// The server refuses a copy, and says so.
    pub(crate) fn refuse(&self, state: &mut State, place: usize) {
        let Copy { gateway, group } = state.copies.remove(place);
        state.gateway_mut(gateway).groups.retain(|waiting| *waiting != group);
        for publish in group {
            self.refused(state, gateway, publish, true);
        }
    }

    /// The gateway's first group that it may answer with `outcome_unknown`.
    pub(crate) fn may_give_up(&self, state: &State, id: GatewayId) -> Option<usize> {
        state.gateway(id).groups.iter().position(|group| {
            let late = group.iter().any(|publish| publish.stamp < state.now);
            late || !state.copies.iter().any(|copy| copy.gateway == id && copy.group == *group)
        })
    }

    /// `outcome_unknown` to everyone in the group.
    pub(crate) fn give_up(&self, state: &mut State, id: GatewayId, place: usize) {
        for publish in state.gateway_mut(id).groups.remove(place) {
            self.refused(state, id, publish, false);
        }
    }

    /// No ack for this one: its sender hears so, and under R7 what the same sender has in the lane
    /// for the same chat does not pass it.
    fn refused(&self, state: &mut State, id: GatewayId, publish: Publish, may_retry: bool) {
        let Message { from, chat, .. } = publish.message;
        reopen(state, id, publish.message, may_retry);
        if let Some(session) = state.session_at(from, id) {
            session.unheard[chat] = true;
            session.out_of_turn[chat] = self.rules.one_group_in_flight;
        }
        if self.rules.one_group_in_flight {
            let lane = &mut state.gateway_mut(id).lane;
            let behind = |p: &Publish| p.message.from == from && p.message.chat == chat;
            let passed_over: Vec<Publish> = lane.iter().copied().filter(behind).collect();
            lane.retain(|p| !behind(p));
            for later in passed_over {
                reopen(state, id, later.message, false);
            }
        }
    }
}

/// `sent`, if the sender is still there and waits for it.
fn ack(state: &mut State, gateway: GatewayId, message: Message, seq: Seq) {
    let waits = matches!(state.client(message.from).outgoing(message.nth), Outgoing::Pending { .. });
    let Some(session) = state.session_at(message.from, gateway) else {
        return;
    };
    if waits {
        session.sent.push(seq);
        session.sent.sort_unstable();
        *state.client_mut(message.from).outgoing_mut(message.nth) = Outgoing::Acked(seq);
    }
}

/// A message without an answer becomes open again, if its sender is still there.
fn reopen(state: &mut State, gateway: GatewayId, message: Message, may_retry: bool) {
    if state.session_at(message.from, gateway).is_none() {
        return;
    }
    let outgoing = state.client_mut(message.from).outgoing_mut(message.nth);
    if let Outgoing::Pending { after } = *outgoing {
        *outgoing = Outgoing::Open { after, may_retry };
    }
}

/// Copies have no order among each other, so equal states are stored equal.
fn push_copy(state: &mut State, copy: Copy) {
    state.copies.push(copy);
    state.copies.sort();
}
