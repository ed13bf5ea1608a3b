//! `tidings token`: an access token for development, signed with the key of an embedded installation.
//!
//! Such a token is good for the installation whose folder made it and for no other. It is printed alone, so that a
//! script can take it.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use tidings_gateway::tokens::{DEV_ISSUER, SUBJECT_BYTES_MAX};

use crate::dev::data::{DataError, find};
use crate::dev::secrets::{Secrets, SecretsError};

/// The longest life of a development token.
const TTL_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// What the token is for.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct TokenArgs {
    /// The user the token speaks for (`sub` and `name`)
    #[arg(long, value_name = "NAME", value_parser = parse_user)]
    user: String,
    /// How long it is good for: 90s, 15m, 24h, 7d, or seconds
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_ttl)]
    ttl: Duration,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
struct Claims<'a> {
    sub: &'a str,
    name: &'a str,
    iss: &'a str,
    iat: u64,
    exp: u64,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// There is no such installation.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Its key cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The token cannot be signed.
    #[error("could not sign the token")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// Nobody takes it.
    #[error("could not print the token")]
    Print(#[source] std::io::Error),
}

/// Prints a token for the installation in `data`.
///
/// # Errors
/// [`TokenError`] when there is no installation yet or the token cannot be made.
pub(crate) fn run(args: &TokenArgs, data: &Path) -> Result<(), TokenError> {
    let secrets = Secrets::load(&find(data)?)?;
    let token = mint(args, secrets.token_key.reveal(), SystemTime::now()).map_err(TokenError::Sign)?;
    writeln!(std::io::stdout(), "{token}").map_err(TokenError::Print)
}

fn mint(args: &TokenArgs, key: &str, now: SystemTime) -> jsonwebtoken::errors::Result<String> {
    let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let exp = iat + args.ttl.as_secs();
    let claims = Claims { sub: &args.user, name: &args.user, iss: DEV_ISSUER, iat, exp };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key.as_bytes()))
}

fn parse_user(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    if name.is_empty() || name.len() > SUBJECT_BYTES_MAX || name.contains(char::is_control) {
        return Err(format!("a name has 1 to {SUBJECT_BYTES_MAX} bytes and no control characters"));
    }
    Ok(name.to_owned())
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let (digits, unit_s) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3600),
        Some(b'd') => (&text[..text.len() - 1], 24 * 3600),
        _ => (text, 1),
    };
    let count: u64 = digits.parse().map_err(|_| "a number with s, m, h or d, or seconds".to_owned())?;
    match count.checked_mul(unit_s).map(Duration::from_secs) {
        Some(ttl) if ttl >= Duration::from_secs(1) && ttl <= TTL_MAX => Ok(ttl),
        _ => Err("from 1s to 366d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::time::{Duration, SystemTime};

    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use serde::Deserialize;

    use super::{DEV_ISSUER, TokenArgs, mint, parse_ttl, parse_user};

    #[derive(Deserialize)]
    struct Read {
        sub: String,
        name: String,
        iat: u64,
        exp: u64,
    }

    fn read(token: &str, key: &str) -> jsonwebtoken::errors::Result<Read> {
        let mut wanted = Validation::new(Algorithm::HS256);
        wanted.set_issuer(&[DEV_ISSUER]);
        wanted.set_required_spec_claims(&["exp", "iss", "sub"]);
        decode::<Read>(token, &DecodingKey::from_secret(key.as_bytes()), &wanted).map(|token| token.claims)
    }

    #[test]
    fn a_token_is_good_with_its_key_only_and_for_its_time_only() {
        let args = TokenArgs { user: "carol".to_owned(), ttl: Duration::from_secs(3600) };
        let token = mint(&args, "key", SystemTime::now()).unwrap();
        let claims = read(&token, "key").unwrap();
        assert_eq!((claims.sub.as_str(), claims.name.as_str()), ("carol", "carol"));
        assert_eq!(claims.exp - claims.iat, 3600);
        assert!(read(&token, "another key").is_err());
        let old = mint(&args, "key", SystemTime::now() - Duration::from_secs(7200)).unwrap();
        assert!(read(&old, "key").is_err());
    }

    #[test]
    fn times_and_names_are_checked() {
        assert_eq!(parse_ttl("90").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_ttl("15m").unwrap(), Duration::from_secs(900));
        assert_eq!(parse_ttl("7d").unwrap(), Duration::from_secs(604_800));
        for wrong in ["", "0", "h", "-1h", "1w", "367d", "99999999999999999999d", "1.5h", "é"] {
            assert!(parse_ttl(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_user("@alice").unwrap(), "alice");
        for wrong in ["", "@", "a\nb", &"x".repeat(257)] {
            assert!(parse_user(wrong).is_err(), "{wrong:?}");
        }
    }
}
