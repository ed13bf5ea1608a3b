//! `[stop]`

use std::time::Duration;

use serde::Deserialize;

/// How the process stops.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StopSettings {
    /// `deadline_ms`: time in milliseconds that all parts have together to drain after the first signal. What is not
    /// done by then is cut, and the exit code says so. Default 10000.
    #[serde(rename = "deadline_ms", deserialize_with = "super::units::millis")]
    pub(crate) deadline: Duration,
}

impl Default for StopSettings {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10) }
    }
}
