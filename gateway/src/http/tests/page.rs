//! The page

use axum::body::Body;
use axum::http::Request;
use tidings_protocol::ErrorCode;

use super::{refused, world};

#[tokio::test]
async fn the_page_and_its_parts_are_served_with_their_kinds() {
    let world = world().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/src/client/sync.js", "text/javascript; charset=utf-8"),
    ] {
        let got = world.call("GET", path, None, Body::empty()).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, kind), "{path}");
        assert!(got.header("content-security-policy").starts_with("default-src 'self';"));
        assert_eq!(got.header("cache-control"), "no-cache");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert!(!got.body.is_empty());
        let tag = got.header("etag").to_owned();
        for (sent, status) in [(&*tag, 304), (&*format!("\"x\", W/{tag}"), 304), ("*", 304), ("\"x\"", 200)] {
            let request = Request::get(path).header("if-none-match", sent).body(Body::empty());
            let again = world.send(request.unwrap()).await;
            assert_eq!((again.status.as_u16(), again.header("etag")), (status, &*tag), "{path} {sent}");
            assert_eq!(again.body.is_empty(), status == 304);
        }
    }
    let page = world.call("GET", "/", None, Body::empty()).await;
    assert!(std::str::from_utf8(&page.body).unwrap().contains("<!doctype html>"));
}

#[tokio::test]
async fn nothing_else_of_the_folder_is_served() {
    let world = world().await;
    for path in ["/package.json", "/src/", "/tests/package.json", "/../Cargo.toml", "/src/%2e%2e/package.json"] {
        let got = world.call("GET", path, None, Body::empty()).await;
        assert_eq!(got.problem(), refused(ErrorCode::NoSuchCall), "{path}");
    }
}
