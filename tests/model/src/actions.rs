//! What can happen next, and its dispatch.
//!
//! An action is offered only where it changes something, so a state without actions is the end of a
//! run. Faults are offered as long as [`crate::state::Faults`] are left.

use crate::client::{crash, disconnect};
use crate::lookup::index;
use crate::setup::Setup;
use crate::state::{ChatId, GatewayId, Message, State, UserId};

/// One step of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client connects; `stale`: its token is no longer taken.
    Hello(UserId, GatewayId, bool),
    /// A client sends its next message.
    Send(Message),
    /// A client sends an open message again.
    Retry(Message),
    /// A client asks for a sync and gets it.
    Sync(UserId, ChatId),
    /// A client gets a newer token holding this position.
    Token(UserId, u8),
    /// A gateway publishes what waits in its lane.
    Publish(GatewayId),
    /// A gateway publishes its group once more, same ids.
    Republish(GatewayId),
    /// A gateway gives a group up: `outcome_unknown`.
    GiveUp(GatewayId, u8),
    /// The log stores a copy; the gateway hears it.
    LandHeard(u8),
    /// The log stores a copy; nobody hears it.
    LandUnheard(u8),
    /// The log refuses a copy.
    Refuse(u8),
    /// Log time goes on.
    Tick,
    /// The history worker writes the next row.
    Materialise,
    /// The pointers worker closes a chat's window.
    Point(ChatId),
    /// A republished event of a chat reaches a gateway.
    Receive(GatewayId),
    /// A republished event of an inbox reaches its user's gateway.
    ReceivePointer(UserId),
    /// A gateway compares a chat with the log's tail.
    CheckTail(GatewayId, ChatId),
    /// A gateway compares an inbox with its tail.
    CheckInbox(UserId),
    /// A republished event of a chat is lost.
    LoseLive(GatewayId),
    /// A republished event of an inbox is lost.
    LosePointer(UserId),
    /// The last event of a chat is republished once more.
    RepeatLive(GatewayId, ChatId),
    /// A gateway dies and starts again.
    Crash(GatewayId),
    /// A connection breaks.
    Cut(UserId),
}

impl Setup {
    /// Appends every action that is possible.
    pub(crate) fn offer(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < self.last_tick {
            actions.push(Action::Tick);
        }
        if self.store_lags && usize::from(state.materialised) < state.log.len() {
            actions.push(Action::Materialise);
        }
        for user in state.users() {
            self.offer_client(state, user, actions);
        }
        for gateway in state.gateway_ids() {
            self.offer_gateway(state, gateway, actions);
        }
        let moved = state.chats().filter(|chat| state.pointed[*chat] < state.tail(*chat));
        actions.extend(moved.map(Action::Point));
        self.offer_log(state, actions);
    }

    fn offer_client(&self, state: &State, user: UserId, actions: &mut Vec<Action>) {
        let client = state.client(user);
        let Some(session) = &client.session else {
            let stale = client.token.is_some() && state.left.stale_tokens > 0;
            for gateway in state.gateway_ids() {
                actions.push(Action::Hello(user, gateway, false));
                actions.extend(stale.then_some(Action::Hello(user, gateway, true)));
            }
            return;
        };
        actions.extend(self.next_send(state, user).map(Action::Send));
        for chat in state.chats() {
            actions.extend(self.next_retry(state, user, chat).map(Action::Retry));
            actions.extend(self.wants_sync(state, user, chat).then_some(Action::Sync(user, chat)));
        }
        actions.extend(self.token(state, user).map(|position| Action::Token(user, position)));
        actions.extend(self.inbox_behind(state, user).then_some(Action::CheckInbox(user)));
        if !session.inbox_live.is_empty() {
            actions.push(Action::ReceivePointer(user));
            actions.extend((state.left.losses > 0).then_some(Action::LosePointer(user)));
        }
        actions.extend((state.left.cuts > 0).then_some(Action::Cut(user)));
    }

