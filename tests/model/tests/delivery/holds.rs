//! All rules on: every world keeps every property, over its whole space.

use tidings_model::properties::{NOT_WHOLE, UNSETTLED, VOID};

use crate::search::holds;
use crate::worlds;

#[test]
fn a_copy_lands_late() {
    holds(worlds::late(), 500_000, &[VOID, UNSETTLED]);
}

#[test]
fn a_copy_lands_late_and_the_client_moves_twice() {
    holds(worlds::late_twice(), 250_000, &[VOID, UNSETTLED]);
}

#[test]
fn two_copies_land_late() {
    holds(worlds::late_order(), 90_000, &[VOID, UNSETTLED]);
}

#[test]
fn a_group_is_published_again() {
    holds(worlds::again(), 300_000, &[VOID, UNSETTLED]);
}

#[test]
fn three_messages_are_refused_and_unanswered() {
    holds(worlds::order(), 200_000, &[UNSETTLED]);
}

#[test]
fn three_messages_are_unanswered_and_come_live() {
    holds(worlds::order_live(), 350_000, &[UNSETTLED, NOT_WHOLE]);
}

#[test]
fn live_copies_drop_and_repeat() {
    holds(worlds::live(), 50_000, &[]);
}

#[test]
fn two_senders_on_two_gateways() {
    holds(worlds::both(), 60_000, &[]);
}

#[test]
fn two_chats_three_messages() {
    holds(worlds::three(), 110_000, &[]);
}

#[test]
fn a_gateway_dies() {
    holds(worlds::crash(), 400_000, &[UNSETTLED, NOT_WHOLE]);
}

#[test]
fn a_client_resumes() {
    holds(worlds::resume(), 300_000, &[UNSETTLED, NOT_WHOLE]);
}

#[test]
fn a_client_resumes_twice() {
    holds(worlds::resume_twice(), 5_000, &[UNSETTLED, NOT_WHOLE]);
}

#[test]
fn the_store_is_behind() {
    holds(worlds::answers(), 20_000, &[UNSETTLED, NOT_WHOLE]);
}

#[test]
fn two_senders_are_refused_and_cut_off() {
    holds(worlds::turns(), 150_000, &[UNSETTLED, NOT_WHOLE]);
}
