//! Every event is covered by a pointer to everybody who was a member at it.

use std::collections::HashMap;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_nats::Subject;
use tidings_nats::testing::until;
use tidings_protocol::event::Created;
use tidings_protocol::{ChatId, ChatKind, EventKind, Pointer, Seq, UserId};

use super::model::{Model, users};
use super::script::{Script, event, message};
use super::world::{CHATS, INBOXES, PATIENCE, World, chat, small_batches, small_windows, user};
use crate::{PointerSettings, WorkerHandle, history};

/// Everybody's pointers.
pub(super) async fn inboxes(world: &World) -> HashMap<UserId, Vec<(Seq, Pointer)>> {
    let mut inboxes = HashMap::new();
    for user in users() {
        inboxes.insert(user, world.pointers_of(user).await);
    }
    inboxes
}

/// Waits until everything in the log is covered and acked.
pub(super) async fn all_pointed(world: &World, worker: &WorkerHandle) {
    let last = world.last(CHATS).await;
    until("the floor", PATIENCE, async || worker.stats()[0].done == last).await;
}

/// Everything owed is covered, and every pointer says what the log says.
pub(super) async fn assert_covered(world: &World, script: &Script) {
    let model = Model::of(script);
    let inboxes = inboxes(world).await;
    for (chat, user, seq) in &model.owed {
        let covers = |pointer: &Pointer| pointer.chat == *chat && pointer.first <= *seq && *seq <= pointer.seq;
        let covered = inboxes[user].iter().any(|(_, pointer)| covers(pointer));
        assert!(covered, "{seq} of {chat} for {user}");
    }
    for (user, pointers) in &inboxes {
        for (_, pointer) in pointers {
            assert!(model.ever_member(pointer.chat, *user));
            assert_true_to(&model, pointer);
        }
        assert_ends_right(&model, *user, pointers);
    }
}

/// A pointer is a picture of the chat as of its `seq`.
fn assert_true_to(model: &Model, pointer: &Pointer) {
    let entry = model.entry_at(pointer.chat, pointer.seq);
    assert_eq!((pointer.newest.seq, pointer.newest.n), (entry.0, entry.3), "{pointer:?}");
    assert_eq!(pointer.members, entry.4, "{pointer:?}");
    assert_eq!(pointer.newest.preview, model.newest[&(pointer.chat, pointer.seq)], "{pointer:?}");
    assert_eq!(pointer.role.is_none(), pointer.left_seq.is_some());
    assert!(pointer.left_seq.is_none_or(|left| left == pointer.seq));
    assert_eq!(pointer.chat_kind, if pointer.chat == chat(0) { ChatKind::Direct } else { ChatKind::Group });
}

