//! A running role is a list of parts, started one after the other and drained the other way round.
//!
//! Every task of the process has a part that owns it and waits for it. A stop has one source (a signal, or a part that
//! failed), one deadline for all parts together, and ends with a verdict in the log: drained, or cut with the names of
//! the parts that were. A part that is added last depends on those before it, so it goes first.
//!
//! A part never stops another one, and never decides that the process ends.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// One piece of a role that runs until it is drained.
#[async_trait]
pub(crate) trait Part: Send {
    /// Its name in the log, in `/readyz?verbose` and in the verdict.
    fn name(&self) -> &'static str;

    /// Comes back only when the part has ended for good without being asked, with the reason. Dropping the future and
    /// asking again must lose nothing.
    async fn failed(&mut self) -> String;

    /// Lets what is under way finish, takes nothing new, ends every task and child of the part. Comes back by
    /// `deadline`, cutting what is not done by then.
    async fn drain(self: Box<Self>, deadline: Instant) -> Drained;
}

/// How the drain of a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Everything finished in time.
    Whole,
    /// Something was cut.
    Cut,
}

/// The started parts of a role, in the order of their start.
#[derive(Default)]
pub(crate) struct Parts {
    started: Vec<Box<dyn Part>>,
}

/// How the drain of all parts ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The parts that were cut; empty when all were drained.
    pub(crate) cut: Vec<&'static str>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Verdict {
    /// Says it in the log.
    pub(crate) fn say(&self) {
        let took_ms = self.took.as_millis();
        if self.cut.is_empty() {
            info!(took_ms, "drained");
        } else {
            warn!(took_ms, cut = ?self.cut, "drain cut short");
        }
    }
}

/// A part gets this long after the deadline (or after its turn came, when that was later) before it is dropped.
const DEADLINE_GRACE: Duration = Duration::from_millis(500);

impl Parts {
    /// Adds a part that has just started. What is added later may depend on it.
    pub(crate) fn add(&mut self, part: impl Part + 'static) {
        debug!(part = part.name(), "part started");
        self.started.push(Box::new(part));
    }

    /// Waits until a part ends by itself; for ever when none does.
    pub(crate) async fn failed(&mut self) {
        if self.started.is_empty() {
            return std::future::pending().await;
        }
        let ends = self.started.iter_mut().map(|part| async { (part.name(), part.failed().await) }.boxed());
        let ((part, reason), _, _) = select_all(ends).await;
        error!(part, reason, "part failed");
    }

    /// Drains all parts, the last started first.
    pub(crate) async fn drain(self, deadline: Instant) -> Verdict {
        let began = Instant::now();
        let mut cut = Vec::new();
        for part in self.started.into_iter().rev() {
            let name = part.name();
            match tokio::time::timeout_at(deadline.max(Instant::now()) + DEADLINE_GRACE, part.drain(deadline)).await {
                Ok(Drained::Whole) => debug!(part = name, "part drained"),
                Ok(Drained::Cut) | Err(_) => cut.push(name),
            }
        }
        Verdict { cut, took: began.elapsed() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::{Drained, Part, Parts};

    struct Fake {
        name: &'static str,
        takes: Duration,
        fails: bool,
        order: Arc<Mutex<Vec<&'static str>>>,
    }

    #[async_trait]
    impl Part for Fake {
        fn name(&self) -> &'static str {
            self.name
        }

        async fn failed(&mut self) -> String {
            if self.fails { "broken".to_owned() } else { std::future::pending().await }
        }

        async fn drain(self: Box<Self>, _: Instant) -> Drained {
            tokio::time::sleep(self.takes).await;
            self.order.lock().push(self.name);
            Drained::Whole
        }
    }

    struct Setup {
        order: Arc<Mutex<Vec<&'static str>>>,
        parts: Parts,
    }

    fn setup(fakes: &[(&'static str, u64)]) -> Setup {
        let order = Arc::default();
        let mut parts = Parts::default();
        for &(name, seconds) in fakes {
            let takes = Duration::from_secs(seconds);
            parts.add(Fake { name, takes, fails: name == "failing", order: Arc::clone(&order) });
        }
        Setup { order, parts }
    }

    #[tokio::test(start_paused = true)]
    async fn parts_are_drained_from_the_last_to_the_first() {
        let Setup { order, parts } = setup(&[("log", 1), ("workers", 1), ("gateway", 1)]);
        let verdict = parts.drain(Instant::now() + Duration::from_secs(10)).await;
        assert_eq!(*order.lock(), ["gateway", "workers", "log"]);
        assert!(verdict.cut.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_over_the_deadline_is_cut_and_named() {
        let Setup { order, parts } = setup(&[("log", 0), ("workers", 60), ("gateway", 0)]);
        let began = Instant::now();
        let verdict = parts.drain(began + Duration::from_secs(10)).await;
        assert_eq!(verdict.cut, ["workers"]);
        assert_eq!(*order.lock(), ["gateway", "log"], "the part below still gets its turn");
        assert_eq!(began.elapsed().as_millis(), 10_500);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_failing_part_ends_the_wait() {
        let Setup { mut parts, .. } = setup(&[("log", 0)]);
        assert!(tokio::time::timeout(Duration::from_secs(3600), parts.failed()).await.is_err());
        let Setup { mut parts, .. } = setup(&[("log", 0), ("failing", 0)]);
        assert!(tokio::time::timeout(Duration::from_secs(3600), parts.failed()).await.is_ok());
    }
}
