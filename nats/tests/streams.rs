//! Streams on a real server: made, checked, refused when otherwise.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tidings_nats::streams::{self, StreamsError};
use tidings_nats::testing::TestServer;
use tidings_nats::{Log, LogClock, NatsSettings, ShardMap, StreamName, connect};

async fn bare_log(settings: &NatsSettings) -> Log {
    let client = connect(settings, "test").await.unwrap();
    Log::new(client, ShardMap::new(settings), LogClock::new())
}

async fn api(log: &Log, call: &str, body: Value) -> Value {
    let subject = format!("$JS.API.{call}");
    let answer = log.client().request(subject, body.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test]
async fn missing_streams_are_refused_then_made_once() {
    let server = TestServer::start();
    let settings = server.settings();
    let log = bare_log(&settings).await;
    let refused = streams::check(&log, &settings).await.unwrap_err();
    assert!(matches!(refused, StreamsError::Missing { ref stream } if stream == "CHAT_0"));

    let made = streams::migrate(&log, &settings).await.unwrap();
    let names: Vec<StreamName> = made.iter().map(|state| state.name).collect();
    assert_eq!(names, [StreamName::Chat(0), StreamName::Inbox(0)]);
    assert!(made.iter().all(|state| state.last_seq == 0 && state.epoch > 0));

    let again = streams::migrate(&log, &settings).await.unwrap();
    let epochs = |states: &[streams::StreamState]| -> Vec<u64> { states.iter().map(|state| state.epoch).collect() };
    assert_eq!(epochs(&again), epochs(&made), "made anew");
}

#[tokio::test]
async fn more_streams_share_the_shards() {
    let server = TestServer::start();
    let settings = NatsSettings { chat_streams: 4, inbox_streams: 2, ..server.settings() };
    let log = bare_log(&settings).await;
    assert_eq!(streams::migrate(&log, &settings).await.unwrap().len(), 6);
    let other = server.settings();
    let refused = streams::check(&log, &other).await.unwrap_err();
    assert!(matches!(refused, StreamsError::Mismatch { field: "subjects", .. }), "{refused}");
}

#[tokio::test]
async fn a_stream_that_is_otherwise_is_refused_with_the_field_and_left_alone() {
    let server = TestServer::start();
    let settings = server.settings();
    let log = bare_log(&settings).await;
    streams::migrate(&log, &settings).await.unwrap();
    let mut config = api(&log, "STREAM.INFO.CHAT_0", json!({})).await["config"].clone();
    config["duplicate_window"] = json!(5_000_000_000u64);
    let updated = api(&log, "STREAM.UPDATE.CHAT_0", config).await;
    assert!(updated.get("error").is_none(), "{updated}");

    for refused in
        [streams::check(&log, &settings).await.unwrap_err(), streams::migrate(&log, &settings).await.unwrap_err()]
    {
        assert_eq!(
            refused.to_string(),
            "stream CHAT_0 has duplicate_window = 5000000000, needed is 120000000000: correct it \
             with `nats stream edit`; where the server refuses, the log must be moved"
        );
    }
    let found = api(&log, "STREAM.INFO.CHAT_0", json!({})).await;
    assert_eq!(found["config"]["duplicate_window"], json!(5_000_000_000u64));
}

#[tokio::test]
async fn nobody_empties_the_log() {
    let server = TestServer::start();
    let log = server.log().await;
    let refused = api(&log, "STREAM.PURGE.CHAT_0", json!({})).await;
    assert!(refused.get("error").is_some(), "{refused}");
}
