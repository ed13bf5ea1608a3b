//! The loop of the pointers worker: reads events, lets windows say which chats are due, loads and publishes them beside
//! each other, and moves the floor behind what is acked.
//!
//! It protects the floor (only [`Windows::floor`] is ever acked), the order per chat (one flush at a time), and the
//! neighbours: loads and publishes run as tasks with places of their own, so a store that does not answer holds up only
//! chats not in memory, and large chats may take only part of the places. Dropping the loop drops its tasks; what they
//! had not finished is behind the floor.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tidings_nats::{DurableFeed, FeedEvent, StreamName};
use tidings_protocol::{ChatId, Event, Seq};
use tidings_schema::rules::StoredEvent;
use tokio::task::JoinSet;

use super::load::Loader;
use super::publish::Outbox;
use super::trouble::Trouble;
use super::windows::{Flush, Millis, Windows};
use super::{ChatState, Memory};
use crate::WorkerError;
use crate::run::backoff::Backoff;
use crate::run::stats::{Counters, add, set};
use crate::settings::PointerSettings;

/// Chats loaded at the same time. More wait their turn.
const LOADS: usize = 16;
/// Events of one chat kept while it loads; with more it is loaded again.
const LOADING_EVENTS: usize = 1_000;
/// One place in this many may be taken by chats with more members than `chat_in_flight`.
const LARGE_SHARE: usize = 4;
/// Longest read of the feed while tasks run: so late their end is seen at the latest.
const BUSY_WAIT: Duration = Duration::from_millis(20);
/// Longest read of the feed while nothing runs.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// How a task of a flush ended.
enum Outcome {
    Loaded { flush: Flush, state: Box<Result<ChatState, WorkerError>> },
    Published { flush: Flush, covered: Seq, large: bool, pointers: Result<usize, WorkerError> },
}

/// The state of the loop.
pub(super) struct Drive<'a> {
    feed: DurableFeed,
    stream: StreamName,
    loader: Loader,
    outbox: Outbox,
    settings: &'a PointerSettings,
    memory: &'a mut Memory,
    counters: &'a Counters,
    windows: Windows,
    /// Loads and publishes that run; aborted when this is dropped.
    tasks: JoinSet<Outcome>,
    /// Due chats not in memory that wait for a place to load.
    to_load: VecDeque<Flush>,
    /// Chats that load, with their events read meanwhile; `None` when those were too many.
    loading: HashMap<ChatId, Option<Vec<(Seq, Event)>>>,
    /// Due chats with many members that wait for a place.
    large: VecDeque<Flush>,
    publishing: usize,
    publishing_large: usize,
    load_trouble: Trouble,
    publish_trouble: Trouble,
    /// Where the windows' clock begins.
    began: Instant,
    acked_at: Millis,
}

impl<'a> Drive<'a> {
    pub(super) fn new(
        feed: DurableFeed,
        stream: StreamName,
        loader: Loader,
        outbox: Outbox,
        settings: &'a PointerSettings,
        memory: &'a mut Memory,
        counters: &'a Counters,
    ) -> Self {
        let backoff = || Backoff::new(settings.retry_min_ms, settings.retry_max_ms);
        Self {
            windows: Windows::new(settings.windows(), feed.acked()),
            feed,
            stream,
            loader,
            outbox,
            settings,
            memory,
            counters,
            tasks: JoinSet::new(),
            to_load: VecDeque::new(),
            loading: HashMap::new(),
            large: VecDeque::new(),
            publishing: 0,
            publishing_large: 0,
            load_trouble: Trouble::new("loading members", backoff()),
            publish_trouble: Trouble::new("publishing pointers", backoff()),
            began: Instant::now(),
            acked_at: 0,
        }
    }

    /// Works until the log fails.
    pub(super) async fn run(mut self) -> Result<Infallible, WorkerError> {
        loop {
            self.start_due();
            if self.is_full() {
                self.wait_for_tasks().await?;
            } else {
                self.read().await?;
            }
            while let Some(ended) = self.tasks.try_join_next() {
                self.ended(ended)?;
            }
            self.ack().await?;
            self.tidy();
        }
    }

