//! The text protocol of NATS, the half a reader hears: `INFO`, `MSG`, `HMSG`, `PING`, `PONG`, `+OK`, `-ERR`.
//!
//! It protects the process from what comes over the wire: every line and every length has a bound before anything is
//! kept for it, numbers cannot overflow or be negative, and how the bytes were cut into reads changes nothing. It never
//! does I/O, never copies a payload (a [`Frame`] is a slice of the read buffer) and never panics on foreign bytes.
//!
//! After an error the stream has no known position any more: the connection must be closed, the parser thrown away.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line, its CR LF counted, of everything but `INFO`. A subject of ours has 46 bytes.
pub const MAX_CONTROL_LINE_BYTES: usize = 4 * 1024;
/// Longest `INFO` line: it lists the addresses of a cluster's servers, so it needs more than the others.
pub const MAX_INFO_LINE_BYTES: usize = 64 * 1024;
/// Largest message, headers counted. Streams take 1 MiB; the rest is room for what others set on their servers.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

const CRLF: &[u8] = b"\r\n";

/// What is wrong with the bytes of a server. The connection they came from cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No line end within the bound.
    #[error("line longer than {max} bytes")]
    LineTooLong {
        /// The bound that was passed.
        max: usize,
    },
    /// A line feed without a carriage return before it.
    #[error("line does not end with cr lf")]
    LineEnd,
    /// A line that starts with none of the words a server may say.
    #[error("unknown operation")]
    UnknownOperation,
    /// `MSG` or `HMSG` with too few or too many words.
    #[error("message line with a wrong number of words")]
    MessageLine,
    /// A length that is no number, or headers longer than the whole message.
    #[error("message line with a bad length")]
    Length,
    /// A message above [`MAX_MESSAGE_BYTES`].
    #[error("message longer than {max} bytes")]
    MessageTooLong {
        /// The bound that was passed.
        max: usize,
    },
    /// The bytes after a message's announced length are not CR LF.
    #[error("message does not end where its length says")]
    MessageEnd,
}

/// One thing a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// About the server, JSON; at connecting and whenever the cluster changes.
    Info(Bytes),
    /// A message.
    Msg(Frame),
    /// The server wants a `PONG`.
    Ping,
    /// The answer to our oldest open `PING`.
    Pong,
    /// Only with `verbose`, which we switch off.
    Ok,
    /// A complaint. Some are followed by the end of the connection, some are not.
    Err(String),
}

/// A whole message as it came: one slice of the read buffer, with the places of its parts.
///
/// Keeping a frame, or a slice of it, keeps the read buffer it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    head: Head,
}

/// The parsed line of a message whose body may still be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Bytes of the line with its CR LF: where headers begin.
    line: usize,
    subject: (usize, usize),
    headers: usize,
    /// Headers and payload.
    total: usize,
}

impl Frame {
    /// The subject it was published to.
    pub fn subject(&self) -> &[u8] {
        &self.bytes[self.head.subject.0..self.head.subject.1]
    }

    /// The raw header block, from `NATS/1.0` to its empty line; empty when there is none.
    pub fn headers(&self) -> &[u8] {
        &self.bytes[self.head.line..self.head.line + self.head.headers]
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.head.line + self.head.headers..self.head.line + self.head.total]
    }

    /// The payload as a slice of the read buffer, without a copy.
    pub fn into_payload(mut self) -> Bytes {
        self.bytes.truncate(self.head.line + self.head.total);
        self.bytes.advance(self.head.line + self.head.headers);
        self.bytes
    }
}

/// Takes whole operations off the front of a growing buffer.
#[derive(Debug, Default)]
pub struct Parser {
    /// How much of the buffer is known to hold no line end, so that a slow line is not searched again and again.
    searched: usize,
    /// The message whose line is parsed and whose body is not whole yet.
    head: Option<Head>,
}

