//! The form of every answer: errors, headers, request ids, and what other sites' pages may do

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt;
use tidings_protocol::ErrorCode;
use tower::ServiceExt;

use super::{World, refused, world};

#[tokio::test]
async fn errors_of_any_origin_have_one_form() {
    let world = world().await;
    for (method, path) in [("GET", "/v1/nothing"), ("POST", "/nothing.js"), ("GET", "/v1/chats/1/2/3")] {
        let got = world.call(method, path, None, Body::empty()).await;
        assert_eq!(got.problem(), refused(ErrorCode::NoSuchCall), "{path}");
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/me", ["GET", "PATCH"]),
        ("GET", "/v1/auth/login", ["POST", "POST"]),
        ("POST", "/", ["GET", "HEAD"]),
    ] {
        let got = world.call(method, path, None, Body::empty()).await;
        assert_eq!(got.problem(), (405, "no_such_call".to_owned()), "{method} {path}");
        assert!(allow.iter().all(|one| got.header("allow").contains(one)), "{got:?}");
        assert_eq!(got.json()["status"], 405);
    }
    let api = world.api.clone();
    let others = Router::new()
        .route("/plain", get(|| async { (StatusCode::UPGRADE_REQUIRED, "some text") }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/full", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
    let world = World { router: super::router(api, others), ..world };
    let code = async |path: &str| world.call("GET", path, None, Body::empty()).await.problem();
    assert_eq!(code("/plain").await, (426, "bad_frame".to_owned()));
    assert_eq!(code("/broken").await, (500, "internal".to_owned()));
    assert_eq!(code("/full").await, (503, "overloaded".to_owned()));
    let full = world.call("GET", "/full", None, Body::empty()).await;
    assert_eq!(full.header("retry-after"), "1");
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_not_guessed_at() {
    let world = world().await;
    let send = async |id: Option<&str>| {
        let mut request = Request::get("/v1/me");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let got = send(Some("mine-1")).await;
    assert_eq!((got.header("x-request-id"), got.json()["request_id"].as_str()), ("mine-1", Some("mine-1")));
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert_eq!(got.header("referrer-policy"), "no-referrer");
    assert_eq!(got.header("cache-control"), "no-store");
    let long = "x".repeat(65);
    let mut made = Vec::new();
    for id in [None, Some(""), Some("a b"), Some("\"}"), Some(&*long)] {
        let got = send(id).await;
        assert!(uuid::Uuid::parse_str(got.header("x-request-id")).is_ok(), "{id:?}");
        made.push(got.header("x-request-id").to_owned());
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5);
}

#[tokio::test]
async fn other_sites_pages_may_call_with_a_token_of_their_own() {
    let world = world().await;
    let preflight = Request::options("/v1/chats")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type")
        .body(Body::empty());
    let got = world.send(preflight.unwrap()).await;
    assert_eq!((got.status.as_u16(), got.header("access-control-allow-origin")), (200, "*"));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(got.header("access-control-allow-methods").contains(method));
    }
    let headers = got.header("access-control-allow-headers").to_ascii_lowercase();
    assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
    assert_eq!(got.header("access-control-allow-credentials"), "");
    let request = Request::get("/v1/me").header("origin", "https://app.example").body(Body::empty());
    let got = world.send(request.unwrap()).await;
    assert_eq!(got.problem(), refused(ErrorCode::Unauthenticated));
    assert_eq!(got.header("access-control-allow-origin"), "*", "the page can read why");
    assert!(got.header("access-control-expose-headers").contains("retry-after"));
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let world = world().await;
    let request = Request::head("/v1/nothing").body(Body::empty()).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 404);
    // The server drops the body of an answer to HEAD; what matters is that headers are the same.
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.into_body().collect().await.is_ok());
}