/// Each chat's newest pointer says how the user stands in the end.
fn assert_ends_right(model: &Model, user: UserId, pointers: &[(Seq, Pointer)]) {
    let mut newest: HashMap<ChatId, &Pointer> = HashMap::new();
    for (_, pointer) in pointers {
        let kept = newest.entry(pointer.chat).or_insert(pointer);
        if pointer.seq > kept.seq {
            *kept = pointer;
        }
    }
    for ((chat, of), member) in &model.members {
        if *of == user {
            let pointer = newest[chat];
            assert_eq!((pointer.joined_seq, pointer.left_seq, pointer.role.is_some()), *member, "{pointer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_who_come_and_go_are_pointed_to_every_event_they_were_there_for() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 11).await;
    let history = world.start_history(&world.store, &small_batches());
    let pointers = world.start_pointers(&small_windows());
    script.go_on(&world, 400).await;
    all_pointed(&world, &pointers).await;
    assert_covered(&world, &script).await;
    let stats = pointers.stats()[0];
    assert_eq!((stats.failures, stats.read), (0, world.last(CHATS).await));
    assert_eq!(stats.written, world.last(INBOXES).await);
    pointers.drain().await;
    history.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_at_any_point_and_begun_again_nothing_is_left_uncovered() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 12).await;
    let history = world.start_history(&world.store, &small_batches());
    let mut rng = StdRng::seed_from_u64(12);
    for _ in 0..15 {
        let pointers = world.start_pointers(&small_windows());
        script.go_on(&world, 20).await;
        let events = rng.random_range(0..40);
        let last = world.last(CHATS).await;
        let far = async || pointers.stats()[0].events >= events || pointers.stats()[0].done == last;
        until("some events", PATIENCE, far).await;
        pointers.drain().await;
    }
    let pointers = world.start_pointers(&small_windows());
    all_pointed(&world, &pointers).await;
    pointers.drain().await;
    history.drain().await;
    assert_covered(&world, &script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rows_have_already_is_pointed_to_as_it_was() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 13).await;
    script.go_on(&world, 300).await;
    let history = world.start_history(&world.store, &small_batches());
    world.progressed(&world.store, history::WORKER, CHATS, world.last(CHATS).await).await;
    history.drain().await;
    // Everything at once, members from rows that are newer than what is pointed to.
    let pointers = world.start_pointers(&small_windows());
    all_pointed(&world, &pointers).await;
    assert_covered(&world, &script).await;
    // And on: the rows stay behind, so members are rows and the log after them.
    script.go_on(&world, 100).await;
    all_pointed(&world, &pointers).await;
    pointers.drain().await;
    assert_covered(&world, &script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_rows_the_log_is_enough() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 14).await;
    let pointers = world.start_pointers(&small_windows());
    script.go_on(&world, 200).await;
    all_pointed(&world, &pointers).await;
    pointers.drain().await;
    assert_covered(&world, &script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_chat_costs_one_pointer_per_window_and_a_change_does_not_wait() {
    let world = World::start().await;
    let members = vec![user(1), user(2)];
    let created = Created { kind: ChatKind::Group, title: None, members };
    let subject = Subject::chat(chat(1));
    let begin = event(EventKind::Created, 1, &created);
    world.put(subject, begin.encode().unwrap()).await;
    let long = PointerSettings { first_window_ms: 60_000, ..small_windows() };
    let pointers = world.start_pointers(&long);
    all_pointed(&world, &pointers).await;
    assert_eq!(world.pointers_of(user(2)).await.len(), 1);
    for _ in 0..100 {
        world.put(subject, message(1, "busy").encode().unwrap()).await;
    }
    let read = world.last(CHATS).await;
    until("reading", PATIENCE, async || pointers.stats()[0].read == read).await;
    // They wait for the window's end, a minute away; the floor waits with them. A removal does not.
    assert_eq!(world.pointers_of(user(2)).await.len(), 1);
    assert_eq!(pointers.stats()[0].done, 1);
    let change = serde_json::json!({ "user": user(2) });
    let removed = world.put(subject, event(EventKind::MemberRemoved, 1, &change).encode().unwrap()).await;
    all_pointed(&world, &pointers).await;
    let told = world.pointers_of(user(2)).await;
    assert_eq!(told.len(), 2);
    assert_eq!((told[1].1.first, told[1].1.seq, told[1].1.left_seq), (2, removed, Some(removed)));
    assert!(told[1].1.chat_changed);
    let own = world.pointers_of(user(1)).await[1].1.own.unwrap();
    assert_eq!((own.seq, own.n), (removed - 1, 100));
    pointers.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_chat_does_not_hold_up_a_small_one() {
    let world = World::start().await;
    let many: Vec<_> = (1..3_000).map(user).collect();
    let large = Created { kind: ChatKind::Group, title: None, members: many };
    let small = Created { kind: ChatKind::Direct, title: None, members: vec![user(1), user(5_000)] };
    let settings = PointerSettings { chat_in_flight: 8, members: 10_000, ..small_windows() };
    world.put(Subject::chat(chat(1)), event(EventKind::Created, 1, &large).encode().unwrap()).await;
    world.put(Subject::chat(chat(0)), event(EventKind::Created, 1, &small).encode().unwrap()).await;
    let began = Instant::now();
    let pointers = world.start_pointers(&settings);
    all_pointed(&world, &pointers).await;
    let last = world.last(INBOXES).await;
    assert_eq!(last, 2_999 + 2, "after {:?}", began.elapsed());
    let small = world.pointers_of(user(5_000)).await[0].0;
    assert!(small < last / 2, "the small chat was {small}th of {last}");
    pointers.drain().await;
}
