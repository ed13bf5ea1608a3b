//! The engine against a server of a few lines that refuses, forgets, loses, repeats and cuts: whatever happens, every
//! message is stored once and in order, every outcome is told, and the app sees each chat's log.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod server;
mod world;

use std::time::{Duration, Instant};

use tidings_protocol::server_frame::{Drain, ErrorFrame, Resync, Sent, ServerFrame, Synced, Tick};
use tidings_protocol::{ChatId, ClientId, Entry, ErrorCode, Refusal};

use self::server::{body, event, me, summary, welcome};
use self::world::World;
use super::*;

#[test]
fn any_order_of_losses_refusals_and_reconnects_stores_each_message_once_and_shows_the_whole_log() {
    for seed in 0..1_000 {
        let mut world = World::new(seed);
        world.run(400);
        world.calm();
        world.check();
    }
}

/// A client that is connected to a chat known up to 5.
struct Bench {
    engine: Engine,
    now: Instant,
    chat: ChatId,
}

impl Bench {
    fn new() -> Self {
        let chat = ChatId(uuid::Uuid::from_u128(77));
        let mut bench = Self { engine: Engine::new(Resume::default(), 1), now: Instant::now(), chat };
        bench.engine.welcome(welcome(vec![summary(chat, 5)], false, "t0"), bench.now);
        bench.engine.take_actions();
        bench
    }

    fn push(&mut self, nth: u128) -> ClientId {
        let client_id = ClientId(uuid::Uuid::from_u128(nth));
        self.engine.push(self.chat, client_id, body(nth as u64), self.now);
        client_id
    }

    fn frame(&mut self, frame: ServerFrame) -> Taken {
        self.engine.frame(frame, self.now)
    }

    /// What was asked since: `(id, send and its marks)`, `(id, sync and its place)`.
    fn asked(&mut self) -> Vec<(u64, String)> {
        let mut asked = Vec::new();
        for action in self.engine.take_actions() {
            if let Action::Ask(request) = action {
                asked.push((
                    request.id,
                    match request.command {
                        Command::Send(send) => {
                            let nth = send.client_id.0.as_u128();
                            if send.retry {
                                format!("retry {nth} after {}", send.after_seq.unwrap())
                            } else {
                                format!("send {nth}")
                            }
                        }
                        Command::Sync(sync) => format!("sync after {}", sync.after),
                        other => panic!("{other:?}"),
                    },
                ));
            }
        }
        asked
    }

    fn texts(&mut self) -> Vec<String> {
        self.asked().into_iter().map(|(_, text)| text).collect()
    }

    fn sent(&mut self, re: u64, nth: u128, seq: Seq) {
        let (chat, client_id) = (self.chat, ClientId(uuid::Uuid::from_u128(nth)));
        let at = tidings_protocol::Timestamp(0);
        self.frame(ServerFrame::Sent(Sent { re, chat, client_id, seq, at, duplicate: false }));
    }

    fn refused(&mut self, re: u64, code: ErrorCode) -> Taken {
        self.frame(ServerFrame::Error(ErrorFrame::of(re, Refusal::new(code, ""))))
    }

    fn synced(&mut self, re: u64, own: &[(Seq, u128)], limited: bool) {
        let entry = |(seq, nth): &(Seq, u128)| Entry {
            seq: *seq,
            prev: None,
            n: None,
            event: event(me(), Some(ClientId(uuid::Uuid::from_u128(*nth)))),
        };
        let items = own.iter().map(entry).collect();
        self.frame(ServerFrame::Synced(Synced { re, chat: self.chat, items, limited, cursor: None }));
    }

    fn later(&mut self, by: Duration) -> bool {
        self.now += by;
        self.engine.wake(self.now)
    }
}

#[test]
fn sends_are_pipelined_and_those_behind_a_refused_one_follow_it_again_in_order() {
    let mut bench = Bench::new();
    [1, 2, 3].iter().for_each(|nth| {
        let _ = bench.push(*nth);
    });
    let ids: Vec<u64> = bench.asked().iter().map(|(id, _)| *id).collect();
    bench.refused(ids[0], ErrorCode::Overloaded);
    bench.refused(ids[1], ErrorCode::OutOfTurn);
    assert_eq!(bench.asked(), [(4, "sync after 5".to_owned())]);
    bench.refused(ids[2], ErrorCode::OutOfTurn);
    bench.synced(4, &[], false);
    // The pause holds.
    assert_eq!(bench.texts(), Vec::<String>::new());
    assert!(bench.later(Duration::from_secs(1)));
    assert_eq!(bench.texts(), ["retry 1 after 5", "retry 2 after 5", "retry 3 after 5"]);
}

#[test]
fn an_outcome_that_is_not_known_is_looked_up_before_anything_else() {
    let mut bench = Bench::new();
    bench.push(1);
    let ids = bench.asked();
    bench.refused(ids[0].0, ErrorCode::OutcomeUnknown);
    bench.push(2);
    let asked = bench.asked();
    assert_eq!(asked[0].1, "sync after 5");
    assert_eq!(asked.len(), 1);
    bench.synced(asked[0].0, &[(6, 1)], true);
    // More follow: nothing is sent yet, but the message is settled already.
    let settled = bench.engine.take_actions();
    assert!(settled.iter().any(|action| matches!(action, Action::Settled(_, Ok(stored)) if stored.seq == 6)));
    let Some(Action::Ask(next)) = settled.into_iter().find(|action| matches!(action, Action::Ask(_))) else {
        panic!("the rest is not asked for")
    };
    bench.synced(next.id, &[], false);
    assert_eq!(bench.texts(), ["send 2"]);
}

