//! `/v1/connect`: where the socket is, and whether to wait before going there

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::routing::get;
use serde::Serialize;
use tidings_protocol::Refusal;

use super::{Answer, Api, ok};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/connect", get(connect))
}

#[derive(Serialize)]
struct Connect {
    url: String,
    retry_after_ms: u64,
}

async fn connect(State(api): State<Api>, headers: HeaderMap) -> Answer<Connect> {
    let url = match &api.http.public_socket_url {
        Some(url) => url.clone(),
        None => own_url(&headers, api.http.proxies > 0)?,
    };
    ok(Connect { url, retry_after_ms: (api.connect_wait_ms)() })
}

/// The socket at the same address that the request was sent to. Only a proxy in front knows whether that was TLS.
fn own_url(headers: &HeaderMap, proxied: bool) -> Result<String, Refusal> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.ok_or_else(|| Refusal::bad_field("Host", "missing"))?;
    let proto = headers.get("x-forwarded-proto").filter(|_| proxied);
    let scheme = if proto.is_some_and(|proto| proto == "https") { "wss" } else { "ws" };
    Ok(format!("{scheme}://{host}/v1/ws"))
}
