//! Settings of the workers: one struct per worker. Each field says its unit, its default and who loses at the bound.

use std::time::Duration;

use serde::Deserialize;
use tidings_nats::LeaseSettings;

use crate::pointers::windows::WindowBounds;

/// Settings of all workers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkersSettings {
    /// The lease that keeps one worker active per stream.
    pub lease: LeaseSettings,
    /// How workers that write rows go about it: history and user_chats.
    pub rows: RowSettings,
    /// The pointers worker.
    pub pointers: PointerSettings,
}

/// How a worker that writes rows reads, groups and remembers.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowSettings {
    /// Most events written in one `apply`. Default 500.
    pub batch_events: usize,
    /// Milliseconds from one `apply` to the next while events keep coming; after a quieter time an event is written at
    /// once. Default 50.
    pub batch_ms: u64,
    /// Milliseconds of log time read again at a start (R11). Not below 60,000 outside tests. Default 60,000.
    pub rewind_ms: u64,
    /// Chats whose state is kept in memory by history; one more is read from its rows. Default 50,000.
    pub chats: usize,
    /// Milliseconds of the first pause after a failure; doubles. Default 100.
    pub retry_min_ms: u64,
    /// Milliseconds of the longest pause after failures. Default 5,000.
    pub retry_max_ms: u64,
}

impl Default for RowSettings {
    fn default() -> Self {
        Self {
            batch_events: 500,
            batch_ms: 50,
            rewind_ms: 60_000,
            chats: 50_000,
            retry_min_ms: 100,
            retry_max_ms: 5_000,
        }
    }
}

/// How chats' members are pointed to their chats (R15).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PointerSettings {
    /// Milliseconds from a chat's first pointer to its second while it moves; doubles. Default 1,000.
    pub first_window_ms: u64,
    /// Milliseconds between pointers of a chat that never rests. Clients of quiet devices learn of a busy chat's new
    /// messages this late at the latest. Default 60,000.
    pub max_window_ms: u64,
    /// Most chats with an open window. At the bound windows close early, and reading waits. Default 200,000.
    pub open_chats: usize,
    /// Most events of the stream between the oldest one waiting in a window and the newest one read: what a start has
    /// to point to again. Beyond it the chat that holds it up is flushed early. Default 500,000.
    pub behind_events: u64,
    /// Chats published to at the same time; a quarter of the places is for large ones. Default 256.
    pub flushes: usize,
    /// Most pointers of one chat that wait for their ack at a time: a large chat takes turns with small ones. Must not
    /// be above the publisher's share of one owner. Default 128.
    pub chat_in_flight: usize,
    /// Most pointers of all chats that wait for their ack at a time. Must be below what the publisher's queues hold.
    /// Default 4,000.
    pub in_flight: usize,
    /// Members kept in memory over all chats; the chats that moved longest ago go first, and are read again. About 100
    /// bytes each. Default 1,000,000.
    pub members: usize,
    /// Most events read at once. Default 500.
    pub batch_events: usize,
    /// Milliseconds between two acks of the consumer's floor. Default 500.
    pub ack_ms: u64,
    /// Milliseconds of the first pause after a failure; doubles. Default 100.
    pub retry_min_ms: u64,
    /// Milliseconds of the longest pause after failures. Default 5,000.
    pub retry_max_ms: u64,
}

impl Default for PointerSettings {
    fn default() -> Self {
        Self {
            first_window_ms: 1_000,
            max_window_ms: 60_000,
            open_chats: 200_000,
            behind_events: 500_000,
            flushes: 256,
            chat_in_flight: 128,
            in_flight: 4_000,
            members: 1_000_000,
            batch_events: 500,
            ack_ms: 500,
            retry_min_ms: 100,
            retry_max_ms: 5_000,
        }
    }
}

impl RowSettings {
    /// The shortest time between two applies under load.
    pub(crate) fn batch_time(&self) -> Duration {
        Duration::from_millis(self.batch_ms)
    }
}

impl PointerSettings {
    /// The bounds of the windows.
    pub(crate) fn windows(&self) -> WindowBounds {
        WindowBounds {
            first_ms: self.first_window_ms,
            max_ms: self.max_window_ms,
            max_chats: self.open_chats,
            max_behind: self.behind_events,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_absent_ones_have_their_default() {
        let refused = serde_json::from_str::<WorkersSettings>(r#"{"rows":{"batch":1}}"#).unwrap_err();
        assert!(refused.to_string().contains("unknown field `batch`"));
        let some: WorkersSettings = serde_json::from_str(r#"{"pointers":{"first_window_ms":20}}"#).unwrap();
        assert_eq!(some.pointers.first_window_ms, 20);
        assert_eq!(some.pointers.max_window_ms, 60_000);
        assert_eq!(some.rows.rewind_ms, 60_000);
    }
}
