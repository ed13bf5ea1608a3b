//! Log out: ends everything that came from one log-in. Access tokens that are out end by themselves, minutes later.

use serde::Deserialize;
use tidings_protocol::Refusal;
use tidings_schema::directory::RefreshUse;

use super::refresh::readable;
use super::{Accounts, store_refusal};

/// Somebody logs out.
#[derive(Deserialize)]
pub struct Logout {
    /// Any refresh token of the log-in.
    pub refresh: String,
}

impl Accounts {
    /// Ends the family of the token. A token nobody knows (any more) is logged out already: a success.
    ///
    /// # Errors
    /// `bad_field`; `store_unavailable`.
    pub async fn logout(&self, asked: Logout) -> Result<(), Refusal> {
        let hash = readable(&asked.refresh)?;
        match self.store.use_refresh(hash).await.map_err(store_refusal)? {
            RefreshUse::Fresh(row) | RefreshUse::Reused(row) => self.end(row).await,
            RefreshUse::Unknown => Ok(()),
        }
    }
}
