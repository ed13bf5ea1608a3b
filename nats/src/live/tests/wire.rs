//! The parser against any cut and any bytes.

use bytes::BytesMut;
use proptest::prelude::*;

use crate::live::wire::{MAX_CONTROL_LINE_BYTES, MAX_INFO_LINE_BYTES, MAX_MESSAGE_BYTES, Op, Parser, WireError};

/// An operation in a form that can be compared, whatever buffer it lay in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Msg { subject: String, headers: Vec<u8>, payload: Vec<u8> },
    Info(Vec<u8>),
    Ping,
    Pong,
    Ok,
    Err(String),
}

impl From<Op> for Said {
    fn from(op: Op) -> Self {
        match op {
            Op::Msg(frame) => {
                let payload = frame.payload().to_vec();
                let (subject, headers) = (frame.subject().to_vec(), frame.headers().to_vec());
                assert_eq!(frame.into_payload(), payload);
                Self::Msg { subject: String::from_utf8(subject).unwrap(), headers, payload }
            }
            Op::Info(json) => Self::Info(json.to_vec()),
            Op::Ping => Self::Ping,
            Op::Pong => Self::Pong,
            Op::Ok => Self::Ok,
            Op::Err(text) => Self::Err(text),
        }
    }
}

impl Said {
    fn write(&self, reply: bool, out: &mut Vec<u8>) {
        let reply = if reply { "_INBOX.a.b " } else { "" };
        match self {
            Self::Msg { subject, headers, payload } => {
                let total = headers.len() + payload.len();
                let line = if headers.is_empty() {
                    format!("MSG {subject} 12 {reply}{total}\r\n")
                } else {
                    format!("HMSG {subject}  12\t{reply}{} {total}\r\n", headers.len())
                };
                out.extend_from_slice(line.as_bytes());
                out.extend_from_slice(headers);
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\r\n");
            }
            Self::Info(json) => {
                out.extend_from_slice(b"INFO ");
                out.extend_from_slice(json);
                out.extend_from_slice(b"\r\n");
            }
            Self::Ping => out.extend_from_slice(b"PING\r\n"),
            Self::Pong => out.extend_from_slice(b"PONG\r\n"),
            Self::Ok => out.extend_from_slice(b"+OK\r\n"),
            Self::Err(text) => out.extend_from_slice(format!("-ERR '{text}'\r\n").as_bytes()),
        }
    }
}

/// Feeds `bytes` in pieces of the given sizes, again and again; what came out and how it ended.
fn parse(bytes: &[u8], sizes: &[usize]) -> (Vec<Said>, Option<WireError>) {
    let mut parser = Parser::default();
    let mut buffer = BytesMut::new();
    let mut said = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        buffer.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        loop {
            match parser.next(&mut buffer) {
                Ok(Some(op)) => said.push(op.into()),
                Ok(None) => break,
                Err(error) => return (said, Some(error)),
            }
        }
        let most = MAX_MESSAGE_BYTES + MAX_INFO_LINE_BYTES;
        assert!(buffer.capacity() <= 2 * most, "{}", buffer.capacity());
    }
    (said, None)
}

fn any_said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => ("[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,3}", any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(subject, with_headers, payload)| Said::Msg {
                subject,
                headers: if with_headers { b"NATS/1.0\r\nA: b\r\n\r\n".to_vec() } else { Vec::new() },
                payload,
            }),
        1 => "[ -~]{0,100}".prop_map(|json| Said::Info(json.into_bytes())),
        1 => Just(Said::Ping),
        1 => Just(Said::Pong),
        1 => Just(Said::Ok),
        1 => "[a-zA-Z][a-zA-Z ]{0,30}[a-z]".prop_map(Said::Err),
    ]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        said in proptest::collection::vec((any_said(), any::<bool>()), 0..20),
        sizes in proptest::collection::vec(1usize..50, 1..20),
    ) {
        let mut bytes = Vec::new();
        for (one, reply) in &said {
            one.write(*reply, &mut bytes);
        }
        let expected: Vec<Said> = said.into_iter().map(|(one, _)| one).collect();
        prop_assert_eq!(parse(&bytes, &sizes), (expected, None));
    }

    #[test]
    fn damage_is_the_same_error_in_any_cut(
        said in proptest::collection::vec(any_said(), 1..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        sizes in proptest::collection::vec(1usize..50, 1..20),
    ) {
        let mut bytes = Vec::new();
        for one in &said {
            one.write(false, &mut bytes);
        }
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // A changed byte of a subject may not be text any more.
        prop_assume!(byte.is_ascii());
        prop_assert_eq!(parse(&bytes, &sizes), parse(&bytes, &[usize::MAX]));
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(prop_oneof![
        Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'M'), Just(b'S'), Just(b'G'), Just(b'H'), Just(b'9'), Just(b'-'), 0u8..128,
    ], 0..200), sizes in proptest::collection::vec(1usize..20, 1..9)) {
        prop_assert_eq!(parse(&bytes, &sizes), parse(&bytes, &[usize::MAX]));
    }
}

