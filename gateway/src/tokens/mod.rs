//! Access tokens: who the bearer is, proved by a signature and by nothing else.
//!
//! Three kinds of JWT come in, told apart by `iss`: ours (`tidings`), those of `tidings token` (`tidings-dev`, taken
//! only where development mode is on), and those of the app's own backend (every other issuer). Each kind has its own
//! keys and its own fixed list of algorithms, so a holder of the app's key cannot make a token that names one of our
//! accounts, `none` is never an algorithm, and a public key is never used as a shared secret. What a header says about
//! where to find a key (`jku`, `x5u`, `jwk`) is ignored; `crit` is refused.
//!
//! Nothing in here reads a store: [`Verifier::verify`] is pure computation, [`Verifier::verify_fresh`] may read a key
//! set once more. No token, key or claim is ever logged.

mod fetch;
mod install;
mod jwks;
mod key_set;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod verify;

pub use fetch::FetchError;
pub use install::{BadKey, ISSUER, InstallKeys, Issued, KEY_BYTES_MIN};
pub use jwks::KeysError;
pub use key_set::KeySetError;
pub use secret::Secret;
pub use settings::{AppTokenSettings, LEEWAY_MAX, TokenAlgorithm};
pub use verify::{Verifier, VerifierError};

use tidings_protocol::{ErrorCode, Refusal, Timestamp, UserId};

/// Issuer of the tokens of `tidings token`.
pub const DEV_ISSUER: &str = "tidings-dev";
/// Longest access token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest `sub` of a token that is not ours.
pub const SUBJECT_BYTES_MAX: usize = 256;

/// What a checked token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The bearer. For [`Origin::Development`] only as long as no account has that handle: see
    /// [`Accounts::identify`](crate::accounts::Accounts::identify).
    pub user: UserId,
    /// The bearer's handle; only in our own tokens.
    pub handle: Option<String>,
    /// The name they show.
    pub name: String,
    /// Not valid from then on (leeway not counted).
    pub expires_at: Timestamp,
    /// Who signed it.
    pub origin: Origin,
}

/// Who signed a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// This installation, at a log-in: the user is in the directory.
    Account,
    /// `tidings token --user NAME`.
    Development {
        /// NAME: a handle, if somebody has it.
        subject: String,
    },
    /// The app's backend: the user may not be in the directory yet.
    App,
}

/// Why a token was not taken. Its text is for the bearer and quotes nothing of the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`TOKEN_BYTES_MAX`], or no JWT.
    #[error("no token that can be read")]
    Malformed,
    /// From nobody we take tokens from.
    #[error("issuer not accepted")]
    Issuer,
    /// The header names an algorithm that is not on the list, or the key is of another kind.
    #[error("algorithm not accepted")]
    Algorithm,
    /// No key with that id is known (now).
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("signature does not fit")]
    Signature,
    /// It was right once.
    #[error("token expired")]
    Expired,
    /// Its `nbf` lies ahead.
    #[error("token not valid yet")]
    NotYet,
    /// A claim is missing, of the wrong shape, or not what is expected.
    #[error("claim {0} is missing or not accepted")]
    Claim(&'static str),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Expired => ErrorCode::TokenExpired,
            _ => ErrorCode::Unauthenticated,
        };
        Self::new(code, error.to_string())
    }
}
