#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const BOUNDS: WindowBounds = WindowBounds { first_ms: 1_000, max_ms: 60_000, max_chats: 1_000, max_behind: 1_000_000 };

fn chat(n: u128) -> ChatId {
    ChatId(Uuid::from_u128(n))
}

fn flush(n: u128, first: Seq, last: Seq) -> Flush {
    Flush { chat: chat(n), first, last }
}

#[test]
fn the_first_event_of_a_quiet_chat_goes_at_once() {
    let mut windows = Windows::new(BOUNDS, 10);
    windows.on_event(5, chat(1), 11, false);
    assert_eq!(windows.next_due(5), Some(5));
    assert_eq!(windows.take_due(5), Some(flush(1, 11, 11)));
    assert_eq!(windows.take_due(5), None);
    assert_eq!(windows.floor(), 10);
    windows.done(6, chat(1), 11);
    assert_eq!(windows.floor(), 11);
}

#[test]
fn windows_double_while_the_chat_moves_and_start_again_after_a_quiet_one() {
    let mut windows = Windows::new(BOUNDS, 0);
    let mut seq = 0;
    let mut flushed_at = Vec::new();
    for now in 0..200_000 {
        seq += 1;
        windows.on_event(now, chat(1), seq, false);
        if windows.take_due(now).is_some() {
            flushed_at.push(now);
            windows.done(now, chat(1), seq);
        }
    }
    assert_eq!(flushed_at, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000, 183_000]);
    // The last events wait for the end of their window, 243,000; that one's window passes without an event.
    assert_eq!(windows.take_due(242_999), None);
    let last = windows.take_due(243_000).unwrap();
    windows.done(243_000, chat(1), last.last);
    assert_eq!(windows.take_due(303_000), None);
    assert_eq!(windows.open(), 0);
    windows.on_event(303_001, chat(1), seq + 1, false);
    assert_eq!(windows.take_due(303_001), Some(flush(1, seq + 1, seq + 1)));
    windows.done(303_001, chat(1), seq + 1);
    windows.on_event(303_002, chat(1), seq + 2, false);
    assert_eq!(windows.next_due(303_002), Some(304_001));
}

#[test]
fn a_change_of_the_chat_takes_the_waiting_events_with_it_and_does_not_widen_the_window() {
    let mut windows = Windows::new(BOUNDS, 0);
    windows.on_event(0, chat(1), 1, false);
    windows.take_due(0).unwrap();
    windows.done(0, chat(1), 1);
    windows.on_event(100, chat(1), 2, false);
    assert_eq!(windows.take_due(200), None);
    windows.on_event(300, chat(1), 3, true);
    windows.on_event(301, chat(1), 4, true);
    assert_eq!(windows.next_due(301), Some(300));
    assert_eq!(windows.take_due(301), Some(flush(1, 2, 4)));
    windows.done(302, chat(1), 4);
    windows.on_event(303, chat(1), 5, false);
    assert_eq!(windows.next_due(303), Some(1_301));
}

#[test]
fn one_flush_of_a_chat_at_a_time() {
    let mut windows = Windows::new(BOUNDS, 0);
    windows.on_event(0, chat(1), 1, true);
    windows.take_due(0).unwrap();
    windows.on_event(1, chat(1), 2, true);
    assert_eq!(windows.next_due(50_000), None);
    assert_eq!(windows.take_due(50_000), None);
    assert_eq!(windows.floor(), 0);
    windows.done(50_000, chat(1), 1);
    assert_eq!(windows.floor(), 1);
    assert_eq!(windows.take_due(50_000), Some(flush(1, 2, 2)));
}

