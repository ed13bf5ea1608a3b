//! The one channel to whoever reads, and what happens when it is full.
//!
//! It protects R8's "never silently short": an event either goes into the channel, or it is counted and an
//! [`Interruption`] goes in before anything newer does. And it protects memory: the channel is bounded in items and in
//! bytes. A reader that is behind first stops the socket (the server keeps what comes, in its own bound); only after
//! `stall` are events dropped, until half of the room is free again, so that a slow reader gets few long gaps to repair
//! instead of many short ones.
//!
//! It never waits inside [`Delivery::push`] and knows nothing of connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::item::{Interruption, LiveItem};
use super::stats::Counters;

/// The receiver has been dropped: nobody will ever read again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReceiverGone;

/// The sending end. There is exactly one, which is why the room it has seen stays free until it sends.
#[derive(Debug)]
pub(super) struct Delivery {
    channel: mpsc::Sender<LiveItem>,
    /// Bytes of the items in the channel, oldest first. The receiver does not tell what it took; the length of this
    /// beyond the channel's does.
    sizes: VecDeque<usize>,
    bytes: usize,
    max_bytes: usize,
    stall: Duration,
    state: State,
    counters: Arc<Counters>,
}

#[derive(Debug)]
enum State {
    /// Items go straight in.
    Open,
    /// Full: this item waits for room, and the socket with it.
    Stalled { item: LiveItem, bytes: usize, until: Instant },
    /// Full for too long: events are counted and dropped until there is room for the interruption.
    Dropping { dropped: u64 },
}

impl Delivery {
    pub(super) fn new(
        channel: mpsc::Sender<LiveItem>,
        max_bytes: usize,
        stall: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        Self { channel, sizes: VecDeque::new(), bytes: 0, max_bytes, stall, state: State::Open, counters }
    }

    /// Hands an item on, or makes it wait, or drops it. Not to be called while [`Delivery::is_stalled`].
    pub(super) fn push(&mut self, item: LiveItem, bytes: usize) {
        match &mut self.state {
            State::Open => {
                self.forget_taken();
                if self.channel.capacity() == 0 || self.bytes >= self.max_bytes {
                    self.counters.stalls.fetch_add(1, Relaxed);
                    self.state = State::Stalled { item, bytes, until: Instant::now() + self.stall };
                } else {
                    self.put(item, bytes);
                }
            }
            // A second item while one waits: the caller did not hold back, so both are given up, and said so.
            State::Stalled { .. } => {
                self.start_dropping();
                self.drop_item(&item);
            }
            State::Dropping { .. } => self.drop_item(&item),
        }
    }

    /// An item waits for room: read nothing more from the socket.
    pub(super) fn is_stalled(&self) -> bool {
        matches!(self.state, State::Stalled { .. })
    }

    /// Waits for the next change of state: room, or the end of patience. Safe to cancel at any time.
    pub(super) async fn progress(&mut self) -> Result<(), ReceiverGone> {
        self.forget_taken();
        match &self.state {
            State::Open => {
                self.channel.closed().await;
                Err(ReceiverGone)
            }
            State::Stalled { until, .. } => {
                let items = self.room_below(self.max_bytes);
                // Whether there was room in time; the room is given back, and stays until `put` takes one of it.
                let room = timeout_at(*until, self.channel.reserve_many(items)).await.map(|permits| permits.map(drop));
                match room {
                    Ok(room) => room.map_err(|_| ReceiverGone)?,
                    Err(_) => {
                        self.start_dropping();
                        return Ok(());
                    }
                }
                if let State::Stalled { item, bytes, .. } = std::mem::replace(&mut self.state, State::Open) {
                    self.put(item, bytes);
                }
                Ok(())
            }
            State::Dropping { .. } => {
                let half = (self.channel.max_capacity() / 2).max(1);
                let room = self.room_below(self.max_bytes / 2 + 1).max(half);
                let permits = self.channel.reserve_many(room).await;
                drop(permits.map_err(|_| ReceiverGone)?);
                if let State::Dropping { dropped } = std::mem::replace(&mut self.state, State::Open) {
                    let overflow = Interruption::Overflow { dropped };
                    self.put(LiveItem::Interrupted(overflow), 0);
                }
                Ok(())
            }
        }
    }

    /// Ends a stall, one way or the other; for when there is no socket to hold back.
    pub(super) async fn settle(&mut self) -> Result<(), ReceiverGone> {
        while self.is_stalled() {
            self.progress().await?;
        }
        Ok(())
    }

    fn put(&mut self, item: LiveItem, bytes: usize) {
        let counter = match item {
            LiveItem::Event(_) => &self.counters.delivered,
            LiveItem::Interrupted(_) => &self.counters.interruptions,
        };
        // Full cannot be: the caller saw room and nobody else sends. Closed is found by `progress`.
        if self.channel.try_send(item).is_ok() {
            counter.fetch_add(1, Relaxed);
            self.sizes.push_back(bytes);
            self.bytes += bytes;
        }
    }

