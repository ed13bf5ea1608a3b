//! Refresh: a used-once token for a new pair.
//!
//! A refresh token that comes twice is held by two, and nobody can tell which one is the thief. So the second use ends
//! the whole family: whoever used it first is logged out too, and the owner logs in again. A family may also end (by a
//! second use, a log-out, a new password) while a refresh of it is under way, between the use of the old token and the
//! storing of the new one: so after storing, the old one is looked at again, and when it is gone, so is the new one.

use serde::Deserialize;
use tidings_protocol::{ErrorCode, Refusal};
use tidings_schema::directory::{RefreshHash, RefreshRow, RefreshUse};

use super::grant::refresh_hash;
use super::{Accounts, Grant, card, now, store_refusal};

/// Longest refresh token that is looked at.
const REFRESH_TEXT_BYTES_MAX: usize = 256;

/// A refresh token is used.
#[derive(Deserialize)]
pub struct Refresh {
    /// The token.
    pub refresh: String,
}

impl Accounts {
    /// Gives a new pair of the same family.
    ///
    /// # Errors
    /// `unauthenticated`: unknown, or used before (then the family has ended); `token_expired`; `store_unavailable`.
    pub async fn refresh(&self, asked: Refresh) -> Result<Grant, Refusal> {
        let hash = readable(&asked.refresh)?;
        let row = match self.store.use_refresh(hash).await.map_err(store_refusal)? {
            RefreshUse::Fresh(row) => row,
            RefreshUse::Unknown => return Err(not_accepted()),
            RefreshUse::Reused(row) => {
                tracing::warn!(user = %row.user, "refresh token used twice, log-in ended");
                self.end(row).await?;
                return Err(not_accepted());
            }
        };
        if row.expires_at <= now() {
            return Err(Refusal::new(ErrorCode::TokenExpired, "log in again"));
        }
        let rows = self.store.users(&[row.user]).await.map_err(store_refusal)?;
        let user = rows.into_iter().next().flatten().ok_or_else(not_accepted)?;
        let grant = self.grant(card(user), row.family).await?;
        match self.store.use_refresh(hash).await.map_err(store_refusal)? {
            RefreshUse::Reused(_) => Ok(grant),
            RefreshUse::Fresh(_) | RefreshUse::Unknown => {
                self.end(row).await?;
                Err(not_accepted())
            }
        }
    }

    pub(super) async fn end(&self, row: RefreshRow) -> Result<(), Refusal> {
        self.store.end_family(row.family).await.map_err(store_refusal)
    }
}

pub(super) fn readable(token: &str) -> Result<RefreshHash, Refusal> {
    if token.is_empty() || token.len() > REFRESH_TEXT_BYTES_MAX {
        return Err(Refusal::bad_field("refresh", "no refresh token"));
    }
    Ok(refresh_hash(token))
}

fn not_accepted() -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, "log in again")
}