#[test]
fn a_reconnect_syncs_the_chats_with_open_sends_first_and_then_retries_in_order() {
    let mut bench = Bench::new();
    let other = ChatId(uuid::Uuid::from_u128(7));
    bench.engine.welcome(welcome(vec![summary(other, 3)], true, "t1"), bench.now);
    [1, 2].iter().for_each(|nth| {
        let _ = bench.push(*nth);
    });
    let ids = bench.asked();
    assert_eq!(ids.len(), 2);
    bench.sent(ids[1].0, 2, 8);
    bench.engine.lost();
    bench.push(3);
    assert_eq!(bench.texts(), Vec::<String>::new());
    bench.engine.welcome(welcome(vec![summary(other, 4)], true, "t2"), bench.now);
    let asked = bench.asked();
    assert_eq!(asked.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["sync after 5", "sync after 3"]);
    bench.synced(asked[0].0, &[(8, 2)], false);
    assert_eq!(bench.texts(), ["retry 1 after 8", "send 3"]);
}

#[test]
fn a_final_refusal_ends_one_message_and_no_other() {
    let mut bench = Bench::new();
    [1, 2].iter().for_each(|nth| {
        let _ = bench.push(*nth);
    });
    let ids = bench.asked();
    bench.refused(ids[0].0, ErrorCode::TooLarge);
    bench.sent(ids[1].0, 2, 6);
    let outcomes: Vec<String> = bench
        .engine
        .take_actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Settled(id, Ok(stored)) => Some(format!("{} at {}", id.0.as_u128(), stored.seq)),
            Action::Settled(id, Err(refusal)) => Some(format!("{} {}", id.0.as_u128(), refusal.code)),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, ["1 too_large", "2 at 6"]);
}

#[test]
fn a_refused_sync_is_asked_again_later_and_a_chat_that_is_not_ours_is_given_up() {
    let mut bench = Bench::new();
    bench.frame(ServerFrame::Resync(Resync { chats: None }));
    let asked = bench.asked();
    bench.refused(asked[0].0, ErrorCode::LogUnavailable);
    assert_eq!(bench.texts(), Vec::<String>::new());
    assert!(bench.engine.next_wake().is_some());
    bench.later(Duration::from_secs(1));
    let again = bench.asked();
    assert_eq!(again[0].1, "sync after 5");
    bench.push(1);
    bench.refused(again[0].0, ErrorCode::NoSuchChat);
    let lost = bench.engine.take_actions();
    assert!(matches!(&lost[..], [Action::Settled(_, Err(refusal))] if refusal.code == ErrorCode::NoSuchChat));
}

#[test]
fn an_answer_that_does_not_come_ends_the_connection() {
    let mut bench = Bench::new();
    bench.push(1);
    assert!(bench.later(SEND_TIMEOUT - Duration::from_millis(1)));
    assert!(!bench.later(Duration::from_millis(1)));
    bench.engine.lost();
    assert!(bench.later(Duration::from_secs(1)));
}

#[test]
fn while_the_server_drains_nothing_new_begins_and_what_began_is_heard() {
    let mut bench = Bench::new();
    bench.push(1);
    let ids = bench.asked();
    let drained = bench.frame(ServerFrame::Drain(Drain { reconnect_after_ms: 100, window_ms: 5_000 }));
    assert!(matches!(drained, Taken::Drain(wait, _) if wait == Duration::from_millis(100)));
    bench.push(2);
    bench.sent(ids[0].0, 1, 6);
    let actions = bench.engine.take_actions();
    assert!(matches!(&actions[..], [Action::Settled(_, Ok(_))]), "{actions:?}");
}

#[test]
fn what_is_kept_goes_with_the_token_of_the_same_moment() {
    let mut bench = Bench::new();
    bench.frame(ServerFrame::Tick(Tick { since: "t9".to_owned() }));
    let kept = bench.engine.resume();
    assert_eq!(
        (kept.since.as_deref(), kept.chats[&bench.chat].last, kept.chats[&bench.chat].whole),
        (Some("t9"), 5, true)
    );
    bench.frame(ServerFrame::Resync(Resync { chats: Some(vec![bench.chat]) }));
    let kept = bench.engine.resume();
    assert!(!kept.chats[&bench.chat].whole);
    // Another process goes on: the chat is asked for though the welcome does not name it.
    let mut next = Engine::new(kept, 2);
    assert_eq!(next.since().as_deref(), Some("t9"));
    next.welcome(welcome(vec![], true, "t10"), bench.now);
    assert!(next.take_actions().iter().any(|action| matches!(action, Action::Ask(_))));
}

#[test]
fn no_more_requests_are_under_way_than_a_gateway_takes() {
    let mut bench = Bench::new();
    (1..=100).for_each(|nth| {
        let _ = bench.push(nth);
    });
    let ids = bench.asked();
    assert_eq!(ids.len(), SENDS_IN_FLIGHT);
    bench.sent(ids[0].0, 1, 6);
    assert_eq!(bench.texts(), [format!("send {}", SENDS_IN_FLIGHT + 1)]);
}
