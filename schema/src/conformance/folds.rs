//! Folds of random logs over a store: the rows are those of the naive model, whatever way they came about.

use std::collections::HashMap;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use tidings_protocol::{ChatId, Seq};

use super::log::{LoggedEvent, random_log};
use super::model::model_of;
use super::{Factory, Store, dump};
use crate::history::HistoryWrite;
use crate::rules::{ChatFold, ChatView, Found, look_up};
use crate::{Progress, StoreError};

const EVENTS: usize = 160;
const STREAM: &str = "CHAT_0";

/// A history worker in small: folds, and writes in batches.
struct Worker<'a> {
    store: &'a dyn Store,
    /// Where it began: folds are loaded as of here.
    start: Seq,
    folds: HashMap<ChatId, ChatFold>,
    waiting: Vec<HistoryWrite>,
}

impl<'a> Worker<'a> {
    fn new(store: &'a dyn Store, start: Seq) -> Self {
        Self { store, start, folds: HashMap::new(), waiting: Vec::new() }
    }

    async fn take(&mut self, event: &LoggedEvent) -> Result<(), StoreError> {
        if event.seq <= self.start {
            return Ok(());
        }
        if !self.folds.contains_key(&event.chat) {
            let fold = ChatFold::load(self.store, event.chat, self.start).await?;
            self.folds.insert(event.chat, fold);
        }
        if let Some(fold) = self.folds.get_mut(&event.chat) {
            let found = look_up(self.store, fold, event.seq, &event.stored).await?;
            self.waiting.extend(fold.apply(event.seq, &event.stored, &found));
        }
        Ok(())
    }

    async fn write(&mut self, upto: Seq) -> Result<(), StoreError> {
        self.store.apply_history(STREAM, &self.waiting, progress(upto)).await?;
        self.waiting.clear();
        self.folds.values_mut().for_each(ChatFold::settled);
        Ok(())
    }

    /// Takes all of `log`, writing now and then.
    async fn run(&mut self, log: &[LoggedEvent], rng: &mut StdRng) -> Result<(), StoreError> {
        for event in log {
            self.take(event).await?;
            if rng.random_bool(0.15) {
                self.write(event.seq).await?;
            }
        }
        self.write(log.last().map_or(0, |event| event.seq)).await
    }
}

fn progress(seq: Seq) -> Progress {
    Progress { seq, time_ms: 0, epoch: 1 }
}

pub(super) async fn fold_equals_model(store: &dyn Store, mut rng: StdRng, seed: u64) -> Result<(), StoreError> {
    let log = random_log(&mut rng, EVENTS);
    Worker::new(store, 0).run(&log, &mut rng).await?;
    let model = model_of(&log);
    assert_eq!(dump::history(store).await?, model, "seed {seed}");

    // Whoever keeps no rows comes to the same heads and members.
    let mut views: HashMap<ChatId, ChatView> = HashMap::new();
    for event in &log {
        let view = views.entry(event.chat);
        let view = view.or_insert_with(|| ChatView::new(event.chat));
        let effect = view.apply(event.seq, &event.stored.event);
        assert!(effect.is_some(), "seed {seed}");
        assert_eq!(view.apply(event.seq, &event.stored.event), None);
    }
    for head in &model.heads {
        let view = &views[&head.chat];
        assert_eq!(view.head.row(head.chat).as_ref(), Some(head), "seed {seed}");
        let mut members: Vec<_> = view.members.rows().copied().collect();
        members.sort_by_key(|row| row.user);
        let expected = model.members.iter().filter(|row| row.chat == head.chat);
        assert_eq!(members, expected.copied().collect::<Vec<_>>(), "seed {seed}");
    }
    Ok(())
}

/// A worker that goes back to any place, over rows that are newer, again and again, writes nothing new (R11).
pub(super) async fn any_rewind_gives_the_same(store: &dyn Store, mut rng: StdRng, seed: u64) -> Result<(), StoreError> {
    let log = random_log(&mut rng, EVENTS);
    let mut done = 0;
    while done < log.len() {
        let next = rng.random_range(done + 1..=log.len());
        let back = rng.random_range(0..=done);
        let start = back.checked_sub(1).map_or(0, |place| log[place].seq);
        let mut worker = Worker::new(store, start);
        worker.run(&log[..next], &mut rng).await?;
        done = next;
        let expected = model_of(&log[..done]);
        assert_eq!(dump::history(store).await?, expected, "seed {seed}");
    }
    for start in log.iter().step_by(9).map(|event| event.seq) {
        let mut worker = Worker::new(store, start);
        worker.run(&log, &mut rng).await?;
        let expected = model_of(&log);
        assert_eq!(dump::history(store).await?, expected, "seed {seed} from {start}");
    }
    Ok(())
}

/// Two workers that believe both to be the one, each at its own place (R9).
pub(super) async fn two_workers_at_once(store: &dyn Store, mut rng: StdRng, seed: u64) -> Result<(), StoreError> {
    let log = random_log(&mut rng, EVENTS);
    let (mut one, mut two) = (Worker::new(store, 0), Worker::new(store, 0));
    let (mut at_one, mut at_two) = (0, 0);
    while at_one < log.len() || at_two < log.len() {
        let (worker, at) = if rng.random_bool(0.5) { (&mut one, &mut at_one) } else { (&mut two, &mut at_two) };
        let upto = (*at + rng.random_range(1..12)).min(log.len());
        for event in &log[*at..upto] {
            worker.take(event).await?;
        }
        *at = upto;
        if let Some(last) = upto.checked_sub(1) {
            worker.write(log[last].seq).await?;
        }
    }
    assert_eq!(dump::history(store).await?, model_of(&log), "seed {seed}");
    Ok(())
}

/// The writes of a log in any order, repeated and overlapping.
pub(super) async fn any_order_gives_the_same(
    factory: &dyn Factory,
    mut rng: StdRng,
    seed: u64,
) -> Result<(), StoreError> {
    let log = random_log(&mut rng, EVENTS);
    let mut folds: HashMap<ChatId, ChatFold> = HashMap::new();
    let mut writes = Vec::new();
    for event in &log {
        let fold = folds.entry(event.chat);
        let fold = fold.or_insert_with(|| ChatFold::new(event.chat));
        writes.extend(fold.apply(event.seq, &event.stored, &Found::default()));
    }
    let expected = model_of(&log);
    for _ in 0..3 {
        let store = factory.empty().await?;
        let again = writes.choose_multiple(&mut rng, writes.len() / 2);
        let mut order: Vec<_> = writes.iter().chain(again).cloned().collect();
        order.shuffle(&mut rng);
        for batch in order.chunks(37) {
            let progress = progress(rng.random_range(1..1000));
            store.apply_history(STREAM, batch, progress).await?;
        }
        assert_eq!(dump::history(&*store).await?, expected, "seed {seed}");
    }
    Ok(())
}
