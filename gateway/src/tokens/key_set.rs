//! Public keys of the app's backend, as a JSON Web Key Set gives them.
//!
//! A set is taken key by key: one that is of an unknown kind, for encryption, symmetric, or for an algorithm that is
//! not on the list is passed over, so a new kind in the set does not end the others. A set without any usable key is
//! an error, and the caller keeps the one it has.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;

use super::TokenAlgorithm;

/// Most keys taken from one set; what follows is passed over.
const KEYS_MAX: usize = 64;

/// A set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is no JSON object with `keys`.
    #[error("not a JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    /// None of its keys can be used.
    #[error("no key in the set is for an algorithm on the list")]
    Empty,
}

/// The usable keys of a set.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    algorithm: TokenAlgorithm,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a set, keeping the keys of the `allowed` algorithms.
    pub(super) fn parse(bytes: &[u8], allowed: &[TokenAlgorithm]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(bytes).map_err(KeySetError::Malformed)?;
        let keys: Vec<PublicKey> =
            document.keys.into_iter().filter_map(|key| PublicKey::read(key, allowed)).take(KEYS_MAX).collect();
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(Self { keys }) }
    }

    /// The keys that a token with this header may be signed with: the one it names, or all of the algorithm when it
    /// names none.
    pub(super) fn find(&self, id: Option<&str>, algorithm: TokenAlgorithm) -> impl Iterator<Item = &DecodingKey> {
        let named = move |key: &&PublicKey| id.is_none() || key.id.as_deref() == id;
        let fits = move |key: &&PublicKey| key.algorithm == algorithm && named(key);
        self.keys.iter().filter(fits).map(|key| &key.key)
    }
}

impl PublicKey {
    fn read(value: serde_json::Value, allowed: &[TokenAlgorithm]) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if matches!(jwk.common.public_key_use, Some(ref usage) if *usage != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = algorithm_of(&jwk)?;
        if !allowed.contains(&algorithm) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }
}

/// The one algorithm that a key is used with: what its kind says, unless its `alg` says otherwise.
fn algorithm_of(jwk: &Jwk) -> Option<TokenAlgorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (TokenAlgorithm::Rs256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (TokenAlgorithm::Es256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (TokenAlgorithm::EdDsa, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|said| said == name).then_some(algorithm)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    const ALL: &[TokenAlgorithm] = &[TokenAlgorithm::EdDsa, TokenAlgorithm::Es256, TokenAlgorithm::Rs256];

    fn set(keys: serde_json::Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), ALL)
    }

    fn ed(id: &str) -> serde_json::Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
    }

    #[test]
    fn only_keys_that_can_sign_tokens_are_taken() {
        let mut encryption = ed("enc");
        encryption["use"] = json!("enc");
        let mut other = ed("alg");
        other["alg"] = json!("ES256");
        let symmetric = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0"});
        let unknown = json!({"kty": "new", "kid": "new"});
        let keys = json!([encryption, other, symmetric, unknown, 7, ed("good")]);
        let found = set(keys).unwrap();
        assert_eq!(found.keys.len(), 1);
        assert_eq!(found.find(Some("good"), TokenAlgorithm::EdDsa).count(), 1);
        assert_eq!(found.find(None, TokenAlgorithm::EdDsa).count(), 1);
        assert_eq!(found.find(Some("good"), TokenAlgorithm::Es256).count(), 0);
        assert_eq!(found.find(Some("oct"), TokenAlgorithm::EdDsa).count(), 0);
    }

    #[test]
    fn a_set_without_a_usable_key_is_an_error() {
        assert!(matches!(set(json!([])), Err(KeySetError::Empty)));
        assert!(matches!(KeySet::parse(b"{}", ALL), Err(KeySetError::Malformed(_))));
        let rsa_only = KeySet::parse(json!({"keys": [ed("a")]}).to_string().as_bytes(), &[TokenAlgorithm::Rs256]);
        assert!(matches!(rsa_only, Err(KeySetError::Empty)));
    }
}
