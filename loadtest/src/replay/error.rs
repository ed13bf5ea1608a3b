//! Why there is no verdict.

use std::path::PathBuf;
use std::process::ExitCode;

use tidings_client::{DevTokenError, HttpError, OfflineReason, RequestError, SendError};

use crate::cli::{EXIT_BAD_INPUT, EXIT_UNAVAILABLE};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("could not read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not; a file that is no UTF-8 as well.
        #[source]
        source: std::io::Error,
    },
    /// There is no key to sign tokens with.
    #[error("no key for the users' tokens (--data or --token-key)")]
    Tokens(#[source] DevTokenError),
    /// The runtime does not start.
    #[error("could not start")]
    Runtime(#[source] std::io::Error),
    /// A line cannot be written as a message.
    #[error("line {line} cannot be sent")]
    Line {
        /// From 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A client was told not to come back, or could not connect in time.
    #[error("{who} cannot connect")]
    Connect {
        /// The nick.
        who: String,
        /// The last that was heard.
        #[source]
        reason: OfflineReason,
    },
    /// A connection broke, and `--resume-on-cut` was not given.
    #[error("the connection of {who} broke (--resume-on-cut goes on)")]
    Cut {
        /// The nick.
        who: String,
        /// How.
        #[source]
        reason: OfflineReason,
    },
    /// The chat could not be made.
    #[error("could not make the chat")]
    Create(#[source] HttpError),
    /// A user never heard of the chat.
    #[error("{who} has not heard of the chat in time")]
    NotTold {
        /// The nick.
        who: String,
    },
    /// A line was refused for good.
    #[error("line {line} was refused")]
    Send {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: SendError,
    },
    /// A line was not acknowledged within the patience.
    #[error("line {line} was not acknowledged in time")]
    NotAcked {
        /// From 1.
        line: usize,
    },
    /// History could not be read over HTTP.
    #[error("could not read history over HTTP")]
    HttpHistory(#[source] HttpError),
    /// History could not be read over a socket.
    #[error("could not read history over a socket")]
    SocketHistory(#[source] RequestError),
    /// The server could not read its log within the patience.
    #[error("the server says that its answers may be short")]
    Stale,
}

impl ReplayError {
    /// The exit code that goes with it.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::File { .. } | Self::Tokens(_) | Self::Runtime(_) | Self::Line { .. } => EXIT_BAD_INPUT,
            _ => EXIT_UNAVAILABLE,
        })
    }
}

/// An error and its causes in one line.
pub fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
