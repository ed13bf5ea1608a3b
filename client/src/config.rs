//! What a client is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tidings_protocol::DeviceId;

use crate::event::Resume;

/// Own messages that may wait in one client.
pub const OUTBOX_MESSAGES: usize = 1_000;
/// Events that may wait for the app.
pub const EVENTS: usize = 256;

/// Where access tokens come from.
#[derive(Clone)]
pub enum TokenSource {
    /// Always this one. Once it is refused the client stops.
    Fixed(String),
    /// Asked before each connection.
    Callback(TokenCallback),
}

/// Gives an access token. The argument says whether the last one was refused: then only a new one will do.
pub type TokenCallback = Arc<dyn Fn(bool) -> BoxFuture<'static, Result<String, TokenError>> + Send + Sync>;

/// Why there is no token.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

impl TokenSource {
    /// Tokens from an async function.
    pub fn callback<F, R>(source: F) -> Self
    where
        F: Fn(bool) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        Self::Callback(Arc::new(move |refused| Box::pin(source(refused))))
    }

    pub(crate) async fn get(&self, refused: bool) -> Result<String, TokenError> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::Callback(source) => source(refused).await,
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "TokenSource::Fixed",
            Self::Callback(_) => "TokenSource::Callback",
        })
    }
}

/// How to make a [`crate::Client`].
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The server: `http://host:port` (or `ws://`), without a path. This version speaks no TLS: beyond one machine,
    /// through a local proxy that does.
    pub url: String,
    /// Access tokens.
    pub token: TokenSource,
    /// This installation.
    pub device: DeviceId,
    /// Name and version of the app, for the server's log.
    pub name: String,
    /// Where an earlier client of this installation was.
    pub resume: Resume,
    /// Own messages that may wait, in all chats together; more are refused with `OutboxFull`. [`OUTBOX_MESSAGES`].
    pub outbox_messages: usize,
    /// Events that may wait for the app ([`EVENTS`]). When full, the client stops reading its socket; the server then
    /// closes it as too slow, and what was not read is synced later. Nothing is lost, but answers wait as well: read
    /// the events, or drop their receiver.
    pub events: usize,
    /// How long a connection may take to be made, `welcome` included. 15 s.
    pub connect_timeout: Duration,
    /// How long a request (history, list, read, ping) waits for its answer, being offline included. 20 s.
    pub request_timeout: Duration,
    /// A connection from which nothing was heard for so long, not even a ping, is dead. 60 s.
    pub silence: Duration,
}

impl ClientConfig {
    /// A new installation with defaults.
    pub fn new(url: impl Into<String>, token: TokenSource) -> Self {
        Self {
            url: url.into(),
            token,
            device: DeviceId::generate(),
            name: concat!("tidings-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            resume: Resume::default(),
            outbox_messages: OUTBOX_MESSAGES,
            events: EVENTS,
            connect_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(20),
            silence: Duration::from_secs(60),
        }
    }

    /// The same as another installation.
    #[must_use]
    pub fn device(mut self, device: DeviceId) -> Self {
        self.device = device;
        self
    }

    /// The same, going on where an earlier client was.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }
}
