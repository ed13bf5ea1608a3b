//! What tokens are taken and which are not: keys, algorithms, claims, and key sets that change and fail.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tidings_protocol::{ErrorCode, Refusal, Retry, UserCard, UserId};
use time::OffsetDateTime;
use tokio::net::TcpListener;

use super::*;

const KEY: &[u8; 32] = b"the install's key, of thirty-two";
const APP_KEY: &str = "the app's own key, of more than thirty-two bytes";

fn now_s() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn keys() -> InstallKeys {
    InstallKeys::new(KEY).unwrap()
}

fn shared() -> AppTokenSettings {
    AppTokenSettings {
        algorithms: vec![TokenAlgorithm::Hs256],
        issuer: Some("app".to_owned()),
        audience: Some("chat".to_owned()),
        shared_key: Some(Secret::new(APP_KEY)),
        ..AppTokenSettings::default()
    }
}

async fn verifier(app: &AppTokenSettings) -> Verifier {
    Verifier::start(keys(), app, true).await.unwrap()
}

fn sign(claims: &Value, algorithm: Algorithm, key: &EncodingKey, id: Option<&str>) -> String {
    let header = Header { kid: id.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

fn hs256(claims: &Value, key: &[u8]) -> String {
    sign(claims, Algorithm::HS256, &EncodingKey::from_secret(key), None)
}

fn app_claims() -> Value {
    json!({"iss": "app", "aud": "chat", "sub": "42", "exp": now_s() + 60})
}

fn with(mut claims: Value, field: &str, value: Value) -> Value {
    claims[field] = value;
    claims
}

fn without(mut claims: Value, field: &str) -> Value {
    claims.as_object_mut().unwrap().remove(field);
    claims
}

fn name(verdict: Result<Claims, TokenError>) -> String {
    match verdict {
        Ok(claims) => format!("taken: {}", claims.name),
        Err(error) => error.to_string(),
    }
}

fn alice() -> UserCard {
    UserCard { id: UserId::generate(), handle: Some("alice".to_owned()), name: "Alice".to_owned() }
}

#[tokio::test]
async fn our_own_token_says_who_it_is() {
    let (verifier, alice) = (verifier(&AppTokenSettings::default()).await, alice());
    let issued = keys().issue(&alice, Duration::from_secs(60)).unwrap();
    let claims = verifier.verify(&issued.token).unwrap();
    assert_eq!((claims.user, claims.handle, claims.name), (alice.id, alice.handle, alice.name));
    assert_eq!((claims.expires_at, claims.origin), (issued.expires_at, Origin::Account));
    let again = keys().issue(&self::alice(), Duration::from_secs(60)).unwrap();
    assert_ne!(again.token, issued.token);
    assert!(!format!("{:?}", keys()).contains("install's"));
}

#[tokio::test]
async fn our_own_tokens_have_no_second_form() {
    let verifier = verifier(&shared()).await;
    let claims = json!({"iss": "tidings", "sub": UserId::generate().to_string(), "name": "Alice",
        "iat": now_s(), "exp": now_s() + 60, "jti": "1"});
    let verdict = |claims: &Value, key: &[u8]| name(verifier.verify(&hs256(claims, key)));
    assert_eq!(verdict(&claims, KEY), "taken: Alice");
    assert_eq!(verdict(&claims, APP_KEY.as_bytes()), "signature does not fit");
    assert_eq!(verdict(&with(claims.clone(), "exp", json!(now_s() - 2)), KEY), "token expired");
    assert_eq!(verdict(&with(claims.clone(), "nbf", json!(now_s() + 30)), KEY), "token not valid yet");
    assert_eq!(verdict(&with(claims.clone(), "sub", json!("alice")), KEY), "claim sub is missing or not accepted");
    assert_eq!(verdict(&without(claims.clone(), "exp"), KEY), "no token that can be read");
    let hs384 = sign(&claims, Algorithm::HS384, &EncodingKey::from_secret(KEY), None);
    assert_eq!(name(verifier.verify(&hs384)), "algorithm not accepted");
    let other = sign(&claims, Algorithm::HS256, &EncodingKey::from_secret(KEY), Some("other"));
    assert_eq!(name(verifier.verify(&other)), "signed with an unknown key");
}

#[tokio::test]
async fn keys_can_be_changed_without_ending_tokens() {
    let new = b"another key of thirty-two bytes!";
    let both = InstallKeys::new(new).unwrap().and_older(KEY).unwrap();
    let app = AppTokenSettings::default();
    let verifier = Verifier::start(both.clone(), &app, false).await.unwrap();
    for keys in [keys(), both] {
        let token = keys.issue(&alice(), Duration::from_secs(60)).unwrap().token;
        assert_eq!(name(verifier.verify(&token)), "taken: Alice");
    }
    let only_new = Verifier::start(InstallKeys::new(new).unwrap(), &app, false).await.unwrap();
    let old = keys().issue(&alice(), Duration::from_secs(60)).unwrap().token;
    assert_eq!(name(only_new.verify(&old)), "signed with an unknown key");
    assert_eq!(InstallKeys::new(&KEY[1..]).err(), Some(BadKey));
    assert_eq!(keys().and_older(b"short").err(), Some(BadKey));
}

#[tokio::test]
async fn a_development_token_is_taken_in_development_only() {
    let app = AppTokenSettings::default();
    let claims = json!({"iss": "tidings-dev", "sub": "bob", "name": "Bob", "iat": now_s(), "exp": now_s() + 60});
    let token = hs256(&claims, KEY);
    let taken = verifier(&app).await.verify(&token).unwrap();
    assert_eq!((taken.user, taken.name.as_str()), (UserId::from_token("tidings-dev", "bob"), "Bob"));
    assert_eq!(taken.origin, Origin::Development { subject: "bob".to_owned() });
    let elsewhere = Verifier::start(keys(), &app, false).await.unwrap();
    assert_eq!(name(elsewhere.verify(&token)), "issuer not accepted");
    let forged = hs256(&claims, APP_KEY.as_bytes());
    assert_eq!(name(verifier(&shared()).await.verify(&forged)), "signature does not fit");
}

#[tokio::test]
async fn the_apps_token_names_a_user_by_issuer_and_subject() {
    let verifier = verifier(&shared()).await;
    let claims = verifier.verify(&hs256(&app_claims(), APP_KEY.as_bytes())).unwrap();
    assert_eq!(claims.user, UserId::from_token("app", "42"));
    assert_eq!((claims.name.as_str(), claims.handle, claims.origin), ("42", None, Origin::App));
    let named = with(app_claims(), "name", json!(format!(" Ann\n{}", "e".repeat(200))));
    let claims = verifier.verify(&hs256(&named, APP_KEY.as_bytes())).unwrap();
    assert_eq!(claims.name, format!("Ann{}", "e".repeat(97)));
    let many = with(app_claims(), "aud", json!(["other", "chat"]));
    assert_eq!(name(verifier.verify(&hs256(&many, APP_KEY.as_bytes()))), "taken: 42");
    let late = with(app_claims(), "exp", json!(now_s() - 3));
    assert_eq!(name(verifier.verify(&hs256(&late, APP_KEY.as_bytes()))), "taken: 42", "in the leeway");
}

#[tokio::test]
async fn the_apps_tokens_are_refused_for_every_flaw() {
    let verifier = verifier(&shared()).await;
    let claim = |name: &str| format!("claim {name} is missing or not accepted");
    for (claims, expected) in [
        (without(app_claims(), "exp"), claim("exp")),
        (with(app_claims(), "exp", json!(now_s() - 6)), "token expired".to_owned()),
        (with(app_claims(), "exp", json!("soon")), "no token that can be read".to_owned()),
        (with(app_claims(), "nbf", json!(now_s() + 10)), "token not valid yet".to_owned()),
        (without(app_claims(), "sub"), claim("sub")),
        (with(app_claims(), "sub", json!("")), claim("sub")),
        (with(app_claims(), "sub", json!("x".repeat(257))), claim("sub")),
        (without(app_claims(), "iss"), claim("iss")),
        (with(app_claims(), "iss", json!("other")), claim("iss")),
        (with(app_claims(), "iss", json!(["app"])), "no token that can be read".to_owned()),
        (without(app_claims(), "aud"), claim("aud")),
        (with(app_claims(), "aud", json!("other")), claim("aud")),
        (with(app_claims(), "iss", json!("tidings")), "signature does not fit".to_owned()),
    ] {
        let verdict = name(verifier.verify(&hs256(&claims, APP_KEY.as_bytes())));
        // Whose token it claims to be decides the keys: one that says it is ours is not read as the app's.
        assert_eq!(verdict, expected, "{claims}");
    }
    let wrong_key = hs256(&app_claims(), b"a key that is not the app's, but long enough");
    assert_eq!(name(verifier.verify(&wrong_key)), "signature does not fit");
    let off = Verifier::start(keys(), &AppTokenSettings::default(), true).await.unwrap();
    assert_eq!(name(off.verify(&hs256(&app_claims(), APP_KEY.as_bytes()))), "issuer not accepted");
}

#[tokio::test]
async fn what_is_no_signed_token_is_refused() {
    let verifier = verifier(&shared()).await;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let good = hs256(&app_claims(), APP_KEY.as_bytes());
    let signature = good.rsplit('.').next().unwrap();
    for (header, expected) in [
        (json!({"alg": "none"}), "algorithm not accepted"),
        (json!({"alg": "NONE", "typ": "JWT"}), "algorithm not accepted"),
        (json!({"alg": "HS512"}), "algorithm not accepted"),
        (json!({"alg": "RS256"}), "algorithm not accepted"),
        (json!({"alg": "HS256", "crit": ["exp"]}), "no token that can be read"),
        (json!({"typ": "JWT"}), "algorithm not accepted"),
    ] {
        for signature in ["", signature] {
            let token = format!("{}.{}.{signature}", part(&header), part(&app_claims()));
            assert_eq!(name(verifier.verify(&token)), expected, "{header}");
        }
    }
    let cut = good.trim_end_matches(|letter| letter != '.');
    assert_eq!(name(verifier.verify(cut)), "signature does not fit");
    for text in ["", "x", "a.b.c", "..", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
        assert_eq!(name(verifier.verify(text)), "no token that can be read");
    }
    let long = with(app_claims(), "pad", json!("x".repeat(TOKEN_BYTES_MAX)));
    assert_eq!(name(verifier.verify(&hs256(&long, APP_KEY.as_bytes()))), "no token that can be read");
}

#[test]
fn a_token_error_says_what_to_do() {
    let refusal = |error: TokenError| Refusal::from(error).code;
    assert_eq!(refusal(TokenError::Expired), ErrorCode::TokenExpired);
    for error in [TokenError::Malformed, TokenError::Signature, TokenError::UnknownKey, TokenError::NotYet] {
        let code = refusal(error);
        assert_eq!((code, code.retry()), (ErrorCode::Unauthenticated, Retry::RefreshToken));
    }
}

/// A key pair of the app's backend.
struct Pair {
    algorithm: Algorithm,
    signing: EncodingKey,
    public: Value,
}

impl Pair {
    fn new(algorithm: Algorithm, id: &str) -> Self {
        let signing = match algorithm {
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            _ => {
                let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let text = STANDARD.encode(der.as_ref());
                let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
            }
        };
        let mut jwk = Jwk::from_encoding_key(&signing, algorithm).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        Self { algorithm, signing, public: serde_json::to_value(jwk).unwrap() }
    }

    fn token(&self, id: Option<&str>) -> String {
        sign(&app_claims(), self.algorithm, &self.signing, id)
    }
}

fn set(pairs: &[&Pair]) -> String {
    json!({ "keys": pairs.iter().map(|pair| &pair.public).collect::<Vec<_>>() }).to_string()
}

const PUBLIC: [TokenAlgorithm; 3] = [TokenAlgorithm::EdDsa, TokenAlgorithm::Es256, TokenAlgorithm::Rs256];

#[tokio::test]
async fn public_keys_of_each_kind_from_a_file() {
    let pairs =
        [Pair::new(Algorithm::EdDSA, "ed"), Pair::new(Algorithm::ES256, "ec"), Pair::new(Algorithm::RS256, "rsa")];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let app = |algorithms: &[TokenAlgorithm]| AppTokenSettings {
        algorithms: algorithms.to_vec(),
        jwks_file: Some(path.clone()),
        ..AppTokenSettings::default()
    };
    let missing = Verifier::start(keys(), &app(&PUBLIC), false).await;
    assert!(matches!(missing, Err(VerifierError::Keys(KeysError::File(_)))));
    std::fs::write(&path, set(&[&pairs[0], &pairs[1], &pairs[2]])).unwrap();
    let verifier = Verifier::start(keys(), &app(&PUBLIC), false).await.unwrap();
    let only_ed = Verifier::start(keys(), &app(&PUBLIC[..1]), false).await.unwrap();
    for (pair, id) in pairs.iter().zip(["ed", "ec", "rsa"]) {
        assert_eq!(name(verifier.verify(&pair.token(Some(id)))), "taken: 42");
        assert_eq!(name(verifier.verify(&pair.token(None))), "taken: 42", "a token need not name its key");
        let expected = if id == "ed" { "taken: 42" } else { "algorithm not accepted" };
        assert_eq!(name(only_ed.verify(&pair.token(Some(id)))), expected);
        let stranger = Pair::new(pair.algorithm, id);
        assert_eq!(name(verifier.verify(&stranger.token(Some(id)))), "signature does not fit");
        let elsewhere = if id == "ed" { "ec" } else { "ed" };
        assert_eq!(name(verifier.verify(&pair.token(Some(elsewhere)))), "signed with an unknown key");
        // The public key as a shared secret, the oldest trick.
        let text = pair.public.to_string();
        assert_eq!(name(verifier.verify(&hs256(&app_claims(), text.as_bytes()))), "algorithm not accepted");
    }
}

/// A key endpoint: `None` is down.
#[derive(Clone, Default)]
struct Endpoint {
    set: Arc<Mutex<Option<String>>>,
    reads: Arc<AtomicUsize>,
}

impl Endpoint {
    async fn start(&self) -> AppTokenSettings {
        let answer = |State(this): State<Self>| async move {
            this.reads.fetch_add(1, Ordering::SeqCst);
            this.set.lock().clone().ok_or(StatusCode::BAD_GATEWAY)
        };
        let router = Router::new().route("/keys", get(answer)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        AppTokenSettings {
            algorithms: PUBLIC.to_vec(),
            jwks_url: Some(url),
            jwks_refetch_min: Duration::ZERO,
            ..AppTokenSettings::default()
        }
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_new_key_is_found_by_the_first_token_that_names_it_and_an_outage_ends_nothing() {
    let (old, new) = (Pair::new(Algorithm::EdDSA, "old"), Pair::new(Algorithm::EdDSA, "new"));
    let endpoint = Endpoint::default();
    let app = endpoint.start().await;
    // Down at the start: nothing is known, nothing fails.
    let verifier = verifier(&app).await;
    assert_eq!(name(verifier.verify_fresh(&old.token(Some("old"))).await), "signed with an unknown key");
    *endpoint.set.lock() = Some(set(&[&old]));
    assert_eq!(name(verifier.verify(&old.token(Some("old")))), "signed with an unknown key");
    assert_eq!(name(verifier.verify_fresh(&old.token(Some("old"))).await), "taken: 42");
    let reads = endpoint.reads();
    assert_eq!(name(verifier.verify_fresh(&old.token(Some("old"))).await), "taken: 42");
    assert_eq!(endpoint.reads(), reads, "a known key reads nothing");
    for bad in [None, Some("{}".to_owned()), Some("{\"keys\":[]}".to_owned())] {
        *endpoint.set.lock() = bad;
        assert_eq!(name(verifier.verify_fresh(&new.token(Some("new"))).await), "signed with an unknown key");
        assert_eq!(name(verifier.verify(&old.token(Some("old")))), "taken: 42", "the last good set is kept");
    }
    *endpoint.set.lock() = Some(set(&[&new]));
    assert_eq!(name(verifier.verify_fresh(&new.token(Some("new"))).await), "taken: 42");
    assert_eq!(name(verifier.verify(&old.token(Some("old")))), "signed with an unknown key", "withdrawn");
}

#[tokio::test]
async fn invented_key_ids_read_the_set_once() {
    let pair = Pair::new(Algorithm::EdDSA, "one");
    let endpoint = Endpoint::default();
    *endpoint.set.lock() = Some(set(&[&pair]));
    let app = AppTokenSettings { jwks_refetch_min: Duration::from_secs(3600), ..endpoint.start().await };
    let verifier = Arc::new(verifier(&app).await);
    assert_eq!(endpoint.reads(), 1);
    let mut under_way = Vec::new();
    for n in 0..50 {
        let (verifier, token) = (verifier.clone(), pair.token(Some(&format!("invented {n}"))));
        under_way.push(tokio::spawn(async move { name(verifier.verify_fresh(&token).await) }));
    }
    for verdict in under_way {
        assert_eq!(verdict.await.unwrap(), "signed with an unknown key");
    }
    assert_eq!(endpoint.reads(), 2);
}

#[tokio::test]
async fn the_set_is_read_again_from_time_to_time_until_the_stop() {
    let (old, new) = (Pair::new(Algorithm::EdDSA, "k"), Pair::new(Algorithm::EdDSA, "k"));
    let endpoint = Endpoint::default();
    *endpoint.set.lock() = Some(set(&[&old]));
    let app = AppTokenSettings { jwks_refresh: Duration::from_millis(5), ..endpoint.start().await };
    let verifier = Arc::new(verifier(&app).await);
    let stop = tokio_util::sync::CancellationToken::new();
    let (kept, until) = (verifier.clone(), stop.clone());
    let task = tokio::spawn(async move { kept.keep_fresh(until).await });
    *endpoint.set.lock() = Some(set(&[&new]));
    while verifier.verify(&new.token(Some("k"))).is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(name(verifier.verify(&old.token(Some("k")))), "signature does not fit");
    stop.cancel();
    task.await.unwrap();
}
