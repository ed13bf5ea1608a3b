//! Refusals as HTTP: one form for every error that leaves this port.
//!
//! A handler answers with the [`Refusal`] only; [`finish`], around everything, writes the document, because it knows
//! the request's id. It also catches what others answer (no such path, no such method, a refused upgrade), so that no
//! client ever gets an error in another form. Failures of ours are logged here, once, with the id that the client sees.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidings_protocol::{ErrorCode, Refusal, Retry};
use uuid::Uuid;

/// Names a request in an answer, in our log, and in the log of whoever sent it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken from a caller.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// What a client waits when nothing else is known, in seconds.
const RETRY_AFTER_DEFAULT_S: u64 = 1;

/// A refusal as an answer.
#[derive(Debug)]
pub struct Problem(pub Refusal);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.http_status());
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// The document (RFC 9457).
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: &'a str,
    code: ErrorCode,
    retry: Retry,
    retry_after_ms: Option<u64>,
    request_id: &'a str,
}

/// Around every request: gives it an id, puts errors into their form, adds the headers that every answer has.
pub(super) async fn finish(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        response = document(response, id.to_str().unwrap_or_default());
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's id for the request when it is a harmless one, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let harmless = |value: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(plain)
    };
    if let Some(given) = request.headers().get(REQUEST_ID).filter(harmless) {
        return given.clone();
    }
    let text = Uuid::new_v4().to_string();
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none"))
}

fn document(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    let refusal = response.extensions_mut().remove::<Refusal>().unwrap_or_else(|| others(status));
    let Refusal { code, message, retry_after_ms } = refusal;
    if status.is_server_error() {
        tracing::warn!(%code, status = status.as_u16(), request_id, "request failed");
    }
    let document = Document {
        kind: format!("urn:tidings:problem:{code}"),
        title: code.as_str().replace('_', " "),
        status: status.as_u16(),
        detail: &message,
        code,
        retry: code.retry(),
        retry_after_ms,
        request_id,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let seconds = retry_after_ms.map_or(RETRY_AFTER_DEFAULT_S, |ms| ms.div_ceil(1000).max(1));
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    // A document of texts and numbers always writes; without one, the status still says it.
    let body = serde_json::to_vec(&document).unwrap_or_default();
    Response::from_parts(parts, body.into())
}

/// The refusal for an error that is not one of our handlers'.
fn others(status: StatusCode) -> Refusal {
    let code = match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ErrorCode::NoSuchCall,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Overloaded,
        status if status.is_server_error() => ErrorCode::Internal,
        _ => ErrorCode::BadFrame,
    };
    let reason = status.canonical_reason().unwrap_or("refused");
    Refusal::new(code, reason.to_ascii_lowercase())
}