impl Parser {
    /// The next whole operation, or `None` when `buffer` does not hold one: read more behind what is there, call again.
    ///
    /// For a large message the room it needs is reserved in `buffer`, at most [`MAX_MESSAGE_BYTES`] and a line.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Op>, WireError> {
        if let Some(head) = self.head {
            return self.message(head, buffer);
        }
        let Some(line) = self.line_length(buffer)? else {
            return Ok(None);
        };
        self.searched = 0;
        let text = &buffer[..line - CRLF.len()];
        match text.first() {
            Some(b'M') => {
                let head = message_head(text, b"MSG", false)?;
                self.message(head, buffer)
            }
            Some(b'H') => {
                let head = message_head(text, b"HMSG", true)?;
                self.message(head, buffer)
            }
            _ => {
                let op = short_op(buffer, line)?;
                Ok(Some(op))
            }
        }
    }

    /// Length of the first line with its CR LF, once it is there.
    fn line_length(&mut self, buffer: &BytesMut) -> Result<Option<usize>, WireError> {
        let max = if buffer.starts_with(b"INFO") { MAX_INFO_LINE_BYTES } else { MAX_CONTROL_LINE_BYTES };
        let found = memchr::memchr(b'\n', &buffer[self.searched..]).map(|at| self.searched + at);
        match found {
            Some(at) if at >= max => Err(WireError::LineTooLong { max }),
            Some(at) if at == 0 || buffer[at - 1] != b'\r' => Err(WireError::LineEnd),
            Some(at) => Ok(Some(at + 1)),
            None if buffer.len() >= max => Err(WireError::LineTooLong { max }),
            None => {
                self.searched = buffer.len();
                Ok(None)
            }
        }
    }

    fn message(&mut self, head: Head, buffer: &mut BytesMut) -> Result<Option<Op>, WireError> {
        let body_end = head.line + head.total;
        let end = body_end + CRLF.len();
        if buffer.len() < end {
            buffer.reserve(end - buffer.len());
            self.head = Some(head);
            return Ok(None);
        }
        self.head = None;
        if &buffer[body_end..end] != CRLF {
            return Err(WireError::MessageEnd);
        }
        let bytes = buffer.split_to(end).freeze();
        Ok(Some(Op::Msg(Frame { bytes, head })))
    }
}

/// An operation that is one line.
fn short_op(buffer: &mut BytesMut, line: usize) -> Result<Op, WireError> {
    let taken = buffer.split_to(line).freeze();
    let text = taken.slice(..line - CRLF.len());
    match &text[..] {
        b"PING" => Ok(Op::Ping),
        b"PONG" => Ok(Op::Pong),
        b"+OK" => Ok(Op::Ok),
        other if other.starts_with(b"-ERR") => {
            let reason = String::from_utf8_lossy(&other[b"-ERR".len()..]);
            Ok(Op::Err(reason.trim().trim_matches('\'').to_owned()))
        }
        other if other.starts_with(b"INFO ") => Ok(Op::Info(text.slice(b"INFO ".len()..))),
        _ => Err(WireError::UnknownOperation),
    }
}

/// `MSG subject sid [reply] total` or `HMSG subject sid [reply] headers total`.
fn message_head(text: &[u8], word: &[u8], with_headers: bool) -> Result<Head, WireError> {
    const MOST_WORDS: usize = 6;
    let mut words = [(0, 0); MOST_WORDS];
    let mut count = 0;
    let mut at = 0;
    while at < text.len() {
        let end = memchr::memchr2(b' ', b'\t', &text[at..]).map_or(text.len(), |gap| at + gap);
        if end > at {
            *words.get_mut(count).ok_or(WireError::MessageLine)? = (at, end);
            count += 1;
        }
        at = end + 1;
    }
    let word_at = |n: usize| &text[words[n].0..words[n].1];
    if word_at(0) != word {
        return Err(WireError::UnknownOperation);
    }
    let lengths = if with_headers { 2 } else { 1 };
    // The word, the subject, the subscription, perhaps a reply subject, the lengths.
    if count != 3 + lengths && count != 4 + lengths {
        return Err(WireError::MessageLine);
    }
    let total = length(word_at(count - 1))?;
    let headers = if with_headers { length(word_at(count - 2))? } else { 0 };
    if headers > total {
        return Err(WireError::Length);
    }
    Ok(Head { line: text.len() + CRLF.len(), subject: words[1], headers, total })
}

/// A length: digits only, at most [`MAX_MESSAGE_BYTES`].
fn length(digits: &[u8]) -> Result<usize, WireError> {
    if digits.is_empty() {
        return Err(WireError::Length);
    }
    let mut value = 0usize;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(WireError::Length);
        }
        // Cannot overflow: the value before is at most MAX_MESSAGE_BYTES.
        value = value * 10 + usize::from(digit - b'0');
        if value > MAX_MESSAGE_BYTES {
            return Err(WireError::MessageTooLong { max: MAX_MESSAGE_BYTES });
        }
    }
    Ok(value)
}
