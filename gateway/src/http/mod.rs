//! The HTTP side of the gateway: the calls of the protocol, the page, and the port they are served on.
//!
//! Guards the rest of the process: a request is bounded in head, body, time and number before anything is done for it,
//! has a user before anything is done in a user's name, and every error leaves in one form ([`Problem`]) with one set of
//! codes. Handlers read a request, call one operation and write its answer: what is allowed is decided behind
//! [`ops::ChatOps`] and in [`accounts`](crate::accounts), never here.
//!
//! Other sites' pages may call the API (a bearer token is sent by code, never by a browser by itself), but not read
//! `/v1/dev`. Nothing in here logs a token, a body or an address.

mod auth;
mod chats;
mod connect;
mod dev;
mod extract;
mod messages;
pub mod ops;
mod page;
mod people;
mod problem;
mod serve;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use tidings_protocol::{ErrorCode, Refusal};
use tower_http::cors::{Any, CorsLayer};

pub use dev::DemoUser;
pub use problem::{Problem, REQUEST_ID};
pub use serve::{ConnectionSlot, Served, serve};
pub use settings::HttpSettings;

use self::ops::ChatOps;
use crate::accounts::Accounts;
use crate::tokens::Verifier;

/// How long a browser remembers what other sites' pages may call.
const CORS_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the calls need. Cloned for each request.
#[derive(Clone)]
pub struct Api {
    /// Checks access tokens.
    pub verifier: Arc<Verifier>,
    /// People.
    pub accounts: Arc<Accounts>,
    /// Chats.
    pub ops: Arc<dyn ChatOps>,
    /// How the port takes requests.
    pub http: Arc<HttpSettings>,
    /// How long a client should wait now before it opens a socket here, in milliseconds; 0 in good times.
    pub connect_wait_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The users of a development installation; `None` elsewhere.
    pub demo: Option<Arc<[DemoUser]>>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("http", &self.http).finish_non_exhaustive()
    }
}

/// The public port: the calls, the page, and `others` (the socket). Errors of `others` leave in the same form.
pub fn router(api: Api, others: Router) -> Router {
    let calls = Router::new()
        .merge(auth::routes())
        .merge(people::routes())
        .merge(chats::routes())
        .merge(messages::routes())
        .merge(connect::routes())
        .layer(cors());
    Router::new()
        .merge(calls)
        .merge(dev::routes())
        .with_state(api)
        .merge(page::routes())
        .merge(others)
        .fallback(no_such_call)
        .layer(axum::middleware::from_fn(problem::finish))
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, REQUEST_ID])
        .expose_headers([RETRY_AFTER, ETAG, REQUEST_ID])
        .max_age(CORS_MAX_AGE)
}

async fn no_such_call() -> Problem {
    Problem(Refusal::new(ErrorCode::NoSuchCall, "there is no such page or call"))
}

/// The answer of a call.
type Answer<T> = Result<Done<T>, Problem>;

/// 200 with a JSON document.
struct Done<T>(T);

impl<T: serde::Serialize> IntoResponse for Done<T> {
    fn into_response(self) -> axum::response::Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "answer not written");
                Problem(Refusal::new(ErrorCode::Internal, "the answer could not be written")).into_response()
            }
        }
    }
}

/// A success.
fn ok<T>(answer: T) -> Answer<T> {
    Ok(Done(answer))
}
