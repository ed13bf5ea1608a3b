//! The bounded worlds: each small enough to be explored completely in seconds.

use tidings_model::rules::{Readings, Rules};
use tidings_model::setup::{Plan, Setup};
use tidings_model::state::{ChatId, Faults, GatewayId};

const A: ChatId = ChatId(0);
const B: ChatId = ChatId(1);
const G0: Option<GatewayId> = Some(GatewayId(0));
const G1: Option<GatewayId> = Some(GatewayId(1));

fn world(chats: u8, gateways: u8, clients: &[(Option<GatewayId>, &[ChatId])]) -> Setup {
    let plan = |(at, sends): &(Option<GatewayId>, &[ChatId])| Plan { at: *at, sends: sends.to_vec() };
    Setup {
        chats,
        gateways,
        clients: clients.iter().map(plan).collect(),
        page: 1,
        last_tick: 0,
        live: true,
        store_lags: false,
        faults: Faults::default(),
        rules: Rules::all(),
        readings: Readings::all(),
    }
}

/// One sender, no live delivery: the way into the log alone.
fn append(sends: &[ChatId], last_tick: u8, faults: Faults) -> Setup {
    Setup { live: false, last_tick, faults, ..world(1, 2, &[(G0, sends)]) }
}

/// A copy sits in a paused server, or a command in a lane, while the client goes elsewhere and the
/// window forgets.
pub(crate) fn late() -> Setup {
    append(&[A], 3, Faults { cuts: 1, ..Faults::default() })
}

/// As `late`, with a client that moves twice.
pub(crate) fn late_twice() -> Setup {
    append(&[A], 2, Faults { cuts: 2, ..Faults::default() })
}

/// As `late`, with two messages that must not pass each other when the first one expires.
pub(crate) fn late_order() -> Setup {
    append(&[A, A], 1, Faults { cuts: 1, ..Faults::default() })
}

/// One message: unanswered, published again, its gateway dead.
pub(crate) fn again() -> Setup {
    append(&[A], 2, Faults { crashes: 1, lost_answers: 1, republished: 1, ..Faults::default() })
}

/// Three messages of one device: refused, unanswered, their gateway dead.
pub(crate) fn order() -> Setup {
    append(&[A, A, A], 0, Faults { refusals: 1, lost_answers: 1, crashes: 1, ..Faults::default() })
}

/// As `order` with live delivery, so that own events and answers meet.
pub(crate) fn order_live() -> Setup {
    let faults = Faults { lost_answers: 1, crashes: 1, ..Faults::default() };
    Setup { faults, ..world(1, 1, &[(G0, &[A, A, A])]) }
}

/// A sender and a reader on two gateways; live copies and pointers drop and come twice.
pub(crate) fn live() -> Setup {
    let faults = Faults { losses: 2, repeats: 1, ..Faults::default() };
    Setup { faults, ..world(1, 2, &[(G0, &[A, A]), (G1, &[])]) }
}

/// Two senders on two gateways in one chat; a copy drops, a copy comes twice.
pub(crate) fn both() -> Setup {
    let faults = Faults { losses: 1, repeats: 1, ..Faults::default() };
    Setup { faults, ..world(1, 2, &[(G0, &[A]), (G1, &[A])]) }
}

/// Two chats, two gateways, three messages; a copy drops.
pub(crate) fn three() -> Setup {
    let faults = Faults { losses: 1, ..Faults::default() };
    Setup { faults, ..world(2, 2, &[(G0, &[A, B, A]), (G1, &[])]) }
}

/// Two chats, two gateways, a gateway that dies.
pub(crate) fn crash() -> Setup {
    let faults = Faults { crashes: 1, ..Faults::default() };
    Setup { faults, ..world(2, 2, &[(G0, &[A, B]), (G1, &[])]) }
}

/// Two chats; a connection breaks, a copy drops, tokens are used.
pub(crate) fn resume() -> Setup {
    let faults = Faults { cuts: 1, losses: 1, ..Faults::default() };
    Setup { faults, ..world(2, 1, &[(G0, &[A, B]), (G0, &[])]) }
}

/// One chat; connections break twice, tokens are used or no longer taken.
pub(crate) fn resume_twice() -> Setup {
    let faults = Faults { cuts: 2, stale_tokens: 1, ..Faults::default() };
    Setup { faults, ..world(1, 1, &[(G0, &[A]), (G0, &[])]) }
}

/// A slow history worker, a reader whose first hello comes at any time, connections that break twice.
pub(crate) fn answers() -> Setup {
    let faults = Faults { cuts: 2, stale_tokens: 1, ..Faults::default() };
    Setup { faults, store_lags: true, ..world(1, 1, &[(G0, &[A]), (None, &[])]) }
}

/// Two senders in one chat, cut off and refused.
pub(crate) fn turns() -> Setup {
    let faults = Faults { cuts: 1, refusals: 1, ..Faults::default() };
    Setup { faults, ..world(1, 1, &[(G0, &[A]), (G0, &[A])]) }
}

/// As `turns`, with a second message behind the refused one. Larger: searched for counterexamples,
/// never explored completely.
pub(crate) fn pipelined() -> Setup {
    let faults = Faults { cuts: 1, refusals: 1, ..Faults::default() };
    Setup { faults, ..world(1, 1, &[(G0, &[A]), (G0, &[A, A])]) }
}

/// A sender that was away while another one sent, and sends before it has synced.
pub(crate) fn away() -> Setup {
    let faults = Faults { cuts: 1, ..Faults::default() };
    Setup { faults, ..world(1, 1, &[(G0, &[A]), (G0, &[A, A])]) }
}
