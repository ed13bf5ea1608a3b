//! How often one session may send: a bucket that fills by time. A session above its rate is slowed down, not refused: its
//! next send waits, and with its lane full its socket is not read, so the flood stays in the flooder's own buffers.

use std::time::{Duration, Instant};

/// One session's bucket.
#[derive(Debug)]
pub(crate) struct SendRate {
    /// 0: no bound.
    per_second: u32,
    burst: f64,
    left: f64,
    filled: Instant,
}

impl SendRate {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second, burst, left: burst, filled: now }
    }

    /// Takes one send and says how long it has to wait for its turn.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let rate = f64::from(self.per_second);
        self.left = (self.left + now.saturating_duration_since(self.filled).as_secs_f64() * rate).min(self.burst) - 1.0;
        self.filled = now;
        Duration::from_secs_f64((-self.left).max(0.0) / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = SendRate::new(10, 3, start);
        assert_eq!([rate.take(start), rate.take(start), rate.take(start)], [Duration::ZERO; 3]);
        assert_eq!(rate.take(start), Duration::from_millis(100));
        assert_eq!(rate.take(start + Duration::from_millis(100)), Duration::from_millis(100));
        assert_eq!(rate.take(start + Duration::from_millis(500)), Duration::ZERO);
        let mut free = SendRate::new(0, 0, start);
        assert!((0..1_000).all(|_| free.take(start).is_zero()));
    }
}
