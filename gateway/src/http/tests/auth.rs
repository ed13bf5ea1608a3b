//! `/v1/auth/...`

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tidings_protocol::{ErrorCode, Timestamp};

use super::{World, refused, world, world_with};
use crate::accounts::AuthSettings;
use crate::accounts::testing::PASSWORD;
use crate::http::HttpSettings;

async fn registered(world: &World) -> Value {
    let asked = json!({"handle": "Alice", "password": PASSWORD, "name": "Alice A."});
    let got = world.post("/v1/auth/register", asked).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

fn text(grant: &Value, field: &str) -> String {
    grant[field].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_life_of_an_account() {
    let world = world().await;
    let grant = registered(&world).await;
    let fields: Vec<&String> = grant.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["access", "access_expires_at", "refresh", "user"]);
    assert_eq!(grant["user"]["handle"], "alice");
    assert_eq!(grant["user"]["name"], "Alice A.");
    assert!(Timestamp::parse(&text(&grant, "access_expires_at")).is_some());

    let login = json!({"handle": "alice", "password": PASSWORD});
    let got = world.post("/v1/auth/login", login.clone()).await;
    assert_eq!((got.status.as_u16(), got.header("cache-control")), (200, "no-store"));
    assert_eq!(got.json()["user"], grant["user"]);
    let second = got.json();

    let refreshed = world.post("/v1/auth/refresh", json!({"refresh": second["refresh"]})).await.json();
    assert_eq!(refreshed["user"], grant["user"]);
    let reused = world.post("/v1/auth/refresh", json!({"refresh": second["refresh"]})).await;
    assert_eq!(reused.problem(), refused(ErrorCode::Unauthenticated));
    let ended = world.post("/v1/auth/refresh", json!({"refresh": refreshed["refresh"]})).await;
    assert_eq!(ended.problem(), refused(ErrorCode::Unauthenticated));

    let change = json!({"password": PASSWORD, "new_password": "battery staple"}).to_string();
    let access = text(&grant, "access");
    let none = world.call("POST", "/v1/auth/password", None, change.clone()).await;
    assert_eq!(none.problem(), refused(ErrorCode::Unauthenticated));
    let changed = world.call("POST", "/v1/auth/password", Some(&access), change).await.json();
    assert_eq!(world.post("/v1/auth/login", login).await.problem(), refused(ErrorCode::Unauthenticated));

    let logout = json!({"refresh": changed["refresh"]});
    let got = world.post("/v1/auth/logout", logout.clone()).await;
    assert_eq!((got.status.as_u16(), got.json()), (200, json!({})));
    assert_eq!(world.post("/v1/auth/refresh", logout).await.problem(), refused(ErrorCode::Unauthenticated));
}

#[tokio::test]
async fn bad_input_to_each_call() {
    let world = world().await;
    let access = text(&registered(&world).await, "access");
    let (frame, field) = (ErrorCode::BadFrame, ErrorCode::BadField);
    for path in ["register", "login", "refresh", "logout", "password"] {
        for (body, expected) in [
            ("", frame),
            ("hello", frame),
            ("[]", frame),
            ("{\"handle\":", frame),
            ("{}", field),
            (r#"{"handle":1,"password":1,"name":1,"refresh":1,"new_password":1}"#, field),
        ] {
            let path = format!("/v1/auth/{path}");
            let got = world.call("POST", &path, Some(&access), body.to_owned()).await;
            assert_eq!(got.problem(), refused(expected), "{path} {body}");
        }
    }
    let long = "x".repeat(300);
    for (path, body) in [
        ("register", json!({"handle": long, "password": PASSWORD, "name": "A"})),
        ("register", json!({"handle": "bob", "password": long, "name": "A"})),
        ("register", json!({"handle": "bob", "password": PASSWORD, "name": long})),
        ("login", json!({"handle": "alice", "password": long})),
        ("refresh", json!({"refresh": long})),
        ("logout", json!({"refresh": long})),
        ("password", json!({"password": PASSWORD, "new_password": long})),
    ] {
        let got = world.call("POST", &format!("/v1/auth/{path}"), Some(&access), body.to_string()).await;
        assert_eq!(got.problem(), refused(field), "{path}");
    }
    let taken = json!({"handle": "ALICE", "password": PASSWORD, "name": "A"});
    assert_eq!(world.post("/v1/auth/register", taken).await.problem(), refused(ErrorCode::Already));
}

#[tokio::test]
async fn log_ins_are_counted_by_where_they_come_from() {
    let auth = AuthSettings {
        address_attempts: 1,
        address_attempt_every: Duration::from_secs(3600),
        ..AuthSettings::default()
    };
    let world = world_with(auth, HttpSettings { proxies: 1, ..HttpSettings::default() }).await;
    let login = async |from: &str| {
        let request = Request::post("/v1/auth/login").header("x-forwarded-for", from);
        let body = json!({"handle": "nobody", "password": PASSWORD}).to_string();
        world.send(request.body(Body::from(body)).unwrap()).await
    };
    assert_eq!(login("10.0.0.1").await.problem(), refused(ErrorCode::Unauthenticated));
    let again = login("6.6.6.6, 10.0.0.1").await;
    assert_eq!(again.problem(), refused(ErrorCode::RateLimited));
    let wait_s: u64 = again.header("retry-after").parse().unwrap();
    assert!((3_500..=3_600).contains(&wait_s));
    assert_eq!(again.json()["retry"], "backoff");
    assert!(again.json()["retry_after_ms"].as_u64().unwrap() <= wait_s * 1000);
    assert_eq!(login("10.0.0.2").await.problem(), refused(ErrorCode::Unauthenticated));
}
