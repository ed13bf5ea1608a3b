//! What a log-in gives: an access token for minutes and a refresh token for weeks.

use serde::Serialize;
use sha2::{Digest, Sha256};
use tidings_protocol::{ErrorCode, Refusal, Timestamp, UserCard};
use tidings_schema::directory::{RefreshHash, RefreshRow};
use uuid::Uuid;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Accounts, now, store_refusal};
use crate::units::whole_ms;

/// Random bytes of a refresh token.
const REFRESH_BYTES: usize = 32;

/// The answer to a registration, log-in, refresh or change of password. `Debug` shows no token.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// Who.
    pub user: UserCard,
    /// Access token.
    pub access: String,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// Refresh token; used once.
    pub refresh: String,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant").field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// What the store knows a refresh token by.
pub(super) fn refresh_hash(token: &str) -> RefreshHash {
    Sha256::digest(token.as_bytes()).into()
}

impl Accounts {
    /// Gives `user` tokens. The refresh token belongs to `family`: everything that comes from one log-in.
    pub(super) async fn grant(&self, user: UserCard, family: Uuid) -> Result<Grant, Refusal> {
        let issued = self.keys.issue(&user, self.settings.access_ttl).map_err(|error| {
            tracing::error!(%error, "access token not signed");
            Refusal::new(ErrorCode::Internal, "no access token could be made")
        })?;
        let random: [u8; REFRESH_BYTES] = rand::random();
        let refresh = URL_SAFE_NO_PAD.encode(random);
        let ttl_ms = i64::try_from(whole_ms(self.settings.refresh_ttl)).unwrap_or(i64::MAX);
        let expires_at = Timestamp(now().millis().saturating_add(ttl_ms));
        let row = RefreshRow { user: user.id, family, expires_at };
        self.store.put_refresh(refresh_hash(&refresh), row).await.map_err(store_refusal)?;
        Ok(Grant { user, access: issued.token, access_expires_at: issued.expires_at, refresh })
    }
}
