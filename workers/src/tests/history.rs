//! Rows of chats.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_nats::Subject;
use tidings_nats::testing::until;
use tidings_protocol::EventKind;
use tidings_schema::history::{HistoryWrite, Range};
use tidings_schema::{HistoryStore, Progress, ProgressStore};

use super::model::{Model, assert_rows, dump};
use super::script::{Line, Script, message};
use super::world::{CHATS, PATIENCE, World, chat, lease, small_batches};
use crate::history::WORKER;
use crate::{RowSettings, history};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_equal_a_naive_fold_and_damage_is_listed_once() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 1).await;
    let worker = world.start_history(&world.store, &small_batches());
    script.go_on(&world, 400).await;
    let last = world.last(CHATS).await;
    let progress = world.progressed(&world.store, WORKER, CHATS, last).await;
    assert_eq!(progress.seq, last);
    assert_eq!(progress.epoch, world.log.state(CHATS).await.unwrap().epoch);
    assert_rows(&dump(&world.store).await, &Model::of(&script));
    let garbage = script.written.iter().filter(|(_, _, line)| matches!(line, Line::Garbage(_)));
    let expected: Vec<_> =
        garbage.map(|(_, seq, _)| ("dead.history".to_owned(), *seq, "unreadable".to_owned())).collect();
    assert!(expected.len() > 5);
    assert_eq!(world.dead().await, expected);
    let stats = worker.stats()[0];
    assert_eq!((stats.done, stats.events, stats.failures), (last, last, 0));
    assert_eq!(stats.dead, expected.len() as u64);
    assert!(stats.active && stats.written > last);
    worker.drain().await;
    assert!(!worker.stats()[0].active);
    // Begun again, the rewound part changes nothing and is not listed again.
    let again = world.start_history(&world.store, &small_batches());
    let seq = world.put(Subject::chat(chat(1)), message(1, "more").encode().unwrap()).await;
    world.progressed(&world.store, WORKER, CHATS, seq).await;
    assert_eq!(world.dead().await, expected);
    again.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_at_any_point_and_begun_again_the_rows_are_the_same() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 2).await;
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..12 {
        script.go_on(&world, 25).await;
        let worker = world.start_history(&world.store, &small_batches());
        let events = rng.random_range(0..60);
        let far = async || worker.stats()[0].events >= events || worker.stats()[0].done == world.last(CHATS).await;
        until("some events", PATIENCE, far).await;
        worker.drain().await;
    }
    let worker = world.start_history(&world.store, &RowSettings::default());
    let last = world.last(CHATS).await;
    world.progressed(&world.store, WORKER, CHATS, last).await;
    worker.drain().await;
    let once = world.other_store();
    let worker = world.start_history(&once, &RowSettings::default());
    world.progressed(&once, WORKER, CHATS, last).await;
    worker.drain().await;
    let rows = dump(&world.store).await;
    assert_eq!(rows, dump(&once).await);
    assert_rows(&rows, &Model::of(&script));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_harmless_and_a_standby_takes_over() {
    let world = World::start().await;
    let mut script = Script::begin(&world, 3).await;
    // Leases have different keys per worker and stream, so two that work at once run without any.
    let unleased = |settings: RowSettings| {
        let deps = world.history_deps(&world.store);
        let streams = world.log.shards().chat_streams()[0];
        let counters = crate::run::stats::Counters::new(streams);
        async move { history::run_unleased(deps, streams, settings, &counters).await }
    };
    let writing = async {
        script.go_on(&world, 200).await;
        let last = world.last(CHATS).await;
        world.progressed(&world.store, WORKER, CHATS, last).await;
    };
    tokio::select! {
        ended = unleased(small_batches()) => unreachable_end(ended),
        ended = unleased(RowSettings { batch_events: 3, ..small_batches() }) => unreachable_end(ended),
        () = writing => {}
    }
    assert_rows(&dump(&world.store).await, &Model::of(&script));

    let first = world.start_history(&world.store, &small_batches());
    until("the lease", PATIENCE, async || first.stats()[0].active).await;
    let standby = world.start_history(&world.store, &small_batches());
    script.go_on(&world, 20).await;
    assert!(!standby.stats()[0].active);
    first.drain().await;
    script.go_on(&world, 20).await;
    let last = world.last(CHATS).await;
    world.progressed(&world.store, WORKER, CHATS, last).await;
    assert!(standby.stats()[0].active);
    standby.drain().await;
    assert_rows(&dump(&world.store).await, &Model::of(&script));
}

