//! What a handler takes from a request, each with its bound and its refusal.
//!
//! A body is read to its limit and no further, and only for so long; what is no JSON object is `bad_frame`, what does
//! not have the fields is `bad_field`, as on the socket. [`Caller`] is the one place where a request gets a user: a
//! handler that takes none serves anybody.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tidings_protocol::limits::FRAME_BYTES;
use tidings_protocol::{ErrorCode, Refusal, UserId};

use super::Api;
use super::problem::Problem;
use crate::tokens::Claims;

/// Who sends the request, proved by an access token.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The user.
    pub(super) user: UserId,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let claims: Claims = api.verifier.verify_fresh(bearer(parts)?).await.map_err(Refusal::from)?;
        let card = api.accounts.identify(&claims).await?;
        Ok(Self { user: card.id })
    }
}

/// The token of `Authorization: Bearer <token>`.
fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let none = || Problem(Refusal::new(ErrorCode::Unauthenticated, "Authorization: Bearer <token>"));
    token.filter(|token| !token.is_empty()).ok_or_else(none)
}

/// A JSON object of at most `LIMIT` bytes, as `T`.
#[derive(Debug)]
pub(super) struct Json<T, const LIMIT: usize = FRAME_BYTES>(pub(super) T);

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<Api> for Json<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = read(request, api, LIMIT).await?;
        Ok(Self(object(&bytes)?))
    }
}

/// The same, where the body may be empty.
#[derive(Debug)]
pub(super) struct MaybeJson<T>(pub(super) Option<T>);

impl<T: DeserializeOwned> FromRequest<Api> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = read(request, api, FRAME_BYTES).await?;
        Ok(Self(if bytes.is_empty() { None } else { Some(object(&bytes)?) }))
    }
}

async fn read(request: Request, api: &Api, limit: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(ErrorCode::TooLarge, format!("a body of at most {limit} bytes"));
    let said = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if said.and_then(|text| text.parse::<usize>().ok()).is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let body = Limited::<Body>::new(request.into_body(), limit);
    match tokio::time::timeout(api.http.body_timeout, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(ErrorCode::BadFrame, "the body broke off")),
        Err(_) => Err(Refusal::new(ErrorCode::BadFrame, "the body did not arrive in time")),
    }
}

fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let bad_frame = |why: &str| Refusal::new(ErrorCode::BadFrame, why);
    let text = std::str::from_utf8(bytes).map_err(|_| bad_frame("the body is not UTF-8"))?;
    // serde also reads a struct from an array.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(bad_frame("the body must be a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::new(ErrorCode::BadField, error.to_string()),
        _ => bad_frame("the body is not JSON"),
    })
}

/// The fields of the query.
#[derive(Debug)]
pub(super) struct Fields<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequestParts<Api> for Fields<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, api).await;
        let why = |error: QueryRejection| Refusal::new(ErrorCode::BadField, error.body_text());
        let Query(fields) = query.map_err(why)?;
        Ok(Self(fields))
    }
}

/// The ids in the path, in their order, as text: [`named`] reads each.
#[derive(Debug)]
pub(super) struct Ids<const N: usize>(pub(super) [String; N]);

impl<const N: usize> FromRequestParts<Api> for Ids<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path: Result<Path<Vec<String>>, PathRejection> = Path::from_request_parts(parts, api).await;
        let bad = || Refusal::new(ErrorCode::BadField, "the path cannot be read");
        let Path(ids) = path.map_err(|_| bad())?;
        Ok(Self(ids.try_into().map_err(|_| bad())?))
    }
}

/// Reads an id of the path.
pub(super) fn named<T: FromStr>(field: &str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::bad_field(field, "not an id"))
}

/// Where the request comes from: the peer, or what the trusted proxies in front say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(super) IpAddr);

impl FromRequestParts<Api> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        Ok(Self(forwarded(parts, api.http.proxies).unwrap_or(peer)))
    }
}

/// Each proxy adds at the end what it sees, so the address that the outermost of `proxies` saw stands that many from
/// the end; what stands before it, the client wrote.
fn forwarded(parts: &Parts, proxies: usize) -> Option<IpAddr> {
    let lines = parts.headers.get_all("x-forwarded-for");
    let all = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let all: Vec<&str> = all.map(str::trim).collect();
    all.get(all.len().checked_sub(proxies).filter(|_| proxies > 0)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_client_cannot_forge_where_it_comes_from() {
        let request = Request::builder()
            .header("x-forwarded-for", "6.6.6.6, 10.0.0.1")
            .header("x-forwarded-for", "10.0.0.2")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert_eq!(forwarded(&parts, 0), None);
        assert_eq!(forwarded(&parts, 1), address("10.0.0.2"));
        assert_eq!(forwarded(&parts, 2), address("10.0.0.1"));
        assert_eq!(forwarded(&parts, 4), None);
        let (none, ()) = Request::builder().body(()).unwrap().into_parts();
        assert_eq!(forwarded(&none, 1), None);
    }

    #[test]
    fn only_a_json_object_with_the_fields_is_a_body() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        struct One {
            a: u8,
        }
        let code = |bytes: &[u8]| object::<One>(bytes).map_err(|refusal| refusal.code);
        assert_eq!(code(b" {\"a\":1,\"b\":2}\n"), Ok(One { a: 1 }));
        for bad in [&b""[..], b"a", b"[1]", b"{\"a\":1", b"{\"a\":1}x", b"{\"a\":\"\xff\"}"] {
            assert_eq!(code(bad), Err(ErrorCode::BadFrame), "{bad:?}");
        }
        for bad in [&b"{}"[..], b"{\"a\":\"1\"}", b"{\"a\":256}"] {
            assert_eq!(code(bad), Err(ErrorCode::BadField), "{bad:?}");
        }
    }
}
