//! How a test explores a world and reads the outcome.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use stateright::{Checker, HasDiscoveries, Model, Path};
use tidings_model::actions::Action;
use tidings_model::properties::{ALL, ENDS};
use tidings_model::setup::Setup;
use tidings_model::state::State;

/// Steps after which a search stops and its test fails: a world that grew past this is split, so that
/// the tests stay quick and small in memory.
const STEPS_MAX: usize = 6_000_000;

/// Explores all of a world: every property holds, every witness is seen, and there are at least
/// `states` states, so that a model in which nothing happens does not pass.
pub(crate) fn holds(setup: Setup, states: usize, witnesses: &[&'static str]) {
    let stop = HasDiscoveries::AnyFailures;
    let checker = setup.checker().finish_when(stop).target_state_count(STEPS_MAX).spawn_bfs().join();
    let explored = checker.unique_state_count();
    println!("{explored} states, {} steps, depth {}", checker.state_count(), checker.max_depth());
    for property in ALL {
        let path = checker.discovery(property);
        assert!(path.is_none(), "`{property}` does not hold:\n{}", path.map_or_else(String::new, |p| story(&p)));
    }
    for witness in witnesses.iter().chain([&ENDS]) {
        assert!(checker.discovery(witness).is_some(), "never `{witness}`");
    }
    assert!(checker.state_count() < STEPS_MAX, "not explored completely");
    assert!(explored >= states, "only {explored} states of {states}");
}

/// Finds a shortest way to break a property and prints it; fails if there is none.
pub(crate) fn breaks(setup: Setup, property: &'static str) {
    let stop = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = setup.checker().finish_when(stop).target_state_count(STEPS_MAX).spawn_bfs().join();
    let path = checker.discovery(property).expect("a rule is off, so its property breaks");
    println!("`{property}` breaks after {} states:\n{}", checker.unique_state_count(), story(&path));
}

/// A path: one action a line, then the log and what the clients show.
fn story(path: &Path<State, Action>) -> String {
    let mut text = String::new();
    for action in path.clone().into_actions() {
        let _ = writeln!(text, "  {action:?}");
    }
    let end = path.last_state();
    for (seq, stored) in end.events() {
        let _ = writeln!(text, "  log {seq}: {:?} void: {}", stored.message, stored.void);
    }
    for client in &end.clients {
        let _ = writeln!(text, "  token {:?}, outbox {:?}, {:?}", client.token, client.outbox, client.views.0);
    }
    text
}
