//! From bytes in the log to an event that can be kept, whatever the bytes are (R12).

use bytes::Bytes;
use serde::Serialize;
use tidings_protocol::{Body, Event, EventKind, Timestamp, UserId};
use uuid::Uuid;

/// An event with the bytes that stand for it in rows and frames.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent {
    /// The event as read.
    pub event: Event,
    /// Its bytes: those of the log, or those of the event that stands in for what does not read.
    pub raw: Bytes,
}

/// Body of `unreadable`. The damaged bytes stay in the log and go to `dead.`; no reader is made to take them.
#[derive(Serialize)]
struct Unreadable {
    /// Why: one of two words, so that the row does not depend on a library's wording.
    reason: &'static str,
    /// How many bytes stand in the log.
    bytes: usize,
}

impl StoredEvent {
    /// Reads an event of the log. What is no event becomes one of kind `unreadable` with nobody as sender and the log
    /// time (milliseconds since 1970) as `at`.
    pub fn read(bytes: Bytes, log_time_ms: i64) -> Self {
        match Event::decode(&bytes) {
            Ok(event) => Self { event, raw: bytes },
            Err(error) => Self::unreadable(&error, bytes.len(), log_time_ms),
        }
    }

    /// Whether this stands in for what does not read.
    pub fn is_unreadable(&self) -> bool {
        self.event.kind == EventKind::Unreadable
    }

    fn unreadable(error: &serde_json::Error, bytes: usize, log_time_ms: i64) -> Self {
        let reason = if error.is_data() { "not_an_event" } else { "not_json" };
        let event = |time_ms| -> Result<Self, serde_json::Error> {
            let event = Event::new(
                EventKind::Unreadable,
                UserId(Uuid::nil()),
                None,
                Timestamp(time_ms),
                Body::of(&Unreadable { reason, bytes })?,
            );
            let raw = event.encode()?.into();
            Ok(Self { event, raw })
        };
        event(log_time_ms).or_else(|_| event(0)).expect("two plain fields and the year 1970 can be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_keeps_its_bytes() {
        let raw = Bytes::from_static(
            br#"{"v":1, "kind":"message","from":"00000000-0000-0000-0000-000000000001","at":"2023-11-14T22:13:20.123Z","body":{"text":"hi"},"later":true}"#,
        );
        let stored = StoredEvent::read(raw.clone(), 5);
        assert_eq!(stored.raw, raw);
        assert_eq!(stored.event.kind, EventKind::Message);
        assert!(!stored.is_unreadable());
    }

    #[test]
    fn what_does_not_read_gets_a_stand_in_that_reads() {
        for (bytes, reason) in [
            (&b"\xff\xfe"[..], "not_json"),
            (b"", "not_json"),
            (br#"{"v":1,"kind":"mess"#, "not_json"),
            (br#"{"v":1,"kind":"message"}"#, "not_an_event"),
            (b"[]", "not_an_event"),
        ] {
            let stored = StoredEvent::read(Bytes::from_static(bytes), 1_700_000_000_123);
            let length = bytes.len();
            assert_eq!(
                std::str::from_utf8(&stored.raw),
                Ok(format!(
                    r#"{{"v":1,"kind":"unreadable","from":"00000000-0000-0000-0000-000000000000","at":"2023-11-14T22:13:20.123Z","body":{{"reason":"{reason}","bytes":{length}}}}}"#
                )
                .as_str())
            );
            assert_eq!(StoredEvent::read(stored.raw.clone(), 9), stored);
        }
    }

    #[test]
    fn a_log_time_nobody_can_write_is_no_failure() {
        let stored = StoredEvent::read(Bytes::from_static(b"?"), i64::MAX);
        assert_eq!(stored.event.at, Timestamp(0));
    }
}
