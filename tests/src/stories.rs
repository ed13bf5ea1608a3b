//! Words that the tests of several files use: what stands in a log, and whether it is whole.

use serde_json::Value;

/// The id of a summary.
#[track_caller]
pub fn id_of(summary: &Value) -> String {
    summary["id"].as_str().unwrap().to_owned()
}

/// The place of an entry or event.
#[track_caller]
pub fn seq_of(entry: &Value) -> u64 {
    entry["seq"].as_u64().unwrap()
}

/// The places of entries.
#[track_caller]
pub fn seqs(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(seq_of).collect()
}

/// The kinds of entries.
#[track_caller]
pub fn kinds(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["event"]["kind"].as_str().unwrap().to_owned()).collect()
}

/// The texts of the messages among entries.
#[track_caller]
pub fn texts(entries: &[Value]) -> Vec<String> {
    let messages = entries.iter().filter(|entry| entry["event"]["kind"] == "message");
    messages.map(|entry| entry["event"]["body"]["text"].as_str().unwrap().to_owned()).collect()
}

/// Entries of a whole history: each follows the one before it, the first follows nothing, and messages are numbered
/// from 1.
#[track_caller]
pub fn assert_whole(entries: &[Value]) {
    let mut before = 0;
    let mut n = 0;
    for entry in entries {
        assert!(seq_of(entry) > before, "out of order: {entry}");
        if let Some(prev) = entry["prev"].as_u64() {
            assert_eq!(prev, before, "a hole before {entry}");
        }
        if entry["event"]["kind"] == "message" {
            n += 1;
            assert!(entry["n"].is_null() || entry["n"] == n, "message {n} is {entry}");
        }
        before = seq_of(entry);
    }
}
