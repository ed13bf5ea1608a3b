//! The verdict, in one line when everything is equal.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use super::Plan;
use super::people::People;
use super::send::Acks;
use crate::cli::{EXIT_DIFFERENT, EXIT_EQUAL};

/// Differences shown of each comparison; all are counted.
const SHOWN: usize = 3;

/// Something that is not as in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Line of the file, from 1; 0 is before it.
    pub line: usize,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// One comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Compared {
    what: String,
    pub(super) compared: u64,
    pub(super) differences: u64,
    shown: Vec<Difference>,
}

impl Compared {
    pub(super) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), compared: 0, differences: 0, shown: Vec::new() }
    }

    pub(super) fn add(&mut self, difference: Difference) {
        self.differences += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(difference);
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Report {
    lines: usize,
    users: usize,
    took: Duration,
    /// p50, p99 and the longest, in microseconds.
    ack_us: [u64; 3],
    compared: u64,
    different: Vec<Compared>,
    /// Connections made again.
    pub(super) reconnects: u64,
}

impl Report {
    pub(super) fn new(plan: &Plan, people: &People, acks: &Acks, took: Duration) -> Self {
        let latency = &acks.latency_us;
        Self {
            lines: plan.lines.len(),
            users: people.all.len(),
            took,
            ack_us: [latency.value_at_quantile(0.5), latency.value_at_quantile(0.99), latency.max()],
            compared: 0,
            different: Vec::new(),
            reconnects: 0,
        }
    }

    pub(super) fn add(&mut self, compared: Compared) {
        self.compared += compared.compared;
        if compared.differences > 0 {
            self.different.push(compared);
        }
    }

    /// Whether everything is equal.
    pub fn is_equal(&self) -> bool {
        self.different.is_empty()
    }

    /// The exit code that goes with it.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_equal() { EXIT_EQUAL } else { EXIT_DIFFERENT })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for compared in &self.different {
            writeln!(f, "{}: {} differences", compared.what, compared.differences)?;
            for Difference { line, expected, found } in &compared.shown {
                writeln!(f, "  line {line}: expected {expected}, found {found}")?;
            }
        }
        let seconds = self.took.as_secs_f64();
        let rate = if seconds > 0.0 { self.lines as f64 / seconds } else { 0.0 };
        let [p50, p99, max] = self.ack_us.map(|us| us as f64 / 1_000.0);
        let verdict = if self.is_equal() { "equal" } else { "DIFFERENT" };
        write!(
            f,
            "{verdict}: {} lines by {} users in {seconds:.1} s ({rate:.0}/s), ack p50 {p50:.1} ms, p99 {p99:.1} ms, \
             max {max:.1} ms, {} reconnects, {} lines compared in history and live views",
            self.lines, self.users, self.reconnects, self.compared
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            lines: 10,
            users: 3,
            took: Duration::from_secs(2),
            ack_us: [1_500, 2_500, 9_000],
            compared: 0,
            different: Vec::new(),
            reconnects: 1,
        }
    }

    #[test]
    fn an_equal_replay_is_one_line() {
        let mut report = report();
        let mut same = Compared::new("history");
        same.compared = 10;
        report.add(same);
        assert_eq!(
            report.to_string(),
            "equal: 10 lines by 3 users in 2.0 s (5/s), ack p50 1.5 ms, p99 2.5 ms, max 9.0 ms, 1 reconnects, 10 lines \
             compared in history and live views"
        );
        assert!(report.is_equal());
    }

    #[test]
    fn a_difference_is_shown_counted_and_decides() {
        let mut report = report();
        let mut other = Compared::new("history");
        for line in 1..=5 {
            other.add(Difference { line, expected: "a".to_owned(), found: "b".to_owned() });
        }
        report.add(other);
        let text = report.to_string();
        assert!(!report.is_equal() && text.starts_with("history: 5 differences\n  line 1: expected a, found b\n"));
        assert_eq!(text.lines().count(), 1 + SHOWN + 1);
    }
}
