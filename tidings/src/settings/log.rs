//! `[log]`

use serde::Deserialize;

/// What is logged and how. Log lines go to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSettings {
    /// Levels by module, as `tracing-subscriber` reads them: `info`, or `info,tidings_nats=debug`.
    /// Default `info,async_nats=warn`.
    pub(crate) filter: String,
    /// `text` for people, `json` (an object a line) for collectors. Default `text`.
    pub(crate) format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info,async_nats=warn".to_owned(), format: LogFormat::Text }
    }
}
