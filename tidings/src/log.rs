//! The log's streams, as the binary sees to them: made by `migrate` and `dev`, checked by everybody.

use tidings_nats::streams::{self, StreamsError};
use tidings_nats::{ConnectError, Log, LogClock, NatsSettings, ShardMap};
use tracing::info;

/// Why the streams cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// No server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Not as they must be.
    #[error(transparent)]
    Streams(#[from] StreamsError),
}

/// A reader of the log with a connection of its own.
///
/// # Errors
/// [`ConnectError`] when no server takes the connection.
pub(crate) async fn open(settings: &NatsSettings, name: &str) -> Result<Log, ConnectError> {
    let client = tidings_nats::connect(settings, name).await?;
    Ok(Log::new(client, ShardMap::new(settings), LogClock::default()))
}

/// Makes the streams that are missing, then checks all of them.
///
/// # Errors
/// [`LogError`] when there is no connection or a stream is not as it must be.
pub(crate) async fn migrate(settings: &NatsSettings) -> Result<(), LogError> {
    let log = open(settings, "tidings migrate").await?;
    streams::migrate(&log, settings).await?;
    for stream in streams::check(&log, settings).await? {
        info!(stream = %stream.name, first_seq = stream.first_seq, last_seq = stream.last_seq, "stream is as it must be");
    }
    Ok(())
}
