//! Log time: the servers' clock, as seen by this process.
//!
//! Deadlines of appends (R5) are in log time, because the server compares them with its own stamps and this machine's
//! wall clock may be anything. So this clock is fed by what servers say and runs on by the monotonic clock in between.
//! It never reads the wall clock.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

/// Log time, shared by everything in a process. A copy is the same clock.
#[derive(Clone, Debug, Default)]
pub struct LogClock {
    // The last thing a server said and when we heard it; held for a few instructions, never over an await.
    heard: Arc<Mutex<Option<Heard>>>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    time_ms: u64,
    at: Instant,
}

impl Heard {
    fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.time_ms.saturating_add(since)
    }
}

impl LogClock {
    /// A clock that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An event was stored at `time_ms`: now is not before that. An old event changes nothing.
    pub fn observe(&self, time_ms: u64) {
        let mut heard = self.heard.lock();
        if heard.is_none_or(|heard| heard.now_ms() < time_ms) {
            *heard = Some(Heard { time_ms, at: Instant::now() });
        }
    }

    /// A server answered "it is `time_ms`": believed also when it goes back.
    pub fn set(&self, time_ms: u64) {
        *self.heard.lock() = Some(Heard { time_ms, at: Instant::now() });
    }

    /// Milliseconds of log time since 1970; `None` until a server has told the time.
    pub fn now_ms(&self) -> Option<u64> {
        self.heard.lock().map(|heard| heard.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfed_clock_says_so() {
        assert_eq!(LogClock::new().now_ms(), None);
    }

    #[test]
    fn events_move_it_forward_only_and_an_answer_moves_it_anywhere() {
        let clock = LogClock::new();
        clock.observe(1_000_000);
        clock.observe(5);
        assert!(clock.now_ms().is_some_and(|now| now >= 1_000_000));
        clock.set(500);
        assert!(clock.now_ms().is_some_and(|now| (500..1_000_000).contains(&now)));
        clock.observe(2_000_000);
        assert!(clock.clone().now_ms().is_some_and(|now| now >= 2_000_000));
    }
}
