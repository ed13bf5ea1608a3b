//! The streams: how they must be, making what is missing, refusing what is otherwise.
//!
//! Protects the log from its own operators and from us: [`migrate`] creates, [`check`] compares, and nothing here (or
//! anywhere in Tidings) alters, empties, deletes or recreates a stream. Streams deny deletes and purges themselves, so
//! events go by age only. Settings are compared field by field as the server reports them, so a field that a server
//! changed or does not know is found too.
//!
//! Beside the streams of the log there are `DEAD` (events that a worker could not use, R12), and the buckets `LEASES`
//! (R9) and `PROGRESS` (R11).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::log::{ApiError, Log, LogError};
use crate::settings::NatsSettings;
use crate::subjects::{ShardMap, StreamName};

/// The bucket of leases (R9).
pub const LEASES_BUCKET: &str = "LEASES";
/// The bucket of workers' progress (R11).
pub const PROGRESS_BUCKET: &str = "PROGRESS";
/// The stream of events that a worker could not use, subjects `dead.<worker>`.
pub const DEAD_STREAM: &str = "DEAD";
/// How long message ids are remembered (R5, R6).
pub const DEDUPE_WINDOW_MS: u64 = 120_000;

const NANOS_PER_MS: u64 = 1_000_000;
const NANOS_PER_DAY: u64 = 86_400 * 1_000 * NANOS_PER_MS;
/// Longest event with its headers.
const MAX_MESSAGE_BYTES: u64 = 1024 * 1024;
const STREAM_NOT_FOUND_CODE: u64 = 10_059;
const NAME_IN_USE_CODE: u64 = 10_058;

/// Identity, ends and time of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamState {
    /// Which stream.
    pub name: StreamName,
    /// When it was created, in milliseconds since 1970: another number is another stream.
    pub epoch: u64,
    /// The oldest event that is still there.
    pub first_seq: u64,
    /// The newest event.
    pub last_seq: u64,
    /// Log time of the answer, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Why the streams are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// No usable answer about a stream.
    #[error("could not {what} stream {stream}")]
    Ask {
        /// "read", "create".
        what: &'static str,
        /// The stream.
        stream: String,
        /// Why.
        #[source]
        source: AskError,
    },
    /// It is not there.
    #[error("stream {stream} is missing: run `tidings migrate`")]
    Missing {
        /// The stream.
        stream: String,
    },
    /// It is there, but otherwise.
    #[error("stream {stream} has {field} = {found}, needed is {wanted}: {advice}")]
    Mismatch {
        /// The stream.
        stream: String,
        /// The field, as NATS names it.
        field: &'static str,
        /// What the server says.
        found: String,
        /// What it must be.
        wanted: String,
        /// What to do about it.
        advice: &'static str,
    },
}

