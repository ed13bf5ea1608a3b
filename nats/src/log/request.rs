//! Asking a stream, with a bound on every wait.
//!
//! Each request has one time-out for the whole of it, sending included: a full command queue of a lost connection
//! must not become a hang. Without a connection nothing is sent at all.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Log, LogError, RequestError};
use crate::subjects::StreamName;

/// JetStream's answer when something is not there.
const NO_MESSAGE_CODE: u64 = 10_037;
/// How long the leader, or the API, may take.
pub(super) const LEADER_TIMEOUT: Duration = Duration::from_millis(2_000);

#[derive(serde::Deserialize)]
struct ApiAnswer<T> {
    #[serde(flatten)]
    answer: Option<T>,
    error: Option<ApiError>,
}

#[derive(serde::Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) code: u64,
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl Log {
    /// One answer of the JetStream API, or `None` for "not found".
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        stream: StreamName,
        call: &str,
        body: &Value,
    ) -> Result<Option<T>, LogError> {
        let subject = format!("$JS.API.{call}.{stream}");
        self.api_at(stream, subject, body).await
    }

    /// The same for calls whose subject says more.
    pub(crate) async fn api_at<T: DeserializeOwned>(
        &self,
        stream: StreamName,
        subject: String,
        body: &Value,
    ) -> Result<Option<T>, LogError> {
        let message = self.one(stream, subject, body.to_string().into(), LEADER_TIMEOUT).await?;
        let answer: ApiAnswer<T> =
            serde_json::from_slice(&message.payload).map_err(|_| LogError::Malformed { stream, what: "json" })?;
        match answer.error {
            Some(error) if error.err_code == NO_MESSAGE_CODE => Ok(None),
            Some(error) => {
                Err(LogError::Refused { stream, code: error.err_code.max(error.code), text: error.description })
            }
            None => answer.answer.map(Some).ok_or(LogError::Malformed { stream, what: "an answer" }),
        }
    }

    /// One message for one request.
    pub(super) async fn one(
        &self,
        stream: StreamName,
        subject: String,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Message, LogError> {
        self.must_be_connected(stream)?;
        let request = async_nats::Request::new().payload(body).timeout(Some(timeout));
        let asked = self.client.send_request(subject, request);
        match tokio::time::timeout(timeout, asked).await {
            Err(_) => Err(LogError::TimedOut { stream }),
            Ok(Ok(message)) => Ok(message),
            Ok(Err(error)) => Err(match error.kind() {
                async_nats::RequestErrorKind::TimedOut => LogError::TimedOut { stream },
                _ => LogError::Request { stream, source: RequestError::Send(error) },
            }),
        }
    }

    /// All messages up to the status that ends them, which comes last. `timeout` bounds the wait for each.
    pub(super) async fn many(
        &self,
        stream: StreamName,
        subject: String,
        body: Bytes,
        timeout: Duration,
    ) -> Result<(Vec<Message>, Message), LogError> {
        let inbox = self.client.new_inbox();
        let mut answers = self.subscribe(stream, inbox.clone()).await?;
        let timed_out = |_| LogError::TimedOut { stream };
        let asking = self.client.publish_with_reply(subject, inbox, body);
        let asked = tokio::time::timeout(timeout, asking).await.map_err(timed_out)?;
        asked.map_err(|_| disconnected(stream))?;
        let mut messages = Vec::new();
        loop {
            let next = tokio::time::timeout(timeout, answers.next());
            let message = next.await.map_err(timed_out)?;
            let message = message.ok_or_else(|| disconnected(stream))?;
            match message.status {
                Some(_) => return Ok((messages, message)),
                None => messages.push(message),
            }
        }
    }

    /// Subscribes, in bounded time: without a connection not at all.
    pub(crate) async fn subscribe(&self, stream: StreamName, subject: String) -> Result<Subscriber, LogError> {
        self.must_be_connected(stream)?;
        match tokio::time::timeout(LEADER_TIMEOUT, self.client.subscribe(subject)).await {
            Err(_) => Err(LogError::TimedOut { stream }),
            Ok(subscribed) => subscribed.map_err(|_| disconnected(stream)),
        }
    }

    fn must_be_connected(&self, stream: StreamName) -> Result<(), LogError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(disconnected(stream)),
        }
    }
}

fn disconnected(stream: StreamName) -> LogError {
    LogError::Request { stream, source: RequestError::Disconnected }
}
