//! `[auth.app]`: the tokens of the app's own backend.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Secret;
use super::install::KEY_BYTES_MIN;
use crate::units::{BadSetting, millis};

/// The most that clocks may differ where tokens are checked.
pub const LEEWAY_MAX: Duration = Duration::from_secs(30);

/// How a token may be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256 and a key that both sides hold.
    #[serde(rename = "HS256")]
    Hs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA (PKCS #1 1.5) with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl TokenAlgorithm {
    pub(super) fn of(header: jsonwebtoken::Algorithm) -> Option<Self> {
        match header {
            jsonwebtoken::Algorithm::HS256 => Some(Self::Hs256),
            jsonwebtoken::Algorithm::EdDSA => Some(Self::EdDsa),
            jsonwebtoken::Algorithm::ES256 => Some(Self::Es256),
            jsonwebtoken::Algorithm::RS256 => Some(Self::Rs256),
            _ => None,
        }
    }

    pub(super) fn header(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// The tokens of the app's own backend. Taken when `algorithms` is not empty.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppTokenSettings {
    /// Which of `HS256`, `EdDSA`, `ES256`, `RS256` a token may be signed with; nothing else is looked at. Default
    /// none: the app's backend has no tokens.
    pub algorithms: Vec<TokenAlgorithm>,
    /// `iss` that a token must have. Default none: any issuer that is not one of ours.
    pub issuer: Option<String>,
    /// `leeway_ms`: how far the clocks of the app's backend and ours may differ, in milliseconds; at most 30000.
    /// Default 5000.
    #[serde(rename = "leeway_ms", with = "millis")]
    pub leeway: Duration,
    /// `aud` that a token must name. Default none: not looked at.
    pub audience: Option<String>,
    /// The key of `HS256`, as text of at least 32 bytes. Needed with `HS256`, refused without.
    pub shared_key: Option<Secret>,
    /// File with the public keys (a JSON Web Key Set) of the other algorithms. It or `jwks_url` is needed with them.
    pub jwks_file: Option<PathBuf>,
    /// Address of such a set; `https`, or `http` on this machine.
    pub jwks_url: Option<String>,
    /// `jwks_refresh_ms`: how often the set is read again, in milliseconds, so that a key that was withdrawn ends.
    /// Default 600000.
    #[serde(rename = "jwks_refresh_ms", with = "millis")]
    pub jwks_refresh: Duration,
    /// `jwks_refetch_min_ms`: least time in milliseconds between two readings that tokens with an unknown key cause.
    /// Default 10000.
    #[serde(rename = "jwks_refetch_min_ms", with = "millis")]
    pub jwks_refetch_min: Duration,
    /// `jwks_timeout_ms`: how long one reading may take, in milliseconds. Default 3000.
    #[serde(rename = "jwks_timeout_ms", with = "millis")]
    pub jwks_timeout: Duration,
}

impl Default for AppTokenSettings {
    fn default() -> Self {
        Self {
            algorithms: Vec::new(),
            issuer: None,
            leeway: Duration::from_secs(5),
            audience: None,
            shared_key: None,
            jwks_file: None,
            jwks_url: None,
            jwks_refresh: Duration::from_secs(600),
            jwks_refetch_min: Duration::from_secs(10),
            jwks_timeout: Duration::from_secs(3),
        }
    }
}

impl AppTokenSettings {
    /// Whether the values fit each other.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), BadSetting> {
        let shared = self.algorithms.contains(&TokenAlgorithm::Hs256);
        let public = self.algorithms.iter().any(|one| *one != TokenAlgorithm::Hs256);
        if shared != self.shared_key.is_some() {
            return BadSetting::of("auth.app.shared_key", "goes together with the algorithm HS256");
        }
        if self.shared_key.as_ref().is_some_and(|key| key.reveal().len() < KEY_BYTES_MIN) {
            return BadSetting::of("auth.app.shared_key", "must have at least 32 bytes");
        }
        let sources = usize::from(self.jwks_file.is_some()) + usize::from(self.jwks_url.is_some());
        if sources != usize::from(public) {
            let detail = "one of jwks_file and jwks_url goes together with EdDSA, ES256 and RS256";
            return BadSetting::of("auth.app.jwks_url", detail);
        }
        if self.leeway > LEEWAY_MAX {
            return BadSetting::of("auth.app.leeway_ms", "must be at most 30000");
        }
        let own = |issuer: &String| matches!(issuer.as_str(), super::ISSUER | super::DEV_ISSUER);
        if self.issuer.as_ref().is_some_and(own) {
            return BadSetting::of("auth.app.issuer", "is the name of our own tokens");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn keys_and_algorithms_go_together() {
        let read = |text: &str| serde_json::from_str::<AppTokenSettings>(text).unwrap().check();
        let key = "k".repeat(32);
        for good in [
            "{}".to_owned(),
            format!(r#"{{"algorithms":["HS256"],"shared_key":"{key}"}}"#),
            r#"{"algorithms":["EdDSA","ES256","RS256"],"jwks_file":"/x"}"#.to_owned(),
        ] {
            assert_eq!(read(&good), Ok(()), "{good}");
        }
        for (bad, setting) in [
            (r#"{"algorithms":["HS256"]}"#, "auth.app.shared_key"),
            (r#"{"algorithms":["HS256"],"shared_key":"short"}"#, "auth.app.shared_key"),
            (r#"{"algorithms":["ES256"]}"#, "auth.app.jwks_url"),
            (r#"{"algorithms":["ES256"],"jwks_file":"/x","jwks_url":"https://x"}"#, "auth.app.jwks_url"),
            (r#"{"jwks_file":"/x"}"#, "auth.app.jwks_url"),
            (r#"{"issuer":"tidings"}"#, "auth.app.issuer"),
            (r#"{"leeway_ms":30001}"#, "auth.app.leeway_ms"),
        ] {
            assert_eq!(read(bad).unwrap_err().key, setting, "{bad}");
        }
        for bad in [r#"{"algorithms":["none"]}"#, r#"{"algorithms":["HS512"]}"#, r#"{"key":1}"#] {
            assert!(serde_json::from_str::<AppTokenSettings>(bad).is_err(), "{bad}");
        }
    }
}