#[test]
fn a_failed_flush_waits_again_with_what_came_meanwhile() {
    let mut windows = Windows::new(BOUNDS, 0);
    windows.on_event(0, chat(1), 1, false);
    windows.take_due(0).unwrap();
    windows.on_event(1, chat(1), 3, true);
    windows.on_event(2, chat(2), 4, false);
    windows.failed(chat(1), 500);
    assert_eq!(windows.floor(), 0);
    // The other chat does not wait for it.
    assert_eq!(windows.take_due(2), Some(flush(2, 4, 4)));
    assert_eq!(windows.take_due(499), None);
    assert_eq!(windows.take_due(500), Some(flush(1, 1, 3)));
    windows.failed(chat(1), 900);
    assert_eq!(windows.take_due(900), Some(flush(1, 1, 3)));
    windows.done(901, chat(1), 3);
    windows.done(901, chat(2), 4);
    assert_eq!(windows.floor(), 4);
}

#[test]
fn what_a_flush_covered_beyond_its_last_is_not_pointed_to_again() {
    let mut windows = Windows::new(BOUNDS, 0);
    windows.on_event(0, chat(1), 1, false);
    windows.take_due(0).unwrap();
    windows.on_event(1, chat(1), 2, false);
    windows.done(2, chat(1), 5);
    windows.on_event(3, chat(1), 5, false);
    assert_eq!(windows.floor(), 5);
    windows.on_event(4, chat(1), 6, false);
    assert_eq!(windows.floor(), 5);
    assert_eq!(windows.take_due(1_000), Some(flush(1, 6, 6)));
}

#[test]
fn a_repeat_changes_nothing_and_a_passed_event_moves_the_floor() {
    let mut windows = Windows::new(BOUNDS, 7);
    windows.on_event(0, chat(1), 7, true);
    assert_eq!(windows.open(), 0);
    windows.on_passed(9);
    assert_eq!(windows.floor(), 9);
}

#[test]
fn at_the_bound_of_chats_windows_close_early_and_quiet_ones_go() {
    let bounds = WindowBounds { max_chats: 2, ..BOUNDS };
    let mut windows = Windows::new(bounds, 0);
    windows.on_event(0, chat(1), 1, false);
    windows.take_due(0).unwrap();
    windows.done(0, chat(1), 1);
    windows.on_event(1, chat(1), 2, false);
    assert!(!windows.is_full());
    windows.on_event(2, chat(2), 3, false);
    assert!(windows.is_full());
    assert_eq!(windows.next_due(2), Some(2));
    assert_eq!(windows.take_due(2), Some(flush(2, 3, 3)));
    windows.done(3, chat(2), 3);
    assert!(!windows.is_full());
    assert_eq!(windows.take_due(3), None);
    assert!(windows.needs(chat(1)));
    assert!(!windows.needs(chat(2)));
}

#[test]
fn a_chat_that_holds_the_floor_too_long_is_flushed_early() {
    let bounds = WindowBounds { max_behind: 10, ..BOUNDS };
    let mut windows = Windows::new(bounds, 0);
    windows.on_event(0, chat(1), 1, false);
    windows.take_due(0).unwrap();
    windows.done(0, chat(1), 1);
    windows.on_event(1, chat(1), 2, false);
    windows.on_passed(11);
    assert_eq!(windows.take_due(1), None);
    windows.on_passed(12);
    assert_eq!(windows.take_due(1), Some(flush(1, 2, 2)));
    assert_eq!(windows.take_due(1), None);
    windows.done(1, chat(1), 2);
    assert_eq!(windows.floor(), 12);
}

#[derive(Clone, Debug)]
enum Step {
    Event { chat: u128, urgent: bool },
    Passed,
    Wait(u64),
    Take,
    Done { nth: usize },
    Failed { nth: usize, after_ms: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..5u128, prop::bool::weighted(0.1))
            .prop_map(|(chat, urgent)| Step::Event { chat, urgent }),
        1 => Just(Step::Passed),
        3 => (0..3_000u64).prop_map(Step::Wait),
        5 => Just(Step::Take),
        4 => (0..8usize).prop_map(|nth| Step::Done { nth }),
        1 => (0..8usize, 0..5_000u64).prop_map(|(nth, after_ms)| Step::Failed { nth, after_ms }),
    ];
    prop::collection::vec(step, 0..300)
}

/// What must hold after every step, kept the slow way.
#[derive(Default)]
struct Truth {
    seq: Seq,
    uncovered: BTreeMap<ChatId, Vec<Seq>>,
    in_flight: Vec<Flush>,
}

