//! The gateway's counters in Prometheus' text form, for the internal port.

use std::fmt::Write;
use std::sync::Arc;

use serde::Serialize;

use crate::core::Core;
use crate::fanout::stats::Counters;

/// Names of values that go up and down; all others only go up.
const GAUGES: [&str; 4] = ["warm_chats", "users", "sessions", "queued"];

/// Reads the counters of a gateway.
#[derive(Clone)]
pub struct GatewayMetrics {
    pub(crate) core: Arc<Core>,
    pub(crate) counters: Arc<Counters>,
}

#[derive(Serialize)]
struct Publisher {
    batches: u64,
    batched_messages: u64,
    plain_messages: u64,
    appended: u64,
    retries: u64,
    duplicates: u64,
    voids: u64,
    refused: u64,
    unknown: u64,
    queued: u64,
}

#[derive(Serialize)]
struct Store {
    reads: u64,
}

impl GatewayMetrics {
    /// Adds one line per value: `tidings_fanout_encodes_total 12`.
    pub fn write(&self, text: &mut String) {
        section(text, "fanout", &self.counters.read());
        section(text, "store", &Store { reads: self.core.reads.store_reads() });
        let stats = self.core.ops.publisher.stats();
        let publisher = Publisher {
            batches: stats.batches,
            batched_messages: stats.batched_messages,
            plain_messages: stats.plain_messages,
            appended: stats.appended,
            retries: stats.retries,
            duplicates: stats.duplicates,
            voids: stats.voids,
            refused: stats.refused,
            unknown: stats.unknown,
            queued: stats.queued,
        };
        section(text, "publisher", &publisher);
    }
}

fn section(text: &mut String, section: &str, values: &impl Serialize) {
    let Ok(serde_json::Value::Object(values)) = serde_json::to_value(values) else { return };
    for (name, value) in values {
        let (kind, suffix) = if GAUGES.contains(&name.as_str()) { ("gauge", "") } else { ("counter", "_total") };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "# TYPE tidings_{section}_{name}{suffix} {kind}\ntidings_{section}_{name}{suffix} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::stats::FanoutStats;

    #[test]
    fn counters_end_in_total_and_gauges_do_not() {
        let mut text = String::new();
        section(&mut text, "fanout", &FanoutStats { encodes: 12, sessions: 3, ..FanoutStats::default() });
        assert!(
            text.contains("# TYPE tidings_fanout_encodes_total counter\ntidings_fanout_encodes_total 12\n"),
            "{text}"
        );
        assert!(text.contains("# TYPE tidings_fanout_sessions gauge\ntidings_fanout_sessions 3\n"), "{text}");
    }
}
