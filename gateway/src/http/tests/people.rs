//! `/v1/me`, `/v1/users`, `/v1/connect`, `/v1/dev`, and who a request's token says it is

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tidings_protocol::{ErrorCode, UserId};
use time::OffsetDateTime;

use super::{APP_KEY, refused, world, world_with};
use crate::accounts::AuthSettings;
use crate::accounts::testing::KEY;
use crate::http::HttpSettings;

fn signed(claims: &Value, key: &[u8]) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(key)).unwrap()
}

fn exp(after_s: i64) -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() + after_s
}

#[tokio::test]
async fn a_request_has_the_user_of_its_token_or_none() {
    let world = world().await;
    let alice = world.bench.register("alice").await;
    let app = json!({"iss": "app", "sub": "42", "name": "Ann", "exp": exp(60)});
    let dev = json!({"iss": "tidings-dev", "sub": "alice", "name": "alice", "exp": exp(60)});
    for (token, id, name) in [
        (alice.access.clone(), alice.user.id, "ALICE"),
        (signed(&app, APP_KEY.as_bytes()), UserId::from_token("app", "42"), "Ann"),
        (signed(&dev, KEY), alice.user.id, "ALICE"),
    ] {
        let me = world.call("GET", "/v1/me", Some(&token), Body::empty()).await.json();
        assert_eq!((me["id"].as_str(), me["name"].as_str()), (Some(&*id.to_string()), Some(name)));
    }
    let late = signed(&json!({"iss": "app", "sub": "42", "exp": exp(-60)}), APP_KEY.as_bytes());
    let got = world.call("GET", "/v1/me", Some(&late), Body::empty()).await;
    assert_eq!(got.problem(), refused(ErrorCode::TokenExpired));
    assert_eq!((got.json()["retry"].as_str(), got.header("www-authenticate")), (Some("refresh_token"), "Bearer"));
    for header in ["", "Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", &format!("Token {}", alice.access)] {
        let request = Request::get("/v1/me").header("authorization", header).body(Body::empty());
        let got = world.send(request.unwrap()).await;
        assert_eq!(got.problem(), refused(ErrorCode::Unauthenticated), "{header}");
    }
    let request = Request::get("/v1/me").header("authorization", format!("bearer {}", alice.access));
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn every_call_about_somebody_needs_a_token() {
    let world = world().await;
    let chat = UserId::generate();
    for (method, path) in [
        ("GET", "/v1/me".to_owned()),
        ("PATCH", "/v1/me".to_owned()),
        ("GET", "/v1/users?ids=@alice".to_owned()),
        ("GET", "/v1/users/@alice".to_owned()),
        ("GET", "/v1/chats".to_owned()),
        ("POST", "/v1/chats".to_owned()),
        ("GET", format!("/v1/chats/{chat}")),
        ("PATCH", format!("/v1/chats/{chat}")),
        ("GET", format!("/v1/chats/{chat}/members")),
        ("PUT", format!("/v1/chats/{chat}/members/{chat}")),
        ("DELETE", format!("/v1/chats/{chat}/members/{chat}")),
        ("GET", format!("/v1/chats/{chat}/messages")),
        ("PUT", format!("/v1/chats/{chat}/messages/{chat}")),
        ("PUT", format!("/v1/chats/{chat}/read")),
    ] {
        let got = world.call(method, &path, None, "{}").await;
        assert_eq!(got.problem(), refused(ErrorCode::Unauthenticated), "{method} {path}");
    }
    assert_eq!(world.asked.last(), None);
}

#[tokio::test]
async fn profiles_are_read_and_ones_own_is_changed() {
    let world = world().await;
    let (alice, bob) = (world.bench.register("alice").await, world.bench.register("bob").await);
    let token = Some(alice.access.as_str());
    let get = async |path: String| world.call("GET", &path, token, Body::empty()).await;
    let card = json!({"id": bob.user.id, "handle": "bob", "name": "BOB"});
    for path in [format!("/v1/users/{}", bob.user.id), "/v1/users/@bob".into(), "/v1/users/%40BOB".into()] {
        assert_eq!(get(path).await.json(), card);
    }
    let missing = UserId::generate();
    for path in [format!("/v1/users/{missing}"), "/v1/users/@nobody".to_owned()] {
        assert_eq!(get(path).await.problem(), refused(ErrorCode::NoSuchUser));
    }
    assert_eq!(get("/v1/users/bob".into()).await.problem(), refused(ErrorCode::BadField));

    let found = get(format!("/v1/users?ids=@bob,{missing},{},@bob", alice.user.id)).await.json();
    assert_eq!(found["users"].as_array().unwrap().len(), 2);
    assert_eq!(found["users"][0], card);
    assert_eq!(found["users"][1]["handle"], "alice");
    let most = vec!["@bob"; 100].join(",");
    assert_eq!(get(format!("/v1/users?ids={most}")).await.json(), json!({"users": [card]}));
    for bad in [format!("/v1/users?ids={most},@bob"), "/v1/users?ids=bob".into(), "/v1/users".into()] {
        assert_eq!(get(bad.clone()).await.problem(), refused(ErrorCode::BadField), "{bad}");
    }
    assert_eq!(get("/v1/users?ids=".into()).await.json(), json!({"users": []}));

    let changed = world.call("PATCH", "/v1/me", token, r#"{"name":" Alicia "}"#).await.json();
    assert_eq!(changed, json!({"id": alice.user.id, "handle": "alice", "name": "Alicia"}));
    assert_eq!(get("/v1/me".into()).await.json(), changed);
    assert_eq!(world.call("PATCH", "/v1/me", token, "{}").await.json(), changed);
    let long = json!({"name": "x".repeat(101)}).to_string();
    for bad in [r#"{"name":""}"#, r#"{"name":7}"#, &long] {
        let got = world.call("PATCH", "/v1/me", token, bad.to_owned()).await;
        assert_eq!(got.problem(), refused(ErrorCode::BadField), "{bad}");
    }
}

#[tokio::test]
async fn where_the_socket_is() {
    let url = async |http: HttpSettings, host: Option<&str>| {
        let world = world_with(AuthSettings::default(), http).await;
        let mut request = Request::get("/v1/connect").header("x-forwarded-proto", "https");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let direct = url(HttpSettings::default(), Some("chat.example:8080")).await.json();
    assert_eq!(direct, json!({"url": "ws://chat.example:8080/v1/ws", "retry_after_ms": 250}));
    let proxied = HttpSettings { proxies: 1, ..HttpSettings::default() };
    assert_eq!(url(proxied, Some("chat.example")).await.json()["url"], "wss://chat.example/v1/ws");
    let fixed = HttpSettings { public_socket_url: Some("wss://x/v1/ws".to_owned()), ..HttpSettings::default() };
    assert_eq!(url(fixed, None).await.json()["url"], "wss://x/v1/ws");
    assert_eq!(url(HttpSettings::default(), None).await.problem(), refused(ErrorCode::BadField));
}

#[tokio::test]
async fn demo_users_are_told_in_development_only_and_not_to_other_sites() {
    let world = world().await;
    let request = Request::get("/v1/dev").header("origin", "https://elsewhere.example");
    let got = world.send(request.body(Body::empty()).unwrap()).await;
    let demo = json!({"demo": [{"handle": "alice", "password": "correct horse", "name": "Alice"}]});
    assert_eq!(got.json(), demo);
    assert_eq!(got.header("access-control-allow-origin"), "");
    let api = super::super::Api { demo: None, ..world.api.clone() };
    let router = super::router(api, Router::new());
    let elsewhere = super::World { router, ..world };
    let got = elsewhere.call("GET", "/v1/dev", None, Body::empty()).await;
    assert_eq!(got.problem(), refused(ErrorCode::NoSuchCall));
}
