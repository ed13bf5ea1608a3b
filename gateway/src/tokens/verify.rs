//! Checks access tokens.
//!
//! The order matters: length, issuer (which kind it claims to be), algorithm against that kind's list, key of that
//! kind, signature, and only then a claim is believed. The issuer is read before the signature is checked, but it only
//! chooses which keys may fit; a token that lies about it fits none of them.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidings_protocol::limits::NAME_CHARS;
use tidings_protocol::{Timestamp, UserId};
use tokio_util::sync::CancellationToken;

use super::install::OwnClaims;
use super::jwks::Jwks;
use super::{
    AppTokenSettings, Claims, DEV_ISSUER, ISSUER, InstallKeys, KeysError, Origin, SUBJECT_BYTES_MAX, TOKEN_BYTES_MAX,
    TokenAlgorithm, TokenError,
};
use crate::units::BadSetting;

/// There is no verifier with these settings.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// The settings do not fit each other.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// The app's public keys cannot be had.
    #[error("keys of the app's tokens")]
    Keys(#[source] KeysError),
}

/// Checks access tokens of all kinds.
#[derive(Debug)]
pub struct Verifier {
    install: InstallKeys,
    /// Whether tokens of `tidings token` are taken.
    dev: bool,
    app: App,
}

/// The app's side.
#[derive(Debug)]
struct App {
    algorithms: Vec<TokenAlgorithm>,
    leeway_s: u64,
    issuer: Option<String>,
    audience: Option<String>,
    shared: Option<DecodingKey>,
    jwks: Option<Jwks>,
}

/// What tokens of the app, and of `tidings token`, say.
#[derive(Deserialize)]
struct ForeignClaims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    exp: f64,
}

impl Verifier {
    /// A verifier; `dev` also takes tokens of `tidings token`. Reads the app's keys: a file must be there, an address
    /// that does not answer now is asked again later.
    ///
    /// # Errors
    /// [`VerifierError`]: settings, or a key file that cannot be read.
    pub async fn start(install: InstallKeys, app: &AppTokenSettings, dev: bool) -> Result<Self, VerifierError> {
        app.check()?;
        let app = App::of(app).map_err(VerifierError::Keys)?;
        if let Some(jwks) = &app.jwks {
            if jwks.is_file() {
                jwks.read().await.map_err(VerifierError::Keys)?;
            } else {
                jwks.read_or_warn().await;
            }
        }
        Ok(Self { install, dev, app })
    }

    /// Checks a token with the keys at hand: no waiting, no store.
    ///
    /// # Errors
    /// [`TokenError`]; `UnknownKey` may be cured by [`Verifier::verify_fresh`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        #[derive(Deserialize)]
        struct Peek {
            #[serde(default)]
            iss: String,
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let peek: Peek = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| TokenError::Malformed)?;
        let header = read_header(token)?;
        match peek.iss.as_str() {
            ISSUER => self.own(token, &header),
            DEV_ISSUER if self.dev => self.development(token, &header),
            DEV_ISSUER => Err(TokenError::Issuer),
            _ => self.app.claims(token, &header),
        }
    }

    /// The same; a token that names a key not at hand waits until the app's keys have been read once more (bounded by
    /// `jwks_timeout`, and not more often than the settings allow).
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify_fresh(&self, token: &str) -> Result<Claims, TokenError> {
        match (self.verify(token), &self.app.jwks) {
            (Err(TokenError::UnknownKey), Some(jwks)) => {
                jwks.read_again().await;
                self.verify(token)
            }
            (verdict, _) => verdict,
        }
    }

    /// Reads the app's keys again from time to time until `stop`; comes back at once when there are none to read.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        if let Some(jwks) = &self.app.jwks {
            jwks.keep_fresh(&stop).await;
        }
    }

    fn own(&self, token: &str, header: &Header) -> Result<Claims, TokenError> {
        let claims: OwnClaims = self.with_install_key(token, header)?;
        Ok(Claims {
            user: claims.sub.parse().map_err(|_| TokenError::Claim("sub"))?,
            handle: claims.handle,
            name: claims.name,
            expires_at: Timestamp(claims.exp.saturating_mul(1000)),
            origin: Origin::Account,
        })
    }

    fn development(&self, token: &str, header: &Header) -> Result<Claims, TokenError> {
        let claims: ForeignClaims = self.with_install_key(token, header)?;
        let origin = Origin::Development { subject: claims.sub.clone() };
        foreign(claims, origin)
    }

    fn with_install_key<T: DeserializeOwned>(&self, token: &str, header: &Header) -> Result<T, TokenError> {
        if header.alg != Algorithm::HS256 {
            return Err(TokenError::Algorithm);
        }
        let named = |id: &str| header.kid.as_deref().is_none_or(|kid| kid == id);
        let keys = self.install.taken.iter().filter(|(id, _)| named(id)).map(|(_, key)| key);
        decode_with(keys, token, &validation(header.alg, 0))
    }
}

