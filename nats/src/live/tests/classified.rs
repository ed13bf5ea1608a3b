//! What a message means, without a server.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tidings_protocol::{ChatId, UserId};
use uuid::Uuid;

use crate::live::classify::{Heard, classify};
use crate::live::wire::{Op, Parser};
use crate::live::{LiveEvent, LiveSubject, StreamTag};

fn heard(subject: &str, headers: &str) -> Heard {
    let line = format!("HMSG {subject} 2 {} {}\r\n", headers.len(), headers.len() + 4);
    let mut buffer = BytesMut::from(format!("{line}{headers}body\r\n").as_bytes());
    match Parser::default().next(&mut buffer) {
        Ok(Some(Op::Msg(frame))) => classify(frame),
        other => unreachable!("{other:?}"),
    }
}

const CHAT: &str = "live.chat.00000000-0000-0000-0000-000000000007";
const FULL: &str = "NATS/1.0\r\nNats-Stream: CHAT_0\r\nNats-Sequence: 9\r\nNats-Time-Stamp: 1970-01-01T00:00:05.5Z\r\nNats-Last-Sequence: 3\r\n\r\n";

#[test]
fn a_whole_event_is_read() {
    let event = LiveEvent {
        subject: LiveSubject::Chat(ChatId(Uuid::from_u128(7))),
        stream: StreamTag::Chat,
        seq: 9,
        prev: 3,
        time_ms: 5_500,
        void: false,
        session: None,
        payload: Bytes::from_static(b"body"),
    };
    assert_eq!(heard(CHAT, FULL), Heard::Event(event));
}

#[test]
fn void_is_after_the_deadline_not_at_it() {
    for (deadline, void) in [("5499", true), ("5500", false), ("5501", false), ("soon", false)] {
        let headers = FULL.replace("Nats-Stream", &format!("Tidings-Deadline: {deadline}\r\nNats-Stream"));
        let Heard::Event(event) = heard(CHAT, &headers) else {
            unreachable!("{deadline}");
        };
        assert_eq!(event.void, void, "{deadline}");
    }
}

#[test]
fn streams_are_told_apart_by_their_kind() {
    for (stream, tag) in [
        ("CHAT_12", StreamTag::Chat),
        ("RECEIPT_0", StreamTag::Receipt),
        ("INBOX_0", StreamTag::Inbox),
        ("CHATTER_0", StreamTag::Other),
        ("JOBS", StreamTag::Other),
    ] {
        let Heard::Event(event) = heard(CHAT, &FULL.replace("CHAT_0", stream)) else {
            unreachable!("{stream}");
        };
        assert_eq!(event.stream, tag, "{stream}");
    }
}

#[test]
fn an_event_without_a_place_is_none() {
    for broken in [
        FULL.replace("Nats-Stream", "X-Stream"),
        FULL.replace("Nats-Sequence: 9", "Nats-Sequence: -9"),
        FULL.replace("Nats-Last-Sequence: 3", "Nats-Last-Sequence: "),
        FULL.replace("1970-01-01T00:00:05.5Z", "noon"),
        FULL.replace("1970-01-01T00:00:05.5Z", "1969-01-01T00:00:05.5Z"),
        "NATS/1.0\r\n\r\n".to_owned(),
    ] {
        assert_eq!(heard(CHAT, &broken), Heard::Malformed, "{broken}");
    }
}

#[test]
fn subjects_say_what_a_message_is() {
    let user = UserId(Uuid::from_u128(5));
    for (subject, ignored) in [
        (format!("user.{user}.presence"), true),
        (format!("user.{user}.signal"), true),
        (format!("user.{user}.inbox.x"), true),
        ("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.KV_X".to_owned(), true),
        ("user.x.inbox".to_owned(), false),
        (format!("user.{user}"), false),
        ("live.chat.x".to_owned(), false),
        ("other".to_owned(), false),
    ] {
        let wanted = if ignored { Heard::Ignored } else { Heard::Malformed };
        assert_eq!(heard(&subject, FULL), wanted, "{subject}");
    }
    let leader = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.INBOX_1";
    assert_eq!(heard(leader, FULL), Heard::Leader("INBOX_1".to_owned()));
    let inbox = heard(&format!("user.{user}.inbox"), FULL);
    assert!(matches!(inbox, Heard::Event(event) if event.subject == LiveSubject::User(user)));
}

proptest! {
    #[test]
    fn no_header_block_panics(subject in "[!-~]{1,60}", headers in "(\\PC|\r\n|:|Nats-Sequence: |Nats-Stream:){0,80}") {
        heard(&subject, &headers);
        heard(CHAT, &headers);
    }
}
