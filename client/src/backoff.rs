//! How long to wait before trying again: growing, jittered, bounded. Pure: the caller gives the seed and waits itself.

use std::time::Duration;

/// The shortest wait's upper end.
pub const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// No wait is longer, whatever the server asks for.
pub const BACKOFF_MAX: Duration = Duration::from_secs(20);

/// A small generator for jitter (SplitMix64): eight bytes of state for each of thousands of clients.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A random part of `window`.
    pub(crate) fn within(&mut self, window: Duration) -> Duration {
        let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.next().checked_rem(nanos.saturating_add(1)).unwrap_or(0))
    }

    /// The wait after `failures` failures in a row (0 for the first): a random half to whole of a step that doubles from
    /// [`BACKOFF_MIN`] to [`BACKOFF_MAX`], and not before `at_least`.
    pub(crate) fn backoff(&mut self, failures: u32, at_least: Duration) -> Duration {
        let step = BACKOFF_MIN.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
        let wait = step / 2 + self.within(step / 2);
        if at_least > wait { at_least.min(BACKOFF_MAX) + self.within(BACKOFF_MIN) } else { wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_in_their_bounds() {
        for seed in 0..200 {
            let mut jitter = Jitter::new(seed);
            for failures in 0..40 {
                let step = (BACKOFF_MIN * 2u32.pow(failures.min(10))).min(BACKOFF_MAX);
                let wait = jitter.backoff(failures, Duration::ZERO);
                assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
            }
        }
    }

    #[test]
    fn the_servers_wish_is_kept_up_to_the_longest_wait() {
        let mut jitter = Jitter::new(1);
        let wait = jitter.backoff(0, Duration::from_secs(7));
        assert!(wait >= Duration::from_secs(7) && wait <= Duration::from_millis(7_500), "{wait:?}");
        let wait = jitter.backoff(0, Duration::from_secs(1_000_000));
        assert!(wait <= BACKOFF_MAX + BACKOFF_MIN, "{wait:?}");
    }

    #[test]
    fn a_window_is_used_from_end_to_end() {
        let mut jitter = Jitter::new(3);
        let window = Duration::from_millis(5_000);
        let waits: Vec<Duration> = (0..1_000).map(|_| jitter.within(window)).collect();
        assert!(waits.iter().all(|wait| *wait <= window));
        assert!(waits.iter().any(|wait| *wait < window / 10) && waits.iter().any(|wait| *wait > window * 9 / 10));
        assert_eq!(jitter.within(Duration::ZERO), Duration::ZERO);
    }
}