fn unreachable_end(ended: Result<std::convert::Infallible, crate::WorkerError>) {
    let Err(error) = ended;
    assert_eq!(error.to_string(), "", "the loop ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn void_events_make_no_row_but_move_the_watermark() {
    let world = World::start().await;
    let worker = world.start_history(&world.store, &small_batches());
    let mut last = 0;
    for _ in 0..20 {
        last = world.put_void(Subject::chat(chat(1)), message(1, "late").encode().unwrap()).await;
    }
    assert_eq!(world.progressed(&world.store, WORKER, CHATS, last).await.seq, last);
    assert_eq!(world.store.heads(&[chat(1)]).await.unwrap(), [None]);
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_log_are_left_alone() {
    let world = World::start().await;
    let state = world.log.state(CHATS).await.unwrap();
    let name = CHATS.to_string();
    let other = Progress { seq: 5, time_ms: 1, epoch: state.epoch + 1 };
    world.store.apply_history(&name, &[], other).await.unwrap();
    let deps = world.history_deps(&world.store);
    let counters = crate::run::stats::Counters::new(CHATS);
    let Err(refused) = history::run_unleased(deps, CHATS, small_batches(), &counters).await;
    let expected = format!("progress of CHAT_0 is of epoch {}, the stream is of epoch {}", other.epoch, state.epoch);
    assert_eq!(refused.to_string(), expected);
    // A log that ends below the rows lost its end.
    let store = world.other_store();
    let ahead = Progress { seq: 5, time_ms: 1, epoch: state.epoch };
    store.apply_history(&name, &[], ahead).await.unwrap();
    let deps = world.history_deps(&store);
    let Err(refused) = history::run_unleased(deps, CHATS, small_batches(), &counters).await;
    assert_eq!(refused.to_string(), "CHAT_0 ends at 0, but rows are written up to 5");
    // The worker logs it and waits; it does not write.
    let worker = world.start_history(&store, &small_batches());
    world.put(Subject::chat(chat(1)), message(1, "x").encode().unwrap()).await;
    until("failures", PATIENCE, async || worker.stats()[0].failures > 1).await;
    assert_eq!(store.progress(WORKER, &name).await.unwrap(), Some(ahead));
    worker.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_and_a_server_that_restarts_are_waited_out() {
    let mut world = World::start().await;
    let mut script = Script::begin(&world, 4).await;
    let flaky = Arc::new(Flaky::new(world.store.clone()));
    let deps = history::HistoryDeps { store: flaky.clone(), ..world.history_deps(&world.store) };
    let worker = history::start(&deps, &small_batches(), &lease(), &world.cancel, &world.tracker);
    script.go_on(&world, 50).await;
    flaky.fail(true);
    script.go_on(&world, 30).await;
    until("failures", PATIENCE, async || worker.stats()[0].failures > 1).await;
    flaky.fail(false);
    world.progressed(&world.store, WORKER, CHATS, world.last(CHATS).await).await;
    world.server.restart();
    until("the server", PATIENCE, async || world.log.state(CHATS).await.is_ok()).await;
    script.go_on(&world, 50).await;
    world.progressed(&world.store, WORKER, CHATS, world.last(CHATS).await).await;
    worker.drain().await;
    assert_rows(&dump(&world.store).await, &Model::of(&script));
    let kinds = world.store.entries(chat(1), Range::After(0), 1).await.unwrap();
    assert_eq!(kinds[0].kind, EventKind::Created.as_str());
}

/// A store that can be told to fail.
pub(super) struct Flaky {
    store: Arc<tidings_schema::SqliteStore>,
    fails: std::sync::atomic::AtomicBool,
}

impl Flaky {
    pub(super) fn new(store: Arc<tidings_schema::SqliteStore>) -> Self {
        Self { store, fails: std::sync::atomic::AtomicBool::new(false) }
    }

    pub(super) fn fail(&self, fails: bool) {
        self.fails.store(fails, std::sync::atomic::Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), tidings_schema::StoreError> {
        if !self.fails.load(std::sync::atomic::Ordering::SeqCst) {
            return Ok(());
        }
        let source = std::io::Error::other("told to fail").into();
        Err(tidings_schema::StoreError::Unavailable { step: "testing", source })
    }
}

#[async_trait::async_trait]
impl HistoryStore for Flaky {
    async fn apply_history(
        &self,
        stream: &str,
        writes: &[HistoryWrite],
        progress: Progress,
    ) -> Result<(), tidings_schema::StoreError> {
        self.check()?;
        self.store.apply_history(stream, writes, progress).await
    }

    async fn heads(
        &self,
        chats: &[tidings_protocol::ChatId],
    ) -> Result<Vec<Option<tidings_schema::history::HeadRow>>, tidings_schema::StoreError> {
        self.check()?;
        self.store.heads(chats).await
    }

    async fn entries(
        &self,
        chat: tidings_protocol::ChatId,
        range: Range,
        limit: usize,
    ) -> Result<Vec<tidings_schema::history::EntryRow>, tidings_schema::StoreError> {
        self.check()?;
        self.store.entries(chat, range, limit).await
    }

    async fn entry_at(
        &self,
        chat: tidings_protocol::ChatId,
        seq: tidings_protocol::Seq,
    ) -> Result<Option<tidings_schema::history::EntryRow>, tidings_schema::StoreError> {
        self.check()?;
        self.store.entry_at(chat, seq).await
    }

    async fn member(
        &self,
        chat: tidings_protocol::ChatId,
        user: tidings_protocol::UserId,
    ) -> Result<Option<tidings_schema::history::MemberRow>, tidings_schema::StoreError> {
        self.check()?;
        self.store.member(chat, user).await
    }

    async fn members(
        &self,
        chat: tidings_protocol::ChatId,
        after: Option<tidings_protocol::UserId>,
        limit: usize,
    ) -> Result<Vec<tidings_schema::history::MemberRow>, tidings_schema::StoreError> {
        self.check()?;
        self.store.members(chat, after, limit).await
    }
}
