//! A look at how fast the workers are, all three at once: `cargo test -p tidings-workers rates -- --ignored --nocapture`.

use std::time::Instant;

use futures_util::future::join_all;
use tidings_nats::{Append, Owner, Subject};
use tidings_protocol::event::Created;
use tidings_protocol::{ChatKind, EventKind};

use super::pointers::all_pointed;
use super::script::{event, message};
use super::world::{CHATS, INBOXES, World, chat, user};
use crate::{PointerSettings, RowSettings, history, user_chats};

const CHAT_COUNT: u128 = 2_000;
const ROUNDS: usize = 10;

async fn write(world: &World, n: u128, event: tidings_protocol::Event) {
    let payload = event.encode().unwrap().into();
    let append = Append::new(Subject::chat(chat(n)), Owner(n as u64), None, payload);
    world.publisher.append(append).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints rates, checks nothing"]
async fn rates() {
    let world = World::start().await;
    let began = Instant::now();
    let created = |n| {
        let created = Created { kind: ChatKind::Direct, title: None, members: vec![user(n), user(n + 1)] };
        event(EventKind::Created, n, &created)
    };
    join_all((0..CHAT_COUNT).map(|n| write(&world, n, created(n)))).await;
    for _ in 0..ROUNDS {
        join_all((0..CHAT_COUNT).map(|n| write(&world, n, message(n, &"x".repeat(200))))).await;
    }
    let events = world.last(CHATS).await;
    println!("{events} events written in {:?}", began.elapsed());

    let began = Instant::now();
    let worker = world.start_history(&world.store, &RowSettings::default());
    world.progressed(&world.store, history::WORKER, CHATS, events).await;
    println!("history: {} rows in {:?}", worker.stats()[0].written, began.elapsed());

    let began = Instant::now();
    let pointers = world.start_pointers(&PointerSettings::default());
    all_pointed(&world, &pointers).await;
    println!("pointers: {} in {:?}", pointers.stats()[0].written, began.elapsed());

    let began = Instant::now();
    let lists = world.start_user_chats(&world.store, &RowSettings::default());
    world.progressed(&world.store, user_chats::WORKER, INBOXES, world.last(INBOXES).await).await;
    println!("user_chats: {} rows in {:?}", lists.stats()[0].written, began.elapsed());
}