    fn now(&self) -> Millis {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Nothing more is read: a bound of the windows is reached, or chats are due for which there is no place.
    fn is_full(&self) -> bool {
        let now = self.now();
        let due = self.windows.next_due(now).is_some_and(|at| at <= now);
        self.windows.is_full() || (due && self.publishing >= self.settings.flushes)
    }

    /// Waits until a task ends, or a window.
    async fn wait_for_tasks(&mut self) -> Result<(), WorkerError> {
        let pause = self.wait(BUSY_WAIT);
        tokio::select! {
            Some(ended) = self.tasks.join_next() => self.ended(ended),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// How long nothing has to be looked at, at most `most`.
    fn wait(&self, most: Duration) -> Duration {
        let now = self.now();
        let mut until = self.windows.next_due(now);
        if self.windows.floor() > self.feed.acked() {
            let ack = self.acked_at + self.settings.ack_ms;
            until = Some(until.map_or(ack, |due| due.min(ack)));
        }
        let wait = until.map_or(most, |at| Duration::from_millis(at.saturating_sub(now)));
        // Never no wait at all: the loop must let others run.
        wait.clamp(Duration::from_millis(1), most)
    }

    async fn read(&mut self) -> Result<(), WorkerError> {
        let most = if self.tasks.is_empty() { IDLE_WAIT } else { BUSY_WAIT };
        let wait = self.wait(most);
        let events = self
            .feed
            .next(self.settings.batch_events, wait)
            .await
            .map_err(|source| WorkerError::Feed { stream: self.stream, source })?;
        let lag_ms = events.last().map_or(0, |last| {
            let now_ms = self.loader.log.clock().now_ms();
            now_ms.map_or(0, |now_ms| now_ms.saturating_sub(last.time_ms))
        });
        set(&self.counters.lag_ms, lag_ms);
        add(&self.counters.events, events.len());
        let now = self.now();
        for event in events {
            self.take_in(now, &event);
        }
        Ok(())
    }

    /// One event into its window, and into its chat if that is in memory.
    fn take_in(&mut self, now: Millis, event: &FeedEvent) {
        set(&self.counters.read, event.seq);
        let chat = event.subject.chat_id().filter(|chat| !event.void && !self.is_settled(*chat, event.seq));
        let Some(chat) = chat else {
            self.windows.on_passed(event.seq);
            self.memory.read = self.memory.read.max(event.seq);
            return;
        };
        let time_ms = i64::try_from(event.time_ms).unwrap_or(i64::MAX);
        // What does not read is an event of the chat like any other: history makes its row and its dead letter.
        let read = StoredEvent::read(event.payload.clone(), time_ms).event;
        let urgent = read.kind.changes_chat();
        self.windows.on_event(now, chat, event.seq, urgent);
        if let Some(state) = self.memory.chats.get_mut(&chat) {
            state.apply(event.seq, &read);
        } else if let Some(queue) = self.loading.get_mut(&chat) {
            match queue {
                Some(events) if events.len() < LOADING_EVENTS => events.push((event.seq, read)),
                _ => *queue = None,
            }
        }
        self.memory.read = self.memory.read.max(event.seq);
    }

    /// Whether an earlier flush has covered this event: loading a chat goes to its tail, further than the feed.
    fn is_settled(&mut self, chat: ChatId, seq: Seq) -> bool {
        self.memory.chats.get_mut(&chat).is_some_and(|state| seq <= state.settled())
    }

    /// Starts what is due and has a place.
    fn start_due(&mut self) {
        while self.loading.len() < LOADS
            && let Some(flush) = self.to_load.pop_front()
        {
            self.load(flush);
        }
        while self.publishing_large < self.large_places()
            && let Some(flush) = self.large.pop_front()
        {
            self.flush(flush);
        }
        let now = self.now();
        while self.publishing < self.settings.flushes
            && let Some(flush) = self.windows.take_due(now)
        {
            self.flush(flush);
        }
    }

    fn large_places(&self) -> usize {
        (self.settings.flushes / LARGE_SHARE).max(1)
    }

    /// Publishes a chat that is in memory; loads one that is not; a large one may have to wait for a place.
    fn flush(&mut self, flush: Flush) {
        let no_place = self.publishing_large >= self.large_places();
        let state = match self.memory.chats.get_mut(&flush.chat) {
            Some(state) if state.seq() >= flush.last => state,
            _ if self.loading.len() < LOADS => return self.load(flush),
            _ => return self.to_load.push_back(flush),
        };
        let large = state.members() > self.settings.chat_in_flight;
        let covered = state.seq();
        if large && no_place {
            self.large.push_back(flush);
            return;
        }
        let pointers = state.pointers(flush.first);
        self.publishing += 1;
        self.publishing_large += usize::from(large);
        let outbox = self.outbox.clone();
        self.tasks.spawn(async move {
            Outcome::Published { flush, covered, large, pointers: outbox.publish(flush.chat, pointers).await }
        });
    }

    fn load(&mut self, flush: Flush) {
        self.loading.insert(flush.chat, Some(Vec::new()));
        // Also what was read while the chat waited for its place.
        let newest = self.windows.newest(flush.chat).unwrap_or(flush.last);
        let loader = self.loader.clone();
        self.tasks.spawn(async move {
            let state = loader.load(flush.chat, flush.first, newest).await;
            Outcome::Loaded { flush, state: Box::new(state) }
        });
    }

    fn ended(&mut self, ended: Result<Outcome, tokio::task::JoinError>) -> Result<(), WorkerError> {
        match ended.map_err(WorkerError::Task)? {
            Outcome::Loaded { flush, state } => self.loaded(flush, *state),
            Outcome::Published { flush, covered, large, pointers } => {
                self.publishing -= 1;
                self.publishing_large -= usize::from(large);
                self.published(flush, covered, pointers);
            }
        }
        Ok(())
    }

    fn loaded(&mut self, flush: Flush, state: Result<ChatState, WorkerError>) {
        let queue = self.loading.remove(&flush.chat).flatten();
        // A load ends at least there; a shorter one would only be loaded again at once.
        let state = state.and_then(|state| match state.seq() >= flush.last {
            true => Ok(state),
            false => Err(WorkerError::Moved { chat: flush.chat }),
        });
        let (mut state, events) = match (state, queue) {
            (Ok(state), Some(events)) => (state, events),
            (Ok(_), None) => {
                // More came than was kept: once more, from the log.
                self.to_load.push_back(flush);
                return;
            }
            (Err(error), _) => {
                let pause = self.load_trouble.met(self.stream, &error);
                add(&self.counters.failures, 1);
                self.windows.failed(flush.chat, self.now() + pause);
                return;
            }
        };
        self.load_trouble.over(self.stream);
        for (seq, event) in events {
            state.apply(seq, &event);
        }
        let weight = state.weight();
        self.memory.chats.insert(flush.chat, state, weight);
        self.flush(flush);
    }

    fn published(&mut self, flush: Flush, covered: Seq, pointers: Result<usize, WorkerError>) {
        let now = self.now();
        match pointers {
            Ok(pointers) => {
                self.publish_trouble.over(self.stream);
                add(&self.counters.written, pointers);
                self.windows.done(now, flush.chat, covered);
                if let Some(state) = self.memory.chats.get_mut(&flush.chat) {
                    state.settle(covered);
                }
            }
            Err(error) => {
                let pause = self.publish_trouble.met(self.stream, &error);
                add(&self.counters.failures, 1);
                self.windows.failed(flush.chat, now + pause);
            }
        }
    }

    /// Writes the floor down, rarely: each time costs the server an fsync.
    async fn ack(&mut self) -> Result<(), WorkerError> {
        let floor = self.windows.floor();
        let now = self.now();
        if floor <= self.feed.acked() || now < self.acked_at + self.settings.ack_ms {
            return Ok(());
        }
        self.feed.ack_to(floor).await.map_err(|source| WorkerError::Feed { stream: self.stream, source })?;
        self.acked_at = self.now();
        // More than the floor when another worker was at it too.
        set(&self.counters.done, self.feed.acked());
        Ok(())
    }

    /// Drops the chats that moved longest ago, when there are too many members in memory.
    fn tidy(&mut self) {
        if self.memory.chats.young_weight() > self.settings.members / 2 {
            let windows = &self.windows;
            self.memory.chats.turn(|chat| windows.needs(*chat));
        }
    }
}