    fn start_dropping(&mut self) {
        let before = std::mem::replace(&mut self.state, State::Dropping { dropped: 0 });
        if let State::Stalled { item, .. } = before {
            self.drop_item(&item);
        }
    }

    /// An interruption that finds no room is covered by the one that is owed for the dropping.
    fn drop_item(&mut self, item: &LiveItem) {
        if let (State::Dropping { dropped }, LiveItem::Event(_)) = (&mut self.state, item) {
            *dropped += 1;
            self.counters.dropped.fetch_add(1, Relaxed);
        }
    }

    fn forget_taken(&mut self) {
        let waiting = self.channel.max_capacity() - self.channel.capacity();
        while self.sizes.len() > waiting {
            self.bytes -= self.sizes.pop_front().unwrap_or(0);
        }
    }

    /// How many items' room must be free for the rest to have fewer bytes than `bytes`; at least one.
    fn room_below(&self, bytes: usize) -> usize {
        let mut rest = self.bytes;
        let mut taken = 0;
        for size in &self.sizes {
            if rest < bytes {
                break;
            }
            rest -= size;
            taken += 1;
        }
        let free = self.channel.max_capacity() - self.sizes.len();
        (free + taken).clamp(1, self.channel.max_capacity())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::live::item::{LiveEvent, LiveSubject, StreamTag};
    use bytes::Bytes;
    use tidings_protocol::ChatId;
    use uuid::Uuid;

    fn event(seq: u64) -> LiveItem {
        LiveItem::Event(LiveEvent {
            subject: LiveSubject::Chat(ChatId(Uuid::nil())),
            stream: StreamTag::Chat,
            seq,
            prev: seq - 1,
            time_ms: 0,
            void: false,
            session: None,
            payload: Bytes::new(),
        })
    }

    fn overflow(dropped: u64) -> LiveItem {
        LiveItem::Interrupted(Interruption::Overflow { dropped })
    }

    fn delivery(items: usize, bytes: usize) -> (Delivery, mpsc::Receiver<LiveItem>) {
        let (sender, receiver) = mpsc::channel(items);
        let stall = Duration::from_millis(100);
        (Delivery::new(sender, bytes, stall, Arc::default()), receiver)
    }

    #[tokio::test(start_paused = true)]
    async fn room_in_time_loses_nothing() {
        let (mut delivery, mut receiver) = delivery(2, 1_000);
        for seq in 1..=3 {
            delivery.push(event(seq), 1);
        }
        assert!(delivery.is_stalled());
        assert_eq!(receiver.recv().await, Some(event(1)));
        delivery.progress().await.unwrap();
        assert!(!delivery.is_stalled());
        assert_eq!(receiver.recv().await, Some(event(2)));
        assert_eq!(receiver.recv().await, Some(event(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dropped_is_counted_and_said_before_anything_newer() {
        let (mut delivery, mut receiver) = delivery(2, 1_000);
        for seq in 1..=3 {
            delivery.push(event(seq), 1);
        }
        delivery.settle().await.unwrap();
        for seq in 4..=10 {
            delivery.push(event(seq), 1);
        }
        assert_eq!(receiver.recv().await, Some(event(1)));
        delivery.progress().await.unwrap();
        delivery.push(event(11), 1);
        assert!(delivery.is_stalled());
        assert_eq!(receiver.recv().await, Some(event(2)));
        delivery.progress().await.unwrap();
        assert_eq!(receiver.recv().await, Some(overflow(8)));
        assert_eq!(receiver.recv().await, Some(event(11)));
        assert_eq!(delivery.counters.dropped.load(Relaxed), 8);
        assert_eq!(delivery.counters.delivered.load(Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interruption_without_room_is_never_lost() {
        let (mut delivery, mut receiver) = delivery(1, 1_000);
        delivery.push(event(1), 1);
        delivery.push(LiveItem::Interrupted(Interruption::Reconnected), 0);
        delivery.settle().await.unwrap();
        assert_eq!(receiver.recv().await, Some(event(1)));
        delivery.progress().await.unwrap();
        assert_eq!(receiver.recv().await, Some(overflow(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_too_and_waiting_does_not_spin() {
        let (mut delivery, mut receiver) = delivery(100, 50);
        for seq in 1..=3 {
            delivery.push(event(seq), 25);
        }
        assert!(delivery.is_stalled());
        let waited = tokio::time::timeout(Duration::from_millis(10), delivery.progress()).await;
        assert!(waited.is_err(), "no room yet");
        receiver.recv().await.unwrap();
        delivery.progress().await.unwrap();
        assert!(!delivery.is_stalled());
        assert_eq!(receiver.len(), 2);
    }

    #[tokio::test]
    async fn a_reader_that_left_is_noticed() {
        let (mut delivery, receiver) = delivery(1, 1_000);
        drop(receiver);
        assert_eq!(delivery.progress().await, Err(ReceiverGone));
        let (mut delivery, receiver) = self::delivery(1, 1_000);
        delivery.push(event(1), 1);
        delivery.push(event(2), 1);
        drop(receiver);
        assert_eq!(delivery.settle().await, Err(ReceiverGone));
    }
}
