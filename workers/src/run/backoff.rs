//! Pauses after failures: doubling, bounded, jittered, so that workers that fail together do not come back together.

use std::time::Duration;

use rand::Rng;

/// The pauses of one loop.
#[derive(Debug)]
pub(crate) struct Backoff {
    min_ms: u64,
    max_ms: u64,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms: min_ms.max(1), max_ms: max_ms.max(1), failures: 0 }
    }

    /// The pause after one more failure: between half and all of what the doubling has reached.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self.min_ms.saturating_mul(1 << self.failures.min(32));
        self.failures = self.failures.saturating_add(1);
        let longest = doubled.min(self.max_ms);
        Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
    }

    /// It went well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_start_again() {
        let mut backoff = Backoff::new(100, 1_000);
        let mut longest = Vec::new();
        for _ in 0..6 {
            longest.push(backoff.next());
        }
        for (pause, bound) in longest.iter().zip([100, 200, 400, 800, 1_000, 1_000]) {
            let bound = Duration::from_millis(bound);
            assert!(*pause <= bound && *pause >= bound / 2, "{pause:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= Duration::from_millis(1_000));
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
