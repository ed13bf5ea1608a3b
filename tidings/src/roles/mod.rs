//! The roles of Tidings as parts of a process: the workers and the gateway, each built from its own settings and what it
//! stands on. `tidings dev` starts all of them in one process.
//!
//! A role never starts the servers it needs and never makes streams: it checks them and refuses.

mod gateway;
mod workers;

use std::sync::Arc;

use tidings_schema::{DirectoryStore, HistoryStore, ProgressStore, UserChatsStore};

pub(crate) use self::gateway::{GatewayPart, GatewayStart};
pub(crate) use self::workers::WorkersPart;

/// The stores that roles use, whatever is behind them.
#[derive(Clone)]
pub(crate) struct Stores {
    /// Rows by chat.
    pub(crate) history: Arc<dyn HistoryStore>,
    /// Rows by user.
    pub(crate) user_chats: Arc<dyn UserChatsStore>,
    /// How far the rows go.
    pub(crate) progress: Arc<dyn ProgressStore>,
    /// People.
    pub(crate) directory: Arc<dyn DirectoryStore>,
}

/// Why a role did not start. One line each.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoleError {
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
    /// No server.
    #[error(transparent)]
    Connect(#[from] tidings_nats::ConnectError),
    /// The live reader cannot start.
    #[error("could not start live delivery")]
    Live(#[from] tidings_nats::live::LiveError),
    /// Access tokens cannot be checked.
    #[error("could not prepare the checking of access tokens")]
    Tokens(#[from] tidings_gateway::tokens::VerifierError),
    /// The install's key is too short.
    #[error("the key in the secrets cannot be used")]
    Key(#[from] tidings_gateway::tokens::BadKey),
    /// Accounts cannot be kept.
    #[error("could not prepare accounts")]
    Accounts(#[from] tidings_gateway::accounts::AccountsError),
    /// A setting cannot be meant.
    #[error(transparent)]
    Setting(#[from] tidings_gateway::BadSetting),
    /// A demo user could not be made.
    #[error("could not make the demo users: {0}")]
    Demo(String),
}