fn error_of(bytes: &[u8]) -> WireError {
    let whole = parse(bytes, &[usize::MAX]).1.unwrap();
    assert_eq!(parse(bytes, &[1]).1.as_ref(), Some(&whole));
    whole
}

#[test]
fn bad_lengths_are_errors() {
    let too_long = WireError::MessageTooLong { max: MAX_MESSAGE_BYTES };
    for (line, error) in [
        ("MSG a 1 -1\r\n", WireError::Length),
        ("MSG a 1 +1\r\n", WireError::Length),
        ("MSG a 1 1x\r\n", WireError::Length),
        ("MSG a 1 8388609\r\n", too_long.clone()),
        ("MSG a 1 18446744073709551617\r\n", too_long.clone()),
        ("HMSG a 1 5 4\r\n", WireError::Length),
        ("HMSG a 1 99999999999999999999 4\r\n", too_long),
        ("MSG a 5\r\n", WireError::MessageLine),
        ("HMSG a 1 5\r\n", WireError::MessageLine),
        ("MSG a 1 b c 5\r\n", WireError::MessageLine),
        ("MSG a 1 2 3 4 5 6 7\r\n", WireError::MessageLine),
        ("MSGS a 1 5\r\n", WireError::UnknownOperation),
        ("HELP\r\n", WireError::UnknownOperation),
        ("\r\n", WireError::UnknownOperation),
        ("PING\n", WireError::LineEnd),
        ("\n", WireError::LineEnd),
        ("MSG a 1 2\r\nabcd", WireError::MessageEnd),
    ] {
        assert_eq!(error_of(line.as_bytes()), error, "{line:?}");
    }
}

#[test]
fn lines_are_bounded_with_and_without_an_end() {
    let max = MAX_CONTROL_LINE_BYTES;
    let longest = format!("-ERR '{}'\r\n", "x".repeat(max - 9));
    assert_eq!(longest.len(), max);
    assert_eq!(parse(longest.as_bytes(), &[100]).0.len(), 1);
    let longer = format!("-ERR '{}'\r\n", "x".repeat(max - 8));
    assert_eq!(error_of(longer.as_bytes()), WireError::LineTooLong { max });
    let endless = vec![b'x'; max];
    assert_eq!(error_of(&endless), WireError::LineTooLong { max });

    let max = MAX_INFO_LINE_BYTES;
    let mut info = b"INFO ".to_vec();
    info.resize(max - 2, b'{');
    info.extend_from_slice(b"\r\n");
    assert_eq!(parse(&info, &[1_000]).0.len(), 1);
    info.insert(6, b'{');
    assert_eq!(error_of(&info), WireError::LineTooLong { max });
}

#[test]
fn the_largest_message_fits_and_a_claim_alone_reserves_no_more_than_it() {
    let mut bytes = format!("MSG a 1 {MAX_MESSAGE_BYTES}\r\n").into_bytes();
    let mut buffer = BytesMut::from(&bytes[..]);
    assert_eq!(Parser::default().next(&mut buffer), Ok(None));
    assert!(buffer.capacity() < MAX_MESSAGE_BYTES + 1_000);
    bytes.resize(bytes.len() + MAX_MESSAGE_BYTES, b'x');
    bytes.extend_from_slice(b"\r\nPING\r\n");
    let (said, error) = parse(&bytes, &[65_536]);
    assert_eq!((said.len(), error), (2, None));
}