impl App {
    fn of(settings: &AppTokenSettings) -> Result<Self, KeysError> {
        let shared = settings.shared_key.as_ref();
        Ok(Self {
            algorithms: settings.algorithms.clone(),
            leeway_s: settings.leeway.as_secs(),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            shared: shared.map(|key| DecodingKey::from_secret(key.reveal().as_bytes())),
            jwks: Jwks::of(settings)?,
        })
    }

    fn claims(&self, token: &str, header: &Header) -> Result<Claims, TokenError> {
        if self.algorithms.is_empty() {
            return Err(TokenError::Issuer);
        }
        let listed = |one: &TokenAlgorithm| self.algorithms.contains(one);
        let algorithm = TokenAlgorithm::of(header.alg).filter(listed).ok_or(TokenError::Algorithm)?;
        let mut validation = validation(algorithm.header(), self.leeway_s);
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
            validation.validate_aud = true;
        }
        let claims = if algorithm == TokenAlgorithm::Hs256 {
            decode_with(self.shared.iter(), token, &validation)
        } else {
            let set = self.jwks.as_ref().map(Jwks::set).unwrap_or_default();
            decode_with(set.find(header.kid.as_deref(), algorithm), token, &validation)
        };
        foreign(claims?, Origin::App)
    }
}

/// What every kind has in common: `exp` and `sub` are there, `exp` and `nbf` hold, the algorithm is this one.
fn validation(algorithm: Algorithm, leeway_s: u64) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "sub"]);
    validation.leeway = leeway_s;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation
}

fn read_header(token: &str) -> Result<Header, TokenError> {
    // An algorithm that the library does not know, `none` among them, does not read as a header.
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Algorithm)?;
    if header.crit.is_some() { Err(TokenError::Malformed) } else { Ok(header) }
}

/// The claims under the first key that fits; the verdict of the last one when none does.
fn decode_with<'a, T: DeserializeOwned>(
    keys: impl Iterator<Item = &'a DecodingKey>,
    token: &str,
    validation: &Validation,
) -> Result<T, TokenError> {
    let mut verdict = TokenError::UnknownKey;
    for key in keys {
        match jsonwebtoken::decode::<T>(token, key, validation) {
            Ok(data) => return Ok(data.claims),
            Err(error) => verdict = token_error(error.kind()),
        }
        if !matches!(verdict, TokenError::Signature | TokenError::Algorithm) {
            break;
        }
    }
    Err(verdict)
}

fn token_error(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidIssuer => TokenError::Claim("iss"),
        ErrorKind::InvalidAudience => TokenError::Claim("aud"),
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
            TokenError::Claim(match name.as_str() {
                "exp" => "exp",
                "iss" => "iss",
                "aud" => "aud",
                "nbf" => "nbf",
                _ => "sub",
            })
        }
        _ => TokenError::Malformed,
    }
}

fn foreign(claims: ForeignClaims, origin: Origin) -> Result<Claims, TokenError> {
    if claims.sub.is_empty() || claims.sub.len() > SUBJECT_BYTES_MAX {
        return Err(TokenError::Claim("sub"));
    }
    // A line feed stands between issuer and subject where the user's id is made.
    if claims.iss.contains('\n') {
        return Err(TokenError::Claim("iss"));
    }
    let shown = |text: &str| {
        let plain = text.trim().chars().filter(|letter| !letter.is_control());
        plain.take(NAME_CHARS).collect::<String>()
    };
    let name = claims.name.as_deref().map(shown).filter(|name| !name.is_empty());
    // A float beyond the range stops at its end.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is meant")]
    let expires_at = Timestamp((claims.exp * 1000.0) as i64);
    Ok(Claims {
        user: UserId::from_token(&claims.iss, &claims.sub),
        handle: None,
        name: name.unwrap_or_else(|| shown(&claims.sub)),
        expires_at,
        origin,
    })
}
