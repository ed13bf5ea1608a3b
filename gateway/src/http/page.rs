//! The page at `/`, out of the binary.
//!
//! Every file of `web/` that the page is made of is embedded by the build script, so the binary serves what it was
//! built with and needs no folder beside it. Nothing is taken from a path: only the listed names exist.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use sha2::{Digest, Sha256};

include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// Only what comes from here runs, and nobody frames it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
);
/// Asked again each time, answered without the content when it is the same: a new version shows at once.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// One file as it is served.
#[derive(Clone)]
struct File {
    content: &'static [u8],
    kind: HeaderValue,
    tag: HeaderValue,
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut routes = Router::new();
    for (path, content) in FILES {
        let file = File { content, kind: kind_of(path), tag: tag_of(content) };
        let path = if *path == "/index.html" { "/" } else { path };
        routes = routes.route(path, get(serve).with_state(file));
    }
    routes
}

async fn serve(State(file): State<File>, headers: HeaderMap) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let own = file.tag.to_str().unwrap_or_default();
    let known = known.is_some_and(|tags| {
        tags.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == own || tag == "*")
    });
    let headers =
        [(ETAG, file.tag), (CACHE_CONTROL, CACHING), (CONTENT_SECURITY_POLICY, POLICY), (CONTENT_TYPE, file.kind)];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, Bytes::from_static(file.content)).into_response()
}

fn tag_of(content: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(content);
    let hex: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    // Hex digits in quotes are a header value.
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Kept in step with the build script, which embeds no other kinds.
fn kind_of(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use super::*;

    /// All files under `folder`, as paths from `root`.
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(format!("/{}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let web = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../web"));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(web).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" && name != "node_modules" {
                walk(web, &path, &mut files);
            } else if path.is_file() && kind_of(&name) != "application/octet-stream" {
                files.push(format!("/{name}"));
            }
        }
        files.retain(|file| !file.contains(".test."));
        files.sort();
        let embedded: Vec<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(embedded, files, "build again when a file was just added");
        for (path, content) in FILES {
            assert_eq!(*content, std::fs::read(web.join(&path[1..])).unwrap(), "{path}");
            assert_ne!(kind_of(path), "application/octet-stream", "{path}");
        }
    }
}
