//! The streams.
use crate::log::Log;
use crate::settings::NatsSettings;
use crate::subjects::StreamName;

/// Identity, ends and time of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamState {
    /// Which stream.
    pub name: StreamName,
    /// When it was created, in milliseconds since 1970: another number is another stream.
    pub epoch: u64,
    /// The oldest event that is still there.
    pub first_seq: u64,
    /// The newest event.
    pub last_seq: u64,
    /// Log time of the answer, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Why the streams are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// No answer.
    #[error("no answer about stream {stream}")]
    NoAnswer {
        /// The stream asked about.
        stream: String,
    },
}

/// How a stream must be configured.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamConfig {}

/// How every stream must be configured.
pub fn expected(_settings: &NatsSettings) -> Vec<StreamConfig> {
    Vec::new()
}

/// Creates the streams that are missing. Never alters or deletes one.
///
/// # Errors
/// See [`StreamsError`].
pub async fn migrate(_log: &Log, _settings: &NatsSettings) -> Result<(), StreamsError> {
    Ok(())
}

/// Refuses when a stream is missing or is not as it must be.
///
/// # Errors
/// See [`StreamsError`].
pub async fn check(_log: &Log, _settings: &NatsSettings) -> Result<Vec<StreamState>, StreamsError> {
    Ok(Vec::new())
}
