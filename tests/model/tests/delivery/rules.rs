//! One rule off: the property it is there for breaks.

use tidings_model::properties::{ANSWER, COMPLETE, DEVICE_ORDER, LOG_ORDER, ONCE, TOKEN, WHOLE};
use tidings_model::rules::Rules;
use tidings_model::setup::Setup;

use crate::search::breaks;
use crate::worlds;

fn without(rules: Rules, world: Setup) -> Setup {
    Setup { rules, ..world }
}

#[test]
fn without_r2_a_client_skips_what_was_lost() {
    let rules = Rules { gap_rule: false, ..Rules::all() };
    breaks(without(rules, worlds::live()), WHOLE);
}

#[test]
fn without_r2_a_client_shows_a_repeated_copy_again() {
    let rules = Rules { gap_rule: false, ..Rules::all() };
    breaks(without(rules, worlds::live()), LOG_ORDER);
}

#[test]
fn without_r5_a_late_copy_is_a_second_message() {
    let rules = Rules { void_events: false, ..Rules::all() };
    breaks(without(rules, worlds::late()), ONCE);
}

#[test]
fn without_r6_a_retry_after_the_window_is_a_second_message() {
    let rules = Rules { look_before_retry: false, ..Rules::all() };
    breaks(without(rules, worlds::late()), ONCE);
}

#[test]
fn without_r7_a_later_message_passes() {
    let rules = Rules { one_group_in_flight: false, ..Rules::all() };
    breaks(without(rules, worlds::order()), DEVICE_ORDER);
}

#[test]
fn without_r8_the_last_message_is_never_missed() {
    let rules = Rules { tail_check: false, ..Rules::all() };
    breaks(without(rules, worlds::live()), COMPLETE);
}

#[test]
fn without_r13_an_answer_lacks_what_was_acked() {
    let rules = Rules { read_your_writes: false, ..Rules::all() };
    breaks(without(rules, worlds::answers()), ANSWER);
}

#[test]
fn without_r14_a_token_passes_what_was_not_delivered() {
    let rules = Rules { token_after_delivery: false, ..Rules::all() };
    breaks(without(rules, worlds::resume()), TOKEN);
}

#[test]
fn without_r14_the_client_never_gets_it() {
    let rules = Rules { token_after_delivery: false, ..Rules::all() };
    breaks(without(rules, worlds::resume()), COMPLETE);
}

#[test]
fn without_r15_a_chat_nobody_watches_moves_unseen() {
    let rules = Rules { pointers_in_log: false, ..Rules::all() };
    breaks(without(rules, worlds::resume()), COMPLETE);
}
