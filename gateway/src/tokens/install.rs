//! This installation's own tokens: made at log-in, gone after minutes, signed with a key that no one else holds.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidings_protocol::{Timestamp, UserCard};
use time::OffsetDateTime;
use uuid::Uuid;

/// Issuer of our own tokens.
pub const ISSUER: &str = "tidings";
/// Shortest key of HS256.
pub const KEY_BYTES_MIN: usize = 32;

/// A key is shorter than [`KEY_BYTES_MIN`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a token key has at least {KEY_BYTES_MIN} bytes")]
pub struct BadKey;

/// The keys of this installation: one signs, it and older ones are taken. Every process of an installation holds the
/// same. `Debug` shows no key.
#[derive(Clone)]
pub struct InstallKeys {
    signing: EncodingKey,
    /// Id of the signing key, in the header of what it signs.
    signing_id: String,
    /// Keys that are taken, newest first, each with its id.
    pub(super) taken: Vec<(String, DecodingKey)>,
}

impl std::fmt::Debug for InstallKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstallKeys").field("signing_id", &self.signing_id).finish_non_exhaustive()
    }
}

/// A new access token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// The JWT.
    pub token: String,
    /// Not valid from then on.
    pub expires_at: Timestamp,
}

/// The claims of our own tokens.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnClaims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) handle: Option<String>,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
}

impl InstallKeys {
    /// Keys with `key` as the one that signs.
    ///
    /// # Errors
    /// [`BadKey`] when it is too short.
    pub fn new(key: &[u8]) -> Result<Self, BadKey> {
        if key.len() < KEY_BYTES_MIN {
            return Err(BadKey);
        }
        let id = key_id(key);
        let taken = vec![(id.clone(), DecodingKey::from_secret(key))];
        Ok(Self { signing: EncodingKey::from_secret(key), signing_id: id, taken })
    }

    /// The same, also taking what `older` signed: for the lifetime of a token after a change of keys.
    ///
    /// # Errors
    /// [`BadKey`] when it is too short.
    pub fn and_older(mut self, older: &[u8]) -> Result<Self, BadKey> {
        if older.len() < KEY_BYTES_MIN {
            return Err(BadKey);
        }
        self.taken.push((key_id(older), DecodingKey::from_secret(older)));
        Ok(self)
    }

    /// Signs an access token for `user`.
    ///
    /// # Errors
    /// When the signing library fails, which it does for no key that [`InstallKeys::new`] takes.
    pub fn issue(&self, user: &UserCard, ttl: Duration) -> Result<Issued, jsonwebtoken::errors::Error> {
        let iat = OffsetDateTime::now_utc().unix_timestamp();
        let exp = iat.saturating_add_unsigned(ttl.as_secs().max(1));
        let claims = OwnClaims {
            iss: ISSUER.to_owned(),
            sub: user.id.to_string(),
            name: user.name.clone(),
            handle: user.handle.clone(),
            iat,
            exp,
            jti: Uuid::new_v4().to_string(),
        };
        let header = Header { kid: Some(self.signing_id.clone()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.signing)?;
        Ok(Issued { token, expires_at: Timestamp(exp.saturating_mul(1000)) })
    }
}

/// A name for a key that tells nothing about it: the start of a hash, in a space of its own.
fn key_id(key: &[u8]) -> String {
    let digest = Sha256::new().chain_update(b"tidings token key\n").chain_update(key).finalize();
    digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