    fn offer_gateway(&self, state: &State, id: GatewayId, actions: &mut Vec<Action>) {
        let gateway = state.gateway(id);
        actions.extend(self.may_publish(state, id).then_some(Action::Publish(id)));
        let give_up = self.may_give_up(state, id);
        actions.extend(give_up.map(|place| Action::GiveUp(id, index(place))));
        if state.left.republished > 0 && !gateway.groups.is_empty() {
            actions.push(Action::Republish(id));
        }
        if !gateway.live.is_empty() {
            actions.push(Action::Receive(id));
            actions.extend((state.left.losses > 0).then_some(Action::LoseLive(id)));
        }
        for chat in state.chats() {
            actions.extend(self.chat_behind(state, id, chat).then_some(Action::CheckTail(id, chat)));
            let repeats = state.left.repeats > 0 && gateway.warm[chat].is_some() && state.tail(chat) > 0;
            actions.extend(repeats.then_some(Action::RepeatLive(id, chat)));
        }
        actions.extend((state.left.crashes > 0).then_some(Action::Crash(id)));
    }

    fn offer_log(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, copy) in state.copies.iter().enumerate() {
            let first = state.copies.iter().position(|other| other == copy) == Some(place);
            if !first {
                continue;
            }
            let awaited = self.awaited(state, copy);
            if awaited {
                actions.push(Action::LandHeard(index(place)));
                actions.extend((state.left.refusals > 0).then_some(Action::Refuse(index(place))));
            }
            if !awaited || state.left.lost_answers > 0 {
                actions.push(Action::LandUnheard(index(place)));
            }
        }
    }

    /// Does one action.
    pub(crate) fn apply(&self, state: &mut State, action: &Action) {
        match *action {
            Action::Hello(user, gateway, stale) => {
                state.left.stale_tokens -= u8::from(stale);
                self.hello(state, user, gateway, stale);
            }
            Action::Send(message) => self.send(state, message),
            Action::Retry(message) => self.retry(state, message),
            Action::Sync(user, chat) => self.sync(state, user, chat),
            Action::Token(user, position) => state.client_mut(user).token = Some(position),
            Action::Publish(gateway) => self.publish(state, gateway),
            Action::GiveUp(gateway, place) => self.give_up(state, gateway, usize::from(place)),
            Action::LandHeard(place) => self.land(state, usize::from(place), true),
            Action::LandUnheard(place) => {
                let awaited = self.awaited(state, &state.copies[usize::from(place)]);
                state.left.lost_answers -= u8::from(awaited);
                self.land(state, usize::from(place), false);
            }
            Action::Tick => state.now += 1,
            Action::Materialise => state.materialised += 1,
            Action::Point(chat) => self.point(state, chat),
            Action::Receive(gateway) => self.receive(state, gateway),
            Action::ReceivePointer(user) => self.receive_pointer(state, user),
            Action::CheckTail(gateway, chat) => self.check_tail(state, gateway, chat),
            Action::CheckInbox(user) => self.check_inbox(state, user),
            _ => self.fault(state, action),
        }
    }

    fn fault(&self, state: &mut State, action: &Action) {
        match *action {
            Action::Republish(gateway) => {
                state.left.republished -= 1;
                self.republish(state, gateway);
            }
            Action::Refuse(place) => {
                state.left.refusals -= 1;
                self.refuse(state, usize::from(place));
            }
            Action::LoseLive(gateway) => {
                state.left.losses -= 1;
                state.gateway_mut(gateway).live.remove(0);
            }
            Action::LosePointer(user) => {
                state.left.losses -= 1;
                if let Some(session) = &mut state.client_mut(user).session {
                    session.inbox_live.remove(0);
                }
            }
            Action::RepeatLive(gateway, chat) => {
                state.left.repeats -= 1;
                let tail = state.tail(chat);
                state.gateway_mut(gateway).live.push(tail);
            }
            Action::Crash(gateway) => {
                state.left.crashes -= 1;
                crash(state, gateway, self.gateway());
            }
            Action::Cut(user) => {
                state.left.cuts -= 1;
                disconnect(state, user);
            }
            _ => unreachable!("`apply` does every action that is no fault"),
        }
    }
}
