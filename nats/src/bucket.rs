//! A small record per key with compare-and-set, in a bucket as NATS's own clients make them.
//!
//! Used for leases and for workers' progress. Everything is asked of the leader, and every write names the revision
//! that it replaces, so two writers never overwrite each other unseen.

use std::time::Duration;

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::headers::EXPECTED_LAST_SUBJECT_SEQUENCE;
use crate::log::ApiError;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_millis(2_000);
const NO_MESSAGE_CODE: u64 = 10_037;
const WRONG_LAST_SEQUENCE_CODES: [u64; 2] = [10_071, 10_164];

/// A bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    client: async_nats::Client,
    name: &'static str,
}

/// What a key holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry<T> {
    pub(crate) value: T,
    /// Grows with every write to the bucket.
    pub(crate) revision: u64,
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// Somebody else wrote it meanwhile.
    #[error("the record was written by somebody else")]
    Raced,
    /// No answer in time. A write may have happened.
    #[error("no answer in time")]
    TimedOut,
    /// The question could not be sent.
    #[error("could not ask")]
    Request(#[source] async_nats::RequestError),
    /// The server said no.
    #[error("refused with {code}: {text}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// Its text.
        text: String,
    },
    /// The record cannot be read.
    #[error("the record cannot be read")]
    Malformed,
}

#[derive(Deserialize)]
struct GetAnswer {
    message: Option<GetMessage>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct GetMessage {
    seq: u64,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct PutAnswer {
    #[serde(default)]
    seq: u64,
    error: Option<ApiError>,
}

impl Bucket {
    pub(crate) fn new(client: async_nats::Client, name: &'static str) -> Self {
        Self { client, name }
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Entry<T>>, BucketError> {
        let subject = format!("$JS.API.STREAM.MSG.GET.KV_{}", self.name);
        let body = json!({"last_by_subj": self.subject(key)}).to_string();
        let answer: GetAnswer = self.ask(subject, HeaderMap::new(), body.into()).await?;
        match (answer.message, answer.error) {
            (Some(message), _) => {
                let value = STANDARD.decode(message.data).map_err(|_| BucketError::Malformed)?;
                let value = serde_json::from_slice(&value).map_err(|_| BucketError::Malformed)?;
                let revision = message.seq;
                Ok(Some(Entry { value, revision }))
            }
            (None, Some(error)) if error.err_code == NO_MESSAGE_CODE => Ok(None),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(BucketError::Malformed),
        }
    }

    /// Writes when the newest revision of the key is still `replaces` (0: none); gives the new one.
    pub(crate) async fn write<T: serde::Serialize>(
        &self,
        key: &str,
        value: &T,
        replaces: u64,
    ) -> Result<u64, BucketError> {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED_LAST_SUBJECT_SEQUENCE, replaces.to_string());
        let value = serde_json::to_vec(value).map_err(|_| BucketError::Malformed)?;
        let answer: PutAnswer = self.ask(self.subject(key), headers, value.into()).await?;
        match answer.error {
            None if answer.seq > 0 => Ok(answer.seq),
            None => Err(BucketError::Malformed),
            Some(error) if WRONG_LAST_SEQUENCE_CODES.contains(&error.err_code) => Err(BucketError::Raced),
            Some(error) => Err(error.into()),
        }
    }

    fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<T, BucketError> {
        let request = async_nats::Request::new().headers(headers).payload(body).timeout(Some(TIMEOUT));
        let asked = tokio::time::timeout(TIMEOUT, self.client.send_request(subject, request));
        let message = match asked.await {
            Err(_) => return Err(BucketError::TimedOut),
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::TimedOut => {
                return Err(BucketError::TimedOut);
            }
            Ok(answered) => answered.map_err(BucketError::Request)?,
        };
        serde_json::from_slice(&message.payload).map_err(|_| BucketError::Malformed)
    }
}

impl From<ApiError> for BucketError {
    fn from(error: ApiError) -> Self {
        Self::Refused { code: error.err_code.max(error.code), text: error.description }
    }
}
