//! Pointers while the store or the server is gone.

use std::sync::Arc;

use tidings_nats::Subject;
use tidings_nats::testing::until;
use tidings_protocol::event::Created;
use tidings_protocol::{ChatKind, EventKind, UserId};
use tidings_schema::{HistoryStore, Progress};

use super::history::Flaky;
use super::pointers::{all_pointed, assert_covered};
use super::script::{Script, event, message};
use super::world::{CHATS, PATIENCE, World, chat, lease, small_batches, small_windows, user};
use crate::pointers::PointersDeps;
use crate::{PointerSettings, pointers};

async fn begin(world: &World, n: u128, members: &[UserId]) {
    let created = Created { kind: ChatKind::Group, title: None, members: members.to_vec() };
    world.put(Subject::chat(chat(n)), event(EventKind::Created, 1, &created).encode().unwrap()).await;
}

async fn say(world: &World, n: u128) {
    world.put(Subject::chat(chat(n)), message(1, "x").encode().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_known_chats_go_on_and_others_wait_for_it() {
    let world = World::start().await;
    let flaky = Arc::new(Flaky::new(world.store.clone()));
    let deps = PointersDeps { store: flaky.clone(), ..world.pointers_deps() };
    let settings = PointerSettings { members: 1_000, ..small_windows() };
    let worker = pointers::start(&deps, &settings, &lease(), &world.cancel, &world.tracker);
    begin(&world, 1, &[user(1)]).await;
    all_pointed(&world, &worker).await;
    flaky.fail(true);
    begin(&world, 2, &[user(2)]).await;
    until("a failure", PATIENCE, async || worker.stats()[0].failures > 0).await;
    say(&world, 1).await;
    until("a known chat", PATIENCE, async || world.pointers_of(user(1)).await.len() == 2).await;
    assert_eq!(world.pointers_of(user(2)).await.len(), 0);
    assert_eq!(worker.stats()[0].done, 1, "the floor waits for the unknown chat");
    flaky.fail(false);
    all_pointed(&world, &worker).await;
    assert_eq!(world.pointers_of(user(2)).await.len(), 1);
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_log_are_not_trusted() {
    let world = World::start().await;
    let epoch = world.log.state(CHATS).await.unwrap().epoch;
    let other = Progress { seq: 9, time_ms: 1, epoch: epoch - 1 };
    world.store.apply_history(&CHATS.to_string(), &[], other).await.unwrap();
    let worker = world.start_pointers(&small_windows());
    begin(&world, 1, &[user(1)]).await;
    until("failures", PATIENCE, async || worker.stats()[0].failures > 1).await;
    assert_eq!(world.pointers_of(user(1)).await.len(), 0);
    assert_eq!(worker.stats()[0].done, 0);
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_leaves_nothing_uncovered() {
    let mut world = World::start().await;
    let mut script = Script::begin(&world, 21).await;
    let history = world.start_history(&world.store, &small_batches());
    let worker = world.start_pointers(&small_windows());
    for _ in 0..3 {
        script.go_on(&world, 60).await;
        world.server.restart();
        until("the server", PATIENCE, async || world.log.state(CHATS).await.is_ok()).await;
    }
    script.go_on(&world, 20).await;
    all_pointed(&world, &worker).await;
    worker.drain().await;
    history.drain().await;
    assert_covered(&world, &script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_overlap_and_leave_no_hole() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 22).await;
    let history = world.start_history(&world.store, &small_batches());
    let run = || {
        let counters = crate::run::stats::Counters::new(CHATS);
        let deps = world.pointers_deps();
        async move { pointers::run_unleased(deps, CHATS, small_windows(), &counters).await }
    };
    let writing = async {
        script.go_on(&world, 200).await;
        let worker = world.start_pointers(&small_windows());
        all_pointed(&world, &worker).await;
        worker.drain().await;
    };
    tokio::select! {
        // A floor that another worker has moved on may end the loop; the lease decides who begins again.
        () = async { let _ = tokio::join!(run(), run()); } => {}
        () = writing => {}
    }
    history.drain().await;
    assert_covered(&world, &script).await;
}
