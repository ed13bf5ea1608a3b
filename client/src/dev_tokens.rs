//! Access tokens signed with the key of an embedded installation, as `tidings token` makes them: for tests and load
//! tools that speak for many users. Whoever holds the key can speak for everybody, so apps have no use for this.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

use crate::config::{TokenError, TokenSource};

/// `iss` of development tokens.
pub const DEV_ISSUER: &str = "tidings-dev";
/// File of the key in the data folder.
const SECRETS_FILE: &str = "secrets.json";
/// How long a token of [`DevTokens::source`] is good for.
const SOURCE_TTL: Duration = Duration::from_secs(24 * 3600);

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum DevTokenError {
    /// The file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no key. What is in it is not quoted.
    #[error("{} holds no token key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The token cannot be signed.
    #[error("could not sign the token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Signs development tokens.
#[derive(Clone)]
pub struct DevTokens {
    key: Arc<EncodingKey>,
}

impl fmt::Debug for DevTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DevTokens")
    }
}

#[derive(Deserialize)]
struct Secrets {
    token_key: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    name: &'a str,
    iss: &'a str,
    iat: u64,
    exp: u64,
}

impl DevTokens {
    /// With the key of the embedded installation in the folder `data`.
    ///
    /// # Errors
    /// [`DevTokenError`].
    pub fn of_installation(data: &Path) -> Result<Self, DevTokenError> {
        let path = data.join(SECRETS_FILE);
        let text = read(&path)?;
        let secrets: Secrets = serde_json::from_str(&text).map_err(|_| DevTokenError::NoKey { path: path.clone() })?;
        Self::of_key(&secrets.token_key).ok_or(DevTokenError::NoKey { path })
    }

    /// With the key in a file of its own.
    ///
    /// # Errors
    /// [`DevTokenError`].
    pub fn of_key_file(path: &Path) -> Result<Self, DevTokenError> {
        Self::of_key(read(path)?.trim()).ok_or_else(|| DevTokenError::NoKey { path: path.to_owned() })
    }

    fn of_key(key: &str) -> Option<Self> {
        (!key.is_empty()).then(|| Self { key: Arc::new(EncodingKey::from_secret(key.as_bytes())) })
    }

    /// A token for the user `sub`, good for `ttl` from now.
    ///
    /// # Errors
    /// [`DevTokenError::Sign`].
    pub fn mint(&self, sub: &str, name: &str, ttl: Duration) -> Result<String, DevTokenError> {
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims { sub, name, iss: DEV_ISSUER, iat, exp: iat + ttl.as_secs() };
        encode(&Header::new(Algorithm::HS256), &claims, &self.key).map_err(DevTokenError::Sign)
    }

    /// A new token for the user `sub` whenever one is wanted.
    pub fn source(&self, sub: impl Into<String>, name: impl Into<String>) -> TokenSource {
        let (tokens, sub, name) = (self.clone(), sub.into(), name.into());
        TokenSource::callback(move |_| {
            let minted = tokens.mint(&sub, &name, SOURCE_TTL).map_err(TokenError::from);
            std::future::ready(minted)
        })
    }
}

fn read(path: &Path) -> Result<String, DevTokenError> {
    std::fs::read_to_string(path).map_err(|source| DevTokenError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[derive(Deserialize)]
    struct Read {
        sub: String,
        name: String,
    }

    #[test]
    fn tokens_are_good_with_the_key_of_their_installation_only() {
        let home = tempfile::tempdir().unwrap();
        let secrets = r#"{"token_key":"0123456789abcdef0123456789abcdef","nats_password":"x","demo_password":"y"}"#;
        std::fs::write(home.path().join(SECRETS_FILE), secrets).unwrap();
        let token = DevTokens::of_installation(home.path()).unwrap();
        let token = token.mint("irc/alice", "alice", Duration::from_secs(60)).unwrap();
        let mut wanted = Validation::new(Algorithm::HS256);
        wanted.set_issuer(&[DEV_ISSUER]);
        let read = |key: &[u8]| decode::<Read>(&token, &DecodingKey::from_secret(key), &wanted);
        let claims = read(b"0123456789abcdef0123456789abcdef").unwrap().claims;
        assert_eq!((claims.sub.as_str(), claims.name.as_str()), ("irc/alice", "alice"));
        assert!(read(b"another key").is_err());
    }

    #[test]
    fn a_missing_or_damaged_file_is_told_and_not_quoted() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(DevTokens::of_installation(home.path()), Err(DevTokenError::Read { .. })));
        std::fs::write(home.path().join(SECRETS_FILE), "hush").unwrap();
        let error = DevTokens::of_installation(home.path()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
        std::fs::write(home.path().join("key"), " \n").unwrap();
        assert!(matches!(DevTokens::of_key_file(&home.path().join("key")), Err(DevTokenError::NoKey { .. })));
    }
}
