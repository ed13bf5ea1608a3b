//! One reading changed: the text of the design allows it, and it does not hold.

use tidings_model::properties::{DEVICE_ORDER, ONCE, TOKEN, WHOLE};
use tidings_model::rules::Readings;
use tidings_model::setup::Setup;

use crate::search::breaks;
use crate::worlds;

fn with(readings: Readings, world: Setup) -> Setup {
    Setup { readings, ..world }
}

#[test]
fn a_deadline_from_publishing_lets_a_waiting_command_pass_the_window() {
    let readings = Readings { deadline_from_acceptance: false, ..Readings::all() };
    breaks(with(readings, worlds::late()), ONCE);
}

#[test]
fn an_own_prev_hides_an_own_message_still_open() {
    let readings = Readings { own_prev_when_settled: false, ..Readings::all() };
    breaks(with(readings, worlds::order_live()), WHOLE);
}

#[test]
fn an_event_before_the_sync_moves_last_over_a_hole() {
    let readings = Readings { event_waits_for_sync: false, ..Readings::all() };
    breaks(with(readings, worlds::away()), WHOLE);
}

#[test]
fn a_forgotten_not_whole_is_covered_by_the_token() {
    let readings = Readings { not_whole_is_kept: false, ..Readings::all() };
    breaks(with(readings, worlds::resume_twice()), TOKEN);
}

#[test]
fn a_send_behind_a_sync_passes_a_refused_one() {
    let readings = Readings { no_send_behind_sync: false, ..Readings::all() };
    breaks(with(readings, worlds::pipelined()), DEVICE_ORDER);
}