/// Why there was no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No answer in time, or no connection.
    #[error("no answer from jetstream")]
    Request(#[from] async_nats::RequestError),
    /// An answer that is none.
    #[error("the answer cannot be read")]
    Malformed(#[from] serde_json::Error),
    /// The server said no.
    #[error("refused with {code}: {text}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// Its text.
        text: String,
    },
    /// The state could not be read.
    #[error("no state")]
    State(#[source] LogError),
}

/// How one stream must be configured.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamConfig {
    /// Its name.
    pub name: String,
    /// What must hold, by NATS's names of the fields.
    pub fields: Vec<(&'static str, Value)>,
}

impl StreamConfig {
    fn new(name: &str, subjects: &[String], age_ns: u64, settings: &NatsSettings) -> Self {
        let dedupe_ns = DEDUPE_WINDOW_MS * NANOS_PER_MS;
        let fields = vec![
            ("subjects", json!(subjects)),
            ("storage", json!("file")),
            ("retention", json!("limits")),
            ("discard", json!("new")),
            ("num_replicas", json!(settings.replicas)),
            ("max_age", json!(age_ns)),
            ("max_bytes", json!(-1)),
            ("max_msgs", json!(-1)),
            ("max_msgs_per_subject", json!(-1)),
            ("duplicate_window", json!(dedupe_ns)),
            ("allow_direct", json!(true)),
            ("deny_delete", json!(true)),
            ("deny_purge", json!(true)),
            // "async" would switch `sync_interval: always` off.
            ("persist_mode", Value::Null),
            ("no_ack", json!(false)),
            ("sealed", json!(false)),
        ];
        Self { name: name.to_owned(), fields }
    }

    fn with(mut self, field: &'static str, value: Value) -> Self {
        self.fields.retain(|(name, _)| *name != field);
        self.fields.push((field, value));
        self
    }

    /// The configuration as `STREAM.CREATE` takes it.
    fn to_json(&self) -> Value {
        let mut config: Map<String, Value> = self
            .fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        config.insert("name".to_owned(), json!(self.name));
        Value::Object(config)
    }

    /// The first field that `found` has otherwise.
    fn compare(&self, found: &Map<String, Value>) -> Result<(), StreamsError> {
        for (field, wanted) in &self.fields {
            let found = found.get(*field).unwrap_or(&Value::Null);
            if !same(found, wanted) {
                return Err(StreamsError::Mismatch {
                    stream: self.name.clone(),
                    field,
                    found: found.to_string(),
                    wanted: wanted.to_string(),
                    advice: advice(field),
                });
            }
        }
        Ok(())
    }
}

/// Servers leave out what is false or none, write "default", and sort nothing.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Null, Value::Bool(false)) => true,
        (Value::String(found), Value::Null) => found == "default" || found.is_empty(),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && wanted.iter().all(|item| found.contains(item))
        }
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key) == Some(wanted))
        }
        _ => found == wanted,
    }
}

fn advice(field: &str) -> &'static str {
    match field {
        "max_age" | "max_bytes" | "num_replicas" => {
            "make the settings and the stream agree (`nats stream edit`, or this process's settings)"
        }
        "subjects" => "the number of streams must not change on a running log: restore the setting",
        _ => "correct it with `nats stream edit`; where the server refuses, the log must be moved",
    }
}

/// How every stream must be configured, in the order in which they are made.
pub fn expected(settings: &NatsSettings) -> Vec<StreamConfig> {
    let shards = ShardMap::new(settings);
    let mut all = Vec::new();
    for stream in shards.chat_streams() {
        let age = settings.chat_max_age_days.max(1) * NANOS_PER_DAY;
        let republish = json!({"src": "chat.*.*", "dest": "live.chat.{{wildcard(2)}}"});
        all.push(of_log(&shards, *stream, age, republish, settings.chat_max_bytes, settings));
    }
    for stream in shards.inbox_streams() {
        let age = settings.inbox_max_age_days.max(1) * NANOS_PER_DAY;
        let republish = json!({"src": "inbox.*.*", "dest": "user.{{wildcard(2)}}.inbox"});
        all.push(of_log(&shards, *stream, age, republish, settings.inbox_max_bytes, settings));
    }
    let dead = settings.dead_max_age_days.max(1) * NANOS_PER_DAY;
    all.push(StreamConfig::new(DEAD_STREAM, &["dead.>".to_owned()], dead, settings));
    all.push(bucket(LEASES_BUCKET, settings));
    all.push(bucket(PROGRESS_BUCKET, settings));
    all
}

fn of_log(
    shards: &ShardMap,
    stream: StreamName,
    age_ns: u64,
    republish: Value,
    max_bytes: i64,
    settings: &NatsSettings,
) -> StreamConfig {
    let subjects = shards.subjects_of(stream);
    StreamConfig::new(&stream.to_string(), &subjects, age_ns, settings)
        .with("max_bytes", json!(max_bytes))
        .with("max_msg_size", json!(MAX_MESSAGE_BYTES))
        .with("allow_atomic", json!(true))
        .with("republish", republish)
}

/// A bucket, made as NATS's own clients make one.
fn bucket(name: &str, settings: &NatsSettings) -> StreamConfig {
    let subjects = [format!("$KV.{name}.>")];
    StreamConfig::new(&format!("KV_{name}"), &subjects, 0, settings)
        .with("max_msgs_per_subject", json!(1))
        .with("allow_rollup_hdrs", json!(true))
        .with("deny_purge", json!(false))
}

