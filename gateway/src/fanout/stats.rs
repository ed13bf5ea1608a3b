//! Counters of the fan-out, readable while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Live counters; written by the hub only.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)* }

        /// What the counters said at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub(crate) struct FanoutStats { $($(#[$doc])* pub(crate) $name: u64,)* }

        impl Counters {
            pub(crate) fn read(&self) -> FanoutStats {
                FanoutStats { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Live events of chats received.
    live_chat_events,
    /// Live events of inboxes received.
    live_inbox_events,
    /// Chat events encoded into a frame for everybody.
    encodes,
    /// Frames put into sessions' queues.
    deliveries,
    /// Log reads that filled a hole or a new chat.
    repairs,
    /// Log reads for single sessions.
    catch_ups,
    /// Sessions told to sync a chat because they were too far behind.
    resyncs,
    /// Subjects whose tail was compared with the stream's.
    tails_checked,
    /// Tails that were behind when compared.
    tails_behind,
    /// Times the live connection may have lost something.
    interruptions,
    /// Chats that became warm.
    warmed,
    /// Chats that went cold.
    cooled,
    /// Chats warm now.
    warm_chats,
    /// Users connected now.
    users,
    /// Sessions connected now.
    sessions,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