impl Truth {
    fn check(&self, windows: &Windows) {
        let waiting = self.uncovered.values().flatten().min();
        let floor = waiting.map_or(self.seq, |first| first - 1);
        assert_eq!(windows.floor(), floor, "the floor is just below what waits");
    }

    fn take(&mut self, flush: Flush) {
        assert!(self.in_flight.iter().all(|other| other.chat != flush.chat), "one at a time");
        let waiting = &self.uncovered[&flush.chat];
        assert_eq!(flush.first, waiting[0]);
        assert_eq!(Some(&flush.last), waiting.last());
        self.in_flight.push(flush);
    }

    fn done(&mut self, nth: usize) -> Flush {
        let flush = self.in_flight.remove(nth);
        let waiting = self.uncovered.get_mut(&flush.chat).unwrap();
        waiting.retain(|seq| *seq > flush.last);
        flush
    }
}

proptest! {
    #[test]
    fn every_event_is_covered_and_the_floor_waits_for_it(
        steps in steps(),
        max_chats in prop_oneof![Just(2usize), Just(1_000)],
        max_behind in prop_oneof![Just(5u64), Just(1_000_000)],
    ) {
        let bounds = WindowBounds { max_chats, max_behind, ..BOUNDS };
        let mut windows = Windows::new(bounds, 0);
        let mut truth = Truth::default();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Event { chat: n, urgent } => {
                    truth.seq += 1;
                    windows.on_event(now, chat(n), truth.seq, urgent);
                    truth.uncovered.entry(chat(n)).or_default().push(truth.seq);
                }
                Step::Passed => {
                    truth.seq += 1;
                    windows.on_passed(truth.seq);
                }
                Step::Wait(ms) => now += ms,
                Step::Take => {
                    if let Some(flush) = windows.take_due(now) {
                        truth.take(flush);
                    }
                }
                Step::Done { nth } if nth < truth.in_flight.len() => {
                    let flush = truth.done(nth);
                    windows.done(now, flush.chat, flush.last);
                }
                Step::Failed { nth, after_ms } if nth < truth.in_flight.len() => {
                    let flush = truth.in_flight.remove(nth);
                    windows.failed(flush.chat, now + after_ms);
                }
                Step::Done { .. } | Step::Failed { .. } => {}
            }
            truth.check(&windows);
        }
        // Nothing is forgotten: with time and acks everything is covered and every window closes.
        while !truth.in_flight.is_empty() {
            let flush = truth.done(0);
            windows.done(now, flush.chat, flush.last);
        }
        while let Some(at) = windows.next_due(now) {
            now = now.max(at);
            if let Some(flush) = windows.take_due(now) {
                truth.take(flush);
                let flush = truth.done(0);
                windows.done(now, flush.chat, flush.last);
            }
        }
        prop_assert_eq!(windows.floor(), truth.seq);
        prop_assert_eq!(windows.open(), 0);
        prop_assert!(windows.due.is_empty() && windows.firsts.is_empty());
    }

    #[test]
    fn a_busy_chat_costs_at_most_the_doubling_windows_and_one_flush_per_change(
        gaps in prop::collection::vec((0..900u64, prop::bool::weighted(0.02)), 1..2_000),
    ) {
        let mut windows = Windows::new(BOUNDS, 0);
        let (mut now, mut flushes, mut changes) = (0u64, 0u64, 0u64);
        let mut seq = 0;
        for (gap, urgent) in gaps {
            now += gap;
            seq += 1;
            changes += u64::from(urgent);
            windows.on_event(now, chat(1), seq, urgent);
            while let Some(flush) = windows.take_due(now) {
                flushes += 1;
                windows.done(now, flush.chat, flush.last);
            }
        }
        // 1 + 2 + 4 + ... + 32 s, then 60 s each; it never has a quiet window.
        prop_assert!(flushes <= 1 + changes + 6 + now / 60_000, "{} flushes in {} ms", flushes, now);
    }
}