#[derive(Deserialize)]
struct InfoAnswer {
    #[serde(default)]
    config: Map<String, Value>,
    error: Option<ApiError>,
}

/// Creates the streams that are missing, then checks all. Never alters or deletes one.
///
/// # Errors
/// See [`StreamsError`].
pub async fn migrate(log: &Log, settings: &NatsSettings) -> Result<Vec<StreamState>, StreamsError> {
    for config in expected(settings) {
        if info(log, &config.name).await?.is_none() {
            create(log, &config).await?;
        }
    }
    check(log, settings).await
}

/// Refuses when a stream is missing or is not as it must be; gives the state of each stream of the log.
///
/// # Errors
/// The first stream that is wrong, with the field, what was found, what is wanted and what to do.
pub async fn check(log: &Log, settings: &NatsSettings) -> Result<Vec<StreamState>, StreamsError> {
    let mut states = Vec::new();
    for config in expected(settings) {
        let stream = config.name.clone();
        let Some(info) = info(log, &stream).await? else {
            return Err(StreamsError::Missing { stream });
        };
        config.compare(&info.config)?;
        if let Ok(name) = stream.parse() {
            let state = log.state(name).await.map_err(|source| StreamsError::Ask {
                what: "read",
                stream,
                source: AskError::State(source),
            })?;
            states.push(state);
        }
    }
    Ok(states)
}

async fn create(log: &Log, config: &StreamConfig) -> Result<(), StreamsError> {
    let subject = format!("$JS.API.STREAM.CREATE.{}", config.name);
    let refusal = ask(log, subject, config.to_json()).await.map(|answer| answer.error).and_then(|error| match error {
        // Somebody else made it meanwhile; `check` compares it.
        Some(error) if error.err_code != NAME_IN_USE_CODE => Err(error.into()),
        _ => Ok(()),
    });
    refusal.map_err(|source| StreamsError::Ask { what: "create", stream: config.name.clone(), source })?;
    tracing::info!(stream = config.name, "stream created");
    Ok(())
}

async fn info(log: &Log, stream: &str) -> Result<Option<InfoAnswer>, StreamsError> {
    let answer = ask(log, format!("$JS.API.STREAM.INFO.{stream}"), json!({})).await;
    let checked = answer.and_then(|mut answer| match answer.error.take() {
        Some(error) if error.err_code == STREAM_NOT_FOUND_CODE => Ok(None),
        Some(error) => Err(error.into()),
        None => Ok(Some(answer)),
    });
    checked.map_err(|source| StreamsError::Ask { what: "read", stream: stream.to_owned(), source })
}

async fn ask(log: &Log, subject: String, body: Value) -> Result<InfoAnswer, AskError> {
    let message = log.client().request(subject, body.to_string().into()).await?;
    Ok(serde_json::from_slice(&message.payload)?)
}

impl From<ApiError> for AskError {
    fn from(error: ApiError) -> Self {
        Self::Refused { code: error.err_code.max(error.code), text: error.description }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_a_server_leaves_out_is_no_mismatch() {
        let config = &expected(&NatsSettings::default())[0];
        let mut found = config.to_json().as_object().unwrap().clone();
        found.remove("sealed");
        found.insert("persist_mode".to_owned(), json!("default"));
        config.compare(&found).unwrap();
    }

    #[test]
    fn each_field_that_differs_is_named_with_what_to_do() {
        for config in expected(&NatsSettings::default()) {
            for (field, _) in &config.fields {
                let mut found = config.to_json().as_object().unwrap().clone();
                found.insert((*field).to_owned(), json!("something else"));
                let error = config.compare(&found).unwrap_err();
                let text = error.to_string();
                assert!(text.contains(field) && text.contains("something else"), "{text}");
            }
        }
    }

    #[test]
    fn an_async_store_is_refused() {
        let config = &expected(&NatsSettings::default())[0];
        let mut found = config.to_json().as_object().unwrap().clone();
        found.insert("persist_mode".to_owned(), json!("async"));
        assert!(config.compare(&found).is_err());
    }
}
