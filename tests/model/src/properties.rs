//! What must hold: the contract's second point, cut into sentences a state can break.
//!
//! Each is a safety property. [`COMPLETE`] looks at states in which nothing can happen any more: every
//! run of the model ends in one, so what holds there holds "in the end".

use stateright::Property;

use crate::setup::Setup;
use crate::state::{Outgoing, State};

/// An acknowledged message is in the log, and not void.
pub const ACKED: &str = "acked is in the log";
/// No message is in the log twice, void events apart (R5, R6).
pub const ONCE: &str = "once in the log";
/// One device's messages in one chat keep their order (R7).
pub const DEVICE_ORDER: &str = "one device's order";
/// A client shows a chat in log order, nothing twice (R2).
pub const LOG_ORDER: &str = "shown once and in log order";
/// Up to its `last` a client shows everything (R2).
pub const WHOLE: &str = "nothing missing up to last";
/// What a token covers is shown, or its chat is known as not whole (R14).
pub const TOKEN: &str = "a token covers what was delivered";
/// An answer holds every message acknowledged before it (R13).
pub const ANSWER: &str = "an answer holds what was acked";
/// In the end everything is acknowledged and shown to everybody (R8, R15).
pub const COMPLETE: &str = "in the end everybody has everything";

/// All properties that must hold.
pub const ALL: [&str; 8] = [ACKED, ONCE, DEVICE_ORDER, LOG_ORDER, WHOLE, TOKEN, ANSWER, COMPLETE];

/// Witness: a run ends. Without it [`COMPLETE`] would say nothing.
pub const ENDS: &str = "a run ends";
/// Witness: an event is stored after its deadline.
pub const VOID: &str = "an event is void";
/// Witness: a client knows that it is missing something.
pub const NOT_WHOLE: &str = "a chat is not whole";
/// Witness: a client is open about an outcome that is in the log.
pub const UNSETTLED: &str = "a stored message is open";

pub(crate) fn properties() -> Vec<Property<Setup>> {
    vec![
        Property::always(ACKED, |_, state| acked(state)),
        Property::always(ONCE, |_, state| once(state)),
        Property::always(DEVICE_ORDER, |_, state| device_order(state)),
        Property::always(LOG_ORDER, |_, state| log_order(state)),
        Property::always(WHOLE, |_, state| whole(state)),
        Property::always(TOKEN, |_, state| token(state)),
        Property::always(ANSWER, answer),
        Property::always(COMPLETE, |setup: &Setup, state| complete(state) || !setup.ended(state)),
        Property::sometimes(ENDS, Setup::ended),
        Property::sometimes(VOID, |_, state: &State| state.log.iter().any(|stored| stored.void)),
        Property::sometimes(NOT_WHOLE, |_, state: &State| {
            state.clients.iter().any(|client| client.views.0.iter().any(|view| !view.whole))
        }),
        Property::sometimes(UNSETTLED, unsettled),
    ]
}

fn acked(state: &State) -> bool {
    state.users().all(|user| {
        state.client(user).outbox.iter().zip(0_u8..).all(|(outgoing, nth)| match outgoing {
            Outgoing::Acked(seq) => state
                .log
                .get(usize::from(*seq) - 1)
                .is_some_and(|stored| stored.message.from == user && stored.message.nth == nth && !stored.void),
            _ => true,
        })
    })
}

fn once(state: &State) -> bool {
    let valid = || state.events().filter(|(_, stored)| !stored.void);
    valid().all(|(seq, stored)| valid().all(|(other, again)| other == seq || again.message != stored.message))
}

fn device_order(state: &State) -> bool {
    let all_after = |seq, stored: &crate::state::Stored| {
        state
            .valid(stored.message.chat)
            .filter(|(later, _)| *later > seq)
            .all(|(_, later)| later.message.from != stored.message.from || later.message.nth >= stored.message.nth)
    };
    state.events().all(|(seq, stored)| stored.void || all_after(seq, stored))
}

fn log_order(state: &State) -> bool {
    let mut views = state.clients.iter().flat_map(|client| &client.views.0);
    views.all(|view| view.shown.is_sorted_by(|older, newer| older < newer))
}

fn whole(state: &State) -> bool {
    state.clients.iter().all(|client| {
        state.chats().all(|chat| {
            let view = &client.views[chat];
            let covered = |seq| seq > view.start && seq <= view.last;
            state.valid(chat).all(|(seq, _)| !covered(seq) || client.has(chat, seq))
        })
    })
}

/// Own messages are left out: the outbox knows of them.
fn token(state: &State) -> bool {
    state.users().all(|user| {
        let client = state.client(user);
        let covered = &client.inbox[..usize::from(client.token.unwrap_or(0))];
        covered.iter().all(|pointer| {
            let view = &client.views[pointer.chat];
            !view.whole
                || state.valid(pointer.chat).all(|(seq, stored)| {
                    let due = seq > view.start && seq <= pointer.seq && stored.message.from != user;
                    !due || client.has(pointer.chat, seq)
                })
        })
    })
}

fn answer(setup: &Setup, state: &State) -> bool {
    state.chats().all(|chat| {
        let answer = setup.answer(state, chat);
        state.valid(chat).all(|(seq, stored)| {
            let outgoing = state.client(stored.message.from).outgoing(stored.message.nth);
            outgoing != Outgoing::Acked(seq) || answer.contains(&seq)
        })
    })
}

fn complete(state: &State) -> bool {
    state.clients.iter().all(|client| {
        client.outbox.iter().all(|outgoing| matches!(outgoing, Outgoing::Acked(_)))
            && state.chats().all(|chat| {
                let start = client.views[chat].start;
                state.valid(chat).all(|(seq, _)| seq <= start || client.has(chat, seq))
            })
    })
}

fn unsettled(_: &Setup, state: &State) -> bool {
    state.events().any(|(_, stored)| {
        let outgoing = state.client(stored.message.from).outgoing(stored.message.nth);
        !stored.void && matches!(outgoing, Outgoing::Open { .. })
    })
}
