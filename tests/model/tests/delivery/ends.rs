//! Every run ends: no world has a cycle. What holds at the end of every run holds "in the end" only
//! because of this; a loop in which a client asks for ever would pass all other tests.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::Model;
use tidings_model::setup::Setup;
use tidings_model::state::State;

use crate::worlds;

/// States by hash; true once everything that follows was seen, false while on the current path.
type Seen = HashMap<u64, bool>;

fn acyclic(setup: &Setup, state: &State, seen: &mut Seen) -> bool {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    let key = hasher.finish();
    if let Some(done) = seen.get(&key) {
        return *done;
    }
    seen.insert(key, false);
    let ends = setup.next_states(state).iter().all(|next| acyclic(setup, next, seen));
    seen.insert(key, true);
    ends
}

fn ends(setup: &Setup) {
    let start = setup.init_states().remove(0);
    assert!(acyclic(setup, &start, &mut Seen::new()), "a run may go round for ever");
}

#[test]
fn runs_with_late_copies_end() {
    ends(&worlds::late_order());
}

#[test]
fn runs_with_refusals_end() {
    ends(&worlds::order());
}

#[test]
fn runs_with_lost_copies_end() {
    ends(&worlds::both());
}

#[test]
fn runs_with_resumed_clients_end() {
    ends(&worlds::resume_twice());
}
