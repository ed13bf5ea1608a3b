//! People: accounts with a handle and a password, and who a token's bearer is.
//!
//! Guards against: guessing (limits per handle and address, the same time and answer whether or not there is such a
//! handle), being talked down (weak hash parameters are refused by the settings), being worn out (hashes are bounded in
//! number), and stolen refresh tokens (each is used once; a second use ends everything that came from that log-in).
//! Passwords and tokens are never logged and never stored: the store holds an argon2id hash and a SHA-256.
//!
//! One file per operation. What an account may do elsewhere is not decided here.

mod attempts;
mod grant;
mod handle;
mod hasher;
mod identify;
mod login;
mod logout;
mod password;
mod profile;
mod refresh;
mod register;
pub(crate) mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod user_ref;

use std::sync::Arc;

use tidings_protocol::{ErrorCode, Refusal, Timestamp, UserCard};
use tidings_schema::directory::UserRow;
use tidings_schema::{DirectoryStore, StoreError};
use time::OffsetDateTime;

pub use grant::Grant;
pub use handle::Handle;
pub use hasher::{HashError, Hasher};
pub use login::Login;
pub use logout::Logout;
pub use password::ChangePassword;
pub use profile::{ChangeProfile, shown_name};
pub use refresh::Refresh;
pub use register::Register;
pub use settings::AuthSettings;
pub use user_ref::{BadUserRef, UserRef};

use self::attempts::Attempts;
use self::identify::KnownUsers;
use crate::tokens::InstallKeys;
use crate::units::BadSetting;

/// How long a client waits before it asks a store again that could not be reached.
const STORE_RETRY_AFTER_MS: u64 = 1_000;

/// There are no accounts with these settings.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// A setting cannot be meant.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// The first password hash could not be computed.
    #[error("could not prepare the checking of passwords")]
    Hasher(#[source] HashError),
}

/// What is done about people. Shared by all requests and sessions.
pub struct Accounts {
    store: Arc<dyn DirectoryStore>,
    keys: InstallKeys,
    hasher: Hasher,
    attempts: Attempts,
    /// Who was found in the directory lately, so that a bearer of an app's token costs no read each time.
    known: KnownUsers,
    settings: AuthSettings,
}

impl Accounts {
    /// Accounts in `store`, with access tokens signed by `keys`. Computes one password hash.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn new(
        store: Arc<dyn DirectoryStore>,
        keys: InstallKeys,
        settings: &AuthSettings,
    ) -> Result<Self, AccountsError> {
        settings.check()?;
        Ok(Self {
            store,
            keys,
            hasher: Hasher::new(settings).map_err(AccountsError::Hasher)?,
            attempts: Attempts::new(settings),
            known: KnownUsers::default(),
            settings: settings.clone(),
        })
    }

    /// The directory, for [`UserRef::resolve`].
    pub fn store(&self) -> &dyn DirectoryStore {
        &*self.store
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn card(row: UserRow) -> UserCard {
    let UserRow { id, handle, name, .. } = row;
    UserCard { id, handle, name }
}

fn now() -> Timestamp {
    OffsetDateTime::now_utc().into()
}

/// The one place where an error of a store becomes a refusal; it is logged here.
pub(crate) fn store_refusal(error: StoreError) -> Refusal {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    tracing::warn!(%error, source, "store failed");
    match error {
        StoreError::Unavailable { .. } => {
            Refusal::new(ErrorCode::StoreUnavailable, "the store cannot be reached").after_ms(STORE_RETRY_AFTER_MS)
        }
        StoreError::Damaged { .. } | StoreError::Version { .. } => {
            Refusal::new(ErrorCode::Internal, "a stored row cannot be read")
        }
    }
}
