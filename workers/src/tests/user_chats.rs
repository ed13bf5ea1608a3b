//! Lists of chats from inboxes.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_nats::Subject;
use tidings_nats::testing::until;
use tidings_protocol::inbox::{InboxKind, Position, ReadPosition};
use tidings_protocol::{ChatId, ChatKind, InboxEvent, Newest, Pointer, Role, Seq, UserId};
use tidings_schema::rules::user_chat::UserChat;
use tidings_schema::user_chats::{UserChatRow, UserChatWrite};
use tidings_schema::{SqliteStore, UserChatsStore};

use super::world::{INBOXES, PATIENCE, World, chat, small_batches, user};
use crate::user_chats::WORKER;

/// A random log of inboxes, and what it must come to.
struct Inboxes {
    rng: StdRng,
    lists: BTreeMap<(UserId, ChatId), UserChat>,
    dead: Vec<(String, Seq, String)>,
}

impl Inboxes {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), lists: BTreeMap::new(), dead: Vec::new() }
    }

    async fn go_on(&mut self, world: &World, events: usize) {
        for _ in 0..events {
            let user = user(self.rng.random_range(0..4));
            let of = chat(self.rng.random_range(0..5));
            let seq = self.rng.random_range(1..500);
            let subject = Subject::inbox(user);
            match self.rng.random_range(0..12) {
                0..6 => {
                    let pointer = Box::new(self.pointer(of, seq));
                    let event = InboxEvent::new(InboxKind::Pointer(pointer.clone()));
                    world.put(subject, event.encode().unwrap()).await;
                    self.apply(user, of, UserChatWrite::Pointer { user, pointer });
                }
                6..9 => {
                    let read = ReadPosition { chat: of, seq, n: seq / 2 };
                    let event = InboxEvent::new(InboxKind::Read(read));
                    world.put(subject, event.encode().unwrap()).await;
                    self.apply(user, of, UserChatWrite::Read { user, read });
                }
                9 => {
                    let seq = world.put(subject, b"no event".to_vec()).await;
                    self.dead.push(("dead.user_chats".to_owned(), seq, "unreadable".to_owned()));
                }
                10 => {
                    let seq = world.put(subject, br#"{"v":1,"kind":"muted"}"#.to_vec()).await;
                    self.dead.push(("dead.user_chats".to_owned(), seq, "unknown_kind".to_owned()));
                }
                _ => {
                    let read = ReadPosition { chat: of, seq: 10_000, n: 10_000 };
                    let event = InboxEvent::new(InboxKind::Read(read));
                    world.put_void(subject, event.encode().unwrap()).await;
                }
            }
        }
    }

    fn apply(&mut self, user: UserId, of: ChatId, write: UserChatWrite) {
        self.lists.entry((user, of)).or_default().apply(&write);
    }

    /// A pointer whose cells are a function of its chat and `seq`, as in a real log.
    fn pointer(&mut self, of: ChatId, seq: Seq) -> Pointer {
        let own = self.rng.random_bool(0.3).then_some(Position { seq, n: seq / 2 });
        Pointer {
            chat: of,
            first: seq.saturating_sub(3).max(1),
            seq,
            chat_kind: ChatKind::Group,
            title: Some(format!("title {seq}")),
            with: None,
            members: seq,
            role: (!seq.is_multiple_of(7)).then_some(Role::Member),
            joined_seq: 1,
            left_seq: seq.is_multiple_of(7).then_some(seq),
            newest: Newest { seq, n: seq / 2, at: None, preview: Some("x".to_owned()), from: Some(user(1)) },
            own,
            chat_changed: own.is_some(),
        }
    }

    async fn assert_lists(&self, store: &SqliteStore) {
        let mut found = BTreeMap::new();
        for n in 0..4 {
            for UserChatRow { user, pointer, read } in store.list(user(n), None, 1_000).await.unwrap() {
                found.insert((user, pointer.chat), (pointer, read));
            }
        }
        let visible = self.lists.iter().filter_map(|(key, list)| Some((*key, (list.pointer.clone()?, list.read))));
        assert_eq!(found, visible.collect::<BTreeMap<_, _>>());
        for ((user, of), list) in &self.lists {
            let read = store.read_position(*user, *of).await.unwrap().unwrap_or_default();
            assert_eq!(read, list.read);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_equal_a_naive_fold_and_what_is_not_known_is_listed() {
    let world = World::start().await;
    let mut inboxes = Inboxes::new(31);
    let worker = world.start_user_chats(&world.store, &small_batches());
    inboxes.go_on(&world, 300).await;
    let last = world.last(INBOXES).await;
    let progress = world.progressed(&world.store, WORKER, INBOXES, last).await;
    assert_eq!(progress.seq, last);
    inboxes.assert_lists(&world.store).await;
    assert!(inboxes.dead.len() > 10);
    assert_eq!(world.dead().await, inboxes.dead);
    let stats = worker.stats()[0];
    assert_eq!((stats.events, stats.dead, stats.done), (last, inboxes.dead.len() as u64, last));
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_at_any_point_and_begun_again_the_lists_are_the_same() {
    let world = World::start().await;
    let mut inboxes = Inboxes::new(32);
    let mut rng = StdRng::seed_from_u64(32);
    for _ in 0..10 {
        inboxes.go_on(&world, 20).await;
        let worker = world.start_user_chats(&world.store, &small_batches());
        let events = rng.random_range(0..40);
        let last = world.last(INBOXES).await;
        let far = async || worker.stats()[0].events >= events || worker.stats()[0].done == last;
        until("some events", PATIENCE, far).await;
        worker.drain().await;
    }
    let worker = world.start_user_chats(&world.store, &small_batches());
    world.progressed(&world.store, WORKER, INBOXES, world.last(INBOXES).await).await;
    inboxes.assert_lists(&world.store).await;
    worker.drain().await;
}
