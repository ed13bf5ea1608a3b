//! The six headers a live reader needs, found in a raw header block without making a map of it.
//!
//! The server writes its own headers of a republished message behind those of the publisher, so of a name that stands
//! twice the last one counts: no publisher can lie about place or time.

/// Borrowed values of the headers we know; what is not there is `None`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known<'a> {
    /// `Nats-Stream`: the stream that stored the message.
    pub(super) stream: Option<&'a [u8]>,
    /// `Nats-Sequence`: its place there.
    pub(super) sequence: Option<&'a [u8]>,
    /// `Nats-Last-Sequence`: the place of the message before it on the same subject, 0 for none.
    pub(super) last_sequence: Option<&'a [u8]>,
    /// `Nats-Time-Stamp`: when it was stored, RFC 3339.
    pub(super) time_stamp: Option<&'a [u8]>,
    /// `Tidings-Deadline`: milliseconds of log time after which it is void (R5).
    pub(super) deadline: Option<&'a [u8]>,
    /// `Tidings-Session`: the session whose command it is.
    pub(super) session: Option<&'a [u8]>,
}

/// Looks through a block from `NATS/1.0` to its empty line. Lines that make no sense are passed over.
pub(super) fn scan(block: &[u8]) -> Known<'_> {
    let mut known = Known::default();
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', block) {
        let line = &block[at..end];
        at = end + 1;
        // Every name we know starts with one of these, and most other lines do not.
        if !matches!(line.first(), Some(b'N' | b'T')) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let place = match &line[..colon] {
            b"Nats-Stream" => &mut known.stream,
            b"Nats-Sequence" => &mut known.sequence,
            b"Nats-Last-Sequence" => &mut known.last_sequence,
            b"Nats-Time-Stamp" => &mut known.time_stamp,
            b"Tidings-Deadline" => &mut known.deadline,
            b"Tidings-Session" => &mut known.session,
            _ => continue,
        };
        *place = Some(line[colon + 1..].trim_ascii());
    }
    known
}

/// A decimal number without sign; `None` when it is none or does not fit.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_it_knows_and_passes_over_the_rest() {
        let known = scan(
            b"NATS/1.0\r\nNats-Msg-Id: 7\r\nTidings-Deadline:12\r\nTidings-Session:  s \r\nnonsense\r\n: \r\nNats-Batch-Id: x\r\n\
              Nats-Stream: CHAT_0\r\nNats-Sequence: 5\r\nNats-Last-Sequence: 0\r\nNats-Time-Stamp: t\r\n\r\n",
        );
        assert_eq!(known.stream, Some(&b"CHAT_0"[..]));
        assert_eq!(known.sequence, Some(&b"5"[..]));
        assert_eq!(known.last_sequence, Some(&b"0"[..]));
        assert_eq!(known.time_stamp, Some(&b"t"[..]));
        assert_eq!(known.deadline, Some(&b"12"[..]));
        assert_eq!(known.session, Some(&b"s"[..]));
        assert_eq!(scan(b""), Known::default());
    }

    #[test]
    fn the_server_has_the_last_word() {
        let known = scan(b"NATS/1.0\r\nNats-Sequence: 1\r\nNats-Sequence: 9\r\n\r\n");
        assert_eq!(known.sequence, Some(&b"9"[..]));
    }

    #[test]
    fn numbers_have_no_sign_and_no_overflow() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b"+1", b" 1", b"1.0", b"18446744073709551616"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
