//! What can go wrong: for callers ([`LiveError`]), while connecting ([`DialError`]), on a connection ([`LostError`]).

use std::io;
use std::sync::Arc;

use super::wire::WireError;

/// Why a call of the live reader failed.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A setting cannot work.
    #[error("live setting {field} must be {wanted}")]
    Setting {
        /// Its name.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A server address cannot be used. The address is not shown: it may hold a password.
    #[error("server address number {number} {reason}")]
    ServerAddress {
        /// Its place in the settings, from 1.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `max_subscriptions` subjects are subscribed.
    #[error("{max} subjects are subscribed, no room for one more")]
    TooManySubscriptions {
        /// The bound.
        max: usize,
    },
    /// A server refused a subscription on this connection (permissions, its own limit): some subject is not heard.
    #[error("the server refused a subscription")]
    Refused,
    /// Connected, but the round trip did not end in time.
    #[error("subscriptions not confirmed within {waited_ms} ms")]
    NotConfirmed {
        /// How long was waited.
        waited_ms: u64,
    },
    /// Not connected within the time.
    #[error("no server could be reached within {waited_ms} ms")]
    Unavailable {
        /// How long was waited.
        waited_ms: u64,
        /// The newest failed attempt.
        #[source]
        source: Arc<DialError>,
    },
    /// The reader has been stopped, or nobody receives its items any more.
    #[error("the live reader is stopped")]
    Stopped,
}

/// Why a server could not be connected to.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TCP connection.
    #[error("could not connect")]
    Connect {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The greeting could not be read or answered.
    #[error("connection failed during the greeting")]
    Greeting {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server said something that is not the protocol.
    #[error("the server does not speak the nats protocol")]
    Wire {
        /// What is wrong with it.
        #[source]
        source: WireError,
    },
    /// `INFO` is not the JSON it should be.
    #[error("the server's info cannot be read")]
    Info {
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The server wants TLS, which this reader does not speak.
    #[error("the server requires tls, which the live reader does not support: give it a plain listener")]
    TlsRequired,
    /// The server does not carry headers, in which the place of an event stands.
    #[error("the server does not support headers")]
    NoHeaders,
    /// The server said no: credentials, limits.
    #[error("the server refused the connection: {text}")]
    Refused {
        /// Its words.
        text: String,
    },
    /// Nothing within `connect_timeout_ms`.
    #[error("no greeting within {waited_ms} ms")]
    TimedOut {
        /// How long was waited.
        waited_ms: u64,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LostError {
    #[error("the server closed the connection")]
    Closed,
    #[error("the server closed the connection: {text}")]
    Dismissed { text: String },
    #[error("could not read")]
    Read {
        #[source]
        source: io::Error,
    },
    #[error("could not write")]
    Write {
        #[source]
        source: io::Error,
    },
    #[error("the server said what is not the protocol")]
    Wire {
        #[source]
        source: WireError,
    },
    #[error("nothing heard for two pings")]
    Silent,
    #[error("the server is about to stop")]
    LameDuck,
}
