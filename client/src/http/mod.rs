//! The HTTP calls of the protocol: accounts without a token ([`Http`]), everything else with one ([`Api`]).
//!
//! One pool of connections, shared by all clones. Nothing is retried here: every call says what may be repeated, and
//! the refusal says when.

mod api;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidings_protocol::{ErrorCode, Refusal, Timestamp, UserCard};

pub use self::api::{Api, HttpPage, Members};
use crate::config::{TokenError, TokenSource};

/// How long a call may take. A send waits for the log, which may elect a leader meanwhile.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer: a full page of entries.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The server refused it.
    #[error("the call was refused")]
    Refused(#[source] Refusal),
    /// There is no token.
    #[error("could not get an access token")]
    Token(#[source] TokenError),
    /// The address or the request cannot be written.
    #[error("the call cannot be written")]
    Write(#[source] TokenError),
    /// The server cannot be reached.
    #[error("the server cannot be reached")]
    Connect(#[source] TokenError),
    /// No answer within a minute.
    #[error("no answer in time")]
    TimedOut,
    /// The answer broke off, or is too long.
    #[error("the answer cannot be read")]
    Answer(#[source] TokenError),
    /// The answer is of another form.
    #[error("the answer is of another form (status {status})")]
    Form {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl HttpError {
    /// The server's refusal, when it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self { Some(refusal) } else { None }
    }
}

/// What a log-in gives.
#[derive(Clone, Deserialize)]
pub struct Grant {
    /// Who.
    pub user: UserCard,
    /// Access token.
    pub access: String,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// Refresh token; good for one use.
    pub refresh: String,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant").field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// The server over HTTP, without a token.
#[derive(Clone, Debug)]
pub struct Http {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Http {
    /// The server at `url` (`http://host:port`, or as for the socket).
    pub fn new(url: &str) -> Self {
        let base = url.trim_end_matches('/');
        let base = match base.split_once("://") {
            Some(("ws", rest)) => format!("http://{rest}"),
            _ => base.to_owned(),
        };
        Self { pool: Pool::builder(TokioExecutor::new()).build_http(), base }
    }

    /// The calls that need a token. Shares this one's connections.
    pub fn with_token(&self, token: TokenSource) -> Api {
        Api::new(self.clone(), token)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn register(&self, handle: &str, password: &str, name: &str) -> Result<Grant, HttpError> {
        let asked = serde_json::json!({"handle": handle, "password": password, "name": name});
        self.call(Method::POST, "/v1/auth/register", None, Some(&asked)).await
    }

    /// Logs in.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn login(&self, handle: &str, password: &str) -> Result<Grant, HttpError> {
        let asked = serde_json::json!({"handle": handle, "password": password});
        self.call(Method::POST, "/v1/auth/login", None, Some(&asked)).await
    }

    /// New tokens for a refresh token, which is then used up.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn refresh(&self, refresh: &str) -> Result<Grant, HttpError> {
        self.call(Method::POST, "/v1/auth/refresh", None, Some(&serde_json::json!({"refresh": refresh}))).await
    }

    /// Ends the log-in from which the refresh token came.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn logout(&self, refresh: &str) -> Result<(), HttpError> {
        let asked = serde_json::json!({"refresh": refresh});
        let _: serde::de::IgnoredAny = self.call(Method::POST, "/v1/auth/logout", None, Some(&asked)).await?;
        Ok(())
    }

    /// One call.
    async fn call<A: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        asked: Option<&A>,
    ) -> Result<T, HttpError> {
        let request = self.request(method, path, token, asked)?;
        tokio::time::timeout(CALL_TIMEOUT, self.answer(request)).await.map_err(|_| HttpError::TimedOut)?
    }

    fn request<A: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        asked: Option<&A>,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match asked {
            None => Bytes::new(),
            Some(asked) => {
                request = request.header(CONTENT_TYPE, "application/json");
                serde_json::to_vec(asked).map_err(|error| HttpError::Write(error.into()))?.into()
            }
        };
        request.body(Full::new(body)).map_err(|error| HttpError::Write(error.into()))
    }

    async fn answer<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<T, HttpError> {
        let response = self.pool.request(request).await.map_err(|error| HttpError::Connect(error.into()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(HttpError::Answer)?.to_bytes();
        let form = |source| HttpError::Form { status: status.as_u16(), source };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(form);
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(form)?;
        Err(HttpError::Refused(Refusal {
            code: problem.code,
            message: problem.detail,
            retry_after_ms: problem.retry_after_ms,
        }))
    }
}

/// The document of a refusal.
#[derive(Deserialize)]
struct Problem {
    code: ErrorCode,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}
