//! One GET of a small document over HTTPS.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Longest document that is read.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// A document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is none, or would send the request over the net in the clear.
    #[error("must be an https address, or http on this machine")]
    Address,
    /// This machine has no list of trusted authorities.
    #[error("no trusted certificate authorities found")]
    Authorities(#[source] std::io::Error),
    /// Nobody answered.
    #[error("no answer")]
    Request(#[source] hyper_util::client::legacy::Error),
    /// The answer is no document.
    #[error("answered with status {0}")]
    Status(StatusCode),
    /// The document broke off or is too long.
    #[error("document broke off or is too long")]
    Document(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A document's address and how to get there.
#[derive(Debug)]
pub(super) struct Document {
    address: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Document {
    pub(super) fn at(address: &str) -> Result<Self, FetchError> {
        let address: Uri = address.parse().map_err(|_| FetchError::Address)?;
        let host = address.host().ok_or(FetchError::Address)?;
        if address.scheme_str() != Some("https") && !(address.scheme_str() == Some("http") && is_this_machine(host)) {
            return Err(FetchError::Address);
        }
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(FetchError::Authorities)?
            .https_or_http()
            .enable_http1()
            .build();
        // Readings are minutes apart: nothing is gained by keeping a connection.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { address, client })
    }

    /// Reads the document. Redirects are not followed. The caller bounds the time.
    pub(super) async fn read(&self) -> Result<Bytes, FetchError> {
        let answer = self.client.get(self.address.clone()).await.map_err(FetchError::Request)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX);
        Ok(body.collect().await.map_err(FetchError::Document)?.to_bytes())
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_come_over_the_net_in_the_clear() {
        for good in ["https://keys.example/set", "http://127.0.0.1:9/set", "http://[::1]/set"] {
            assert!(Document::at(good).is_ok(), "{good}");
        }
        for bad in ["http://keys.example/set", "keys.example", "ftp://127.0.0.1/x", "", "/set"] {
            assert!(matches!(Document::at(bad), Err(FetchError::Address)), "{bad}");
        }
    }
}
