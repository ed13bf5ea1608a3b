//! Log lines: constant lowercase messages with fields, on standard error, so that standard output is free for results.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::settings::{LogFormat, LogSettings};

/// `log.filter` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("setting log.filter: {0}")]
pub(crate) struct BadFilter(#[source] ParseError);

/// Starts logging for the process. Called once, before anything that logs.
///
/// # Errors
/// [`BadFilter`] when the filter cannot be read.
pub(crate) fn start(settings: &LogSettings) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(&settings.filter).map_err(BadFilter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
