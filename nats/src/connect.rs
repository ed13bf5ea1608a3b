//! The connection for publishing and reading. The live reader has its own.
//!
//! It reconnects by itself for ever, over all servers, with jittered back-off; how callers fare meanwhile is their
//! rule (the publisher refuses at once, reads time out).

use std::time::Duration;

use crate::settings::NatsSettings;

/// Shortest pause before a reconnect.
const RECONNECT_MIN_MS: u64 = 50;
/// Longest pause before a reconnect.
const RECONNECT_MAX_MS: u64 = 2_000;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address, or one that is none.
    #[error("the list of nats servers is empty or holds something that is no address")]
    Addresses,
    /// No server took the connection within the time-out, or it refused the credentials.
    #[error("could not connect to any of {servers} nats servers")]
    Connect {
        /// How many addresses were tried.
        servers: usize,
        /// What the last one said.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// Connects as `name`, which servers show in their lists of connections.
///
/// # Errors
/// When no server can be reached within the time-out.
pub async fn connect(settings: &NatsSettings, name: &str) -> Result<async_nats::Client, ConnectError> {
    let servers = settings
        .servers
        .iter()
        .map(|server| server.parse::<async_nats::ServerAddr>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| ConnectError::Addresses)?;
    if servers.is_empty() {
        return Err(ConnectError::Addresses);
    }
    let count = servers.len();
    options(settings, name).connect(servers).await.map_err(|source| ConnectError::Connect { servers: count, source })
}

fn options(settings: &NatsSettings, name: &str) -> async_nats::ConnectOptions {
    let timeout = Duration::from_millis(settings.connect_timeout_ms);
    let mut options = async_nats::ConnectOptions::new()
        .name(name)
        .connection_timeout(timeout)
        .request_timeout(Some(timeout))
        .ping_interval(Duration::from_millis(settings.ping_interval_ms))
        .max_reconnects(None)
        .reconnect_delay_callback(back_off);
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(token) = &settings.token {
        options = options.token(token.clone());
    }
    options
}

/// Doubles from [`RECONNECT_MIN_MS`] to [`RECONNECT_MAX_MS`], each pause between half and all of that.
fn back_off(attempts: usize) -> Duration {
    let doubled = RECONNECT_MIN_MS << attempts.min(10);
    let longest = doubled.min(RECONNECT_MAX_MS);
    Duration::from_millis(rand::random_range(longest / 2..=longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_zero() {
        for attempts in [0, 1, 5, 40, usize::MAX] {
            let pause = u64::try_from(back_off(attempts).as_millis()).unwrap_or(u64::MAX);
            assert!((RECONNECT_MIN_MS / 2..=RECONNECT_MAX_MS).contains(&pause));
        }
    }

    #[tokio::test]
    async fn no_server_is_an_error_in_time() {
        let settings = NatsSettings { servers: vec!["nats://127.0.0.1:1".to_owned()], ..NatsSettings::default() };
        let refused = connect(&settings, "test").await.err();
        assert!(matches!(refused, Some(ConnectError::Connect { servers: 1, .. })));
        let none = NatsSettings { servers: Vec::new(), ..NatsSettings::default() };
        assert!(matches!(connect(&none, "test").await, Err(ConnectError::Addresses)));
    }
}
