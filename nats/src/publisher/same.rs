//! Whether two payloads are the same event (R6).
//!
//! The gateway stamps `at` anew at each attempt, so it does not count; bodies are compared as JSON. Anything that is no
//! event of a chat is compared byte by byte.

use tidings_protocol::Event;

/// Whether `repeat` says what `stored` says.
pub(super) fn same_event(stored: &[u8], repeat: &[u8]) -> bool {
    if stored == repeat {
        return true;
    }
    let (Ok(stored), Ok(repeat)) = (Event::decode(stored), Event::decode(repeat)) else {
        return false;
    };
    stored.v == repeat.v
        && stored.kind == repeat.kind
        && stored.from == repeat.from
        && stored.client_id == repeat.client_id
        && stored.body == repeat.body
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = r#"{"v":1,"kind":"message","from":"00000000-0000-0000-0000-000000000001","client_id":"00000000-0000-0000-0000-000000000002","at":"2026-11-21T02:11:09.123Z","body":{"text":"a","x":1}}"#;

    #[test]
    fn only_the_time_and_the_order_of_fields_may_differ() {
        let later = STORED.replace("02:11:09", "02:11:15");
        assert!(same_event(STORED.as_bytes(), later.as_bytes()));
        let turned = STORED.replace(r#""text":"a","x":1"#, r#""x":1,"text":"a""#);
        assert!(same_event(STORED.as_bytes(), turned.as_bytes()));
        for (from, to) in [
            (r#""text":"a""#, r#""text":"b""#),
            ("000000000001", "000000000009"),
            ("000000000002", "000000000009"),
            ("\"message\"", "\"renamed\""),
        ] {
            let other = STORED.replacen(from, to, 1);
            assert!(!same_event(STORED.as_bytes(), other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_is_no_event_must_be_equal_in_every_byte() {
        assert!(same_event(b"{}", b"{}"));
        assert!(!same_event(b"{}", b"{ }"));
        assert!(!same_event(STORED.as_bytes(), b"{}"));
    }
}
