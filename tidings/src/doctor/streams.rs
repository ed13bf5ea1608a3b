//! The log as its clients meet it: the servers take our connection, and the streams are as they must be.

use tidings_nats::{NatsSettings, StreamState};

use super::report::Check;
use crate::exit::one_line;
use crate::log;

/// Looks at the streams through a client connection.
pub(super) async fn look(settings: &NatsSettings) -> Vec<Check> {
    let log = match log::open(settings, "tidings doctor").await {
        Ok(log) => log,
        Err(error) => {
            let advice = "is it running, and are nats.servers, nats.user and nats.password right?";
            return vec![Check::fail("streams", one_line(&error), advice)];
        }
    };
    match tidings_nats::streams::check(&log, settings).await {
        Ok(streams) => streams.iter().map(describe).collect(),
        Err(error) => {
            let advice = "`tidings migrate` makes what is missing; it never changes or deletes a stream";
            vec![Check::fail("streams", one_line(&error), advice)]
        }
    }
}

fn describe(stream: &StreamState) -> Check {
    let StreamState { name, first_seq, last_seq, epoch, .. } = stream;
    Check::ok(format!("stream {name}"), format!("events {first_seq} to {last_seq}, epoch {epoch}"))
}
