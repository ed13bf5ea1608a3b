//! Lines of a channel log and the message bodies they become.
//!
//! It protects "byte for byte": a line that would not come back exactly as it was from its parts is kept whole as a
//! system line. So whatever form a log has, reading a line, sending it and writing it again gives the line.

use serde::{Deserialize, Serialize};
use tidings_protocol::Body;

/// One line, without its line feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// Somebody said or did something.
    Said(Said),
    /// Anything else: who joined, left, or is now known as somebody else, topics, modes, empty lines.
    System(String),
}

/// `[HH:MM] <nick> text` or `[HH:MM]  * nick text`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Who, exactly as written (white space included).
    pub nick: String,
    /// What it becomes, all of it but the nick.
    pub body: SaidBody,
}

/// A message's body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct SaidBody {
    /// The text; may be empty.
    pub text: String,
    /// `HH:MM` as written.
    pub at: String,
    /// `/me`: how many spaces stand before the star; absent for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indent: Option<u8>,
    /// `/me`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub action: bool,
    /// Nothing follows the nick, not even a space.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
}

#[derive(Serialize, Deserialize)]
struct SystemBody {
    text: String,
    system: bool,
}

impl Line {
    /// Reads a line.
    pub fn parse(line: &str) -> Self {
        let said = said(line).filter(|said| said.to_string() == line);
        said.map_or_else(|| Self::System(line.to_owned()), Self::Said)
    }

    /// The nick, when somebody said it.
    pub fn nick(&self) -> Option<&str> {
        match self {
            Self::Said(said) => Some(&said.nick),
            Self::System(_) => None,
        }
    }

    /// The body it is sent as.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn body(&self) -> Result<Body, serde_json::Error> {
        match self {
            Self::Said(said) => Body::of(&said.body),
            Self::System(text) => Body::of(&SystemBody { text: text.clone(), system: true }),
        }
    }

    /// The line that a stored message stands for; `nick` is its sender's.
    ///
    /// # Errors
    /// When the body is none of ours.
    pub fn of_body(body: &Body, nick: &str) -> Result<Self, serde_json::Error> {
        if let Ok(SystemBody { text, system: true }) = body.read::<SystemBody>() {
            return Ok(Self::System(text));
        }
        Ok(Self::Said(Said { nick: nick.to_owned(), body: body.read()? }))
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(said) => said.fmt(f),
            Self::System(text) => f.write_str(text),
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { nick, body: SaidBody { text, at, indent, action, bare } } = self;
        if *action {
            let indent = usize::from(indent.unwrap_or_default());
            write!(f, "[{at}]{:indent$}* {nick}", "")?;
        } else {
            write!(f, "[{at}] <{nick}>")?;
        }
        if !bare {
            write!(f, " {text}")?;
        }
        Ok(())
    }
}

fn said(line: &str) -> Option<Said> {
    let (at, rest) = line.strip_prefix('[')?.split_once(']')?;
    let clock = |at: &str| {
        let bytes = at.as_bytes();
        bytes.len() == 5 && bytes[2] == b':' && [0, 1, 3, 4].iter().all(|place| bytes[*place].is_ascii_digit())
    };
    if !clock(at) {
        return None;
    }
    let indent = rest.len() - rest.trim_start_matches(' ').len();
    let rest = &rest[indent..];
    let (nick, after, action) = match rest.strip_prefix('<') {
        Some(rest) => rest.split_once('>').map(|(nick, after)| (nick, after, false))?,
        None => {
            let rest = rest.strip_prefix("* ")?;
            let end = rest.find(' ').unwrap_or(rest.len());
            (&rest[..end], &rest[end..], true)
        }
    };
    if nick.is_empty() {
        return None;
    }
    let body = SaidBody {
        text: after.strip_prefix(' ').unwrap_or_default().to_owned(),
        at: at.to_owned(),
        indent: if action { Some(u8::try_from(indent).ok()?) } else { None },
        action,
        bare: after.is_empty(),
    };
    Some(Said { nick: nick.to_owned(), body })
}

/// The lines of a file: what stands between line feeds. A last line feed ends the last line and begins none.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let empty = text.is_empty();
    text.split('\n').filter(move |_| !empty)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
    use super::*;

    fn said_by(line: &str) -> (String, SaidBody) {
        match Line::parse(line) {
            Line::Said(said) => (said.nick, said.body),
            Line::System(text) => panic!("a system line: {text}"),
        }
    }

    #[test]
    fn messages_and_actions_are_told_apart() {
        let (nick, body) = said_by("[07:16] <alice> hello <you> > there");
        assert_eq!((nick.as_str(), body.text.as_str(), body.at.as_str()), ("alice", "hello <you> > there", "07:16"));
        assert!(!body.action && !body.bare);
        let (nick, body) = said_by("[14:39]  * jaggz- nudges v3ctor");
        assert_eq!((nick.as_str(), body.text.as_str(), body.indent), ("jaggz-", "nudges v3ctor", Some(2)));
        assert!(body.action);
        let (_, body) = said_by("[14:39] * bob waves");
        assert_eq!((body.indent, body.action), (Some(1), true));
    }

    #[test]
    fn odd_nicks_and_empty_texts_are_kept() {
        assert_eq!(said_by("[07:16] <[FiDo] > thanks").0, "[FiDo] ");
        assert_eq!(said_by("[08:01] <oO[NOVA] Oo> ok").0, "oO[NOVA] Oo");
        assert_eq!(said_by("[08:01] <a^b|c\\d> ok").0, "a^b|c\\d");
        assert!(said_by("[09:05] <quiet>").1.bare);
        let (_, body) = said_by("[09:05] <quiet> ");
        assert_eq!((body.bare, body.text.as_str()), (false, ""));
        assert_eq!(said_by("[09:05] <spaced>   text ").1.text, "  text ");
    }

    #[test]
    fn what_is_no_message_is_a_system_line() {
        for line in [
            "=== alice [~a@host]  has joined #channel",
            "=== alice is now known as bob",
            "",
            " ",
            "[07:16] <> nobody",
            "[7:16] <alice> hello",
            "[07:16]<alice> hello",
            "[07:16]  <alice> hello",
            "[07:16] <alice>hello",
            "[07:16] *alice waves",
            "[07:16] *  waves",
            "[ab:cd] <alice> hello",
            "[07:16] <alice",
            "plain",
        ] {
            assert_eq!(Line::parse(line), Line::System(line.to_owned()));
        }
    }

    #[test]
    fn every_line_comes_back_exactly_from_its_body() {
        for line in [
            "[07:16] <alice> hello",
            "[07:16] <alice>",
            "[07:16] <alice> ",
            "[07:16] <a> \t\u{8}\u{7f}\u{1}\"\\ \u{2028} ü 🦀\r",
            "[07:16]  * alice waves",
            "[07:16] * alice",
            "=== mode/#channel [+o alice] by bob",
            "",
            "\u{feff}[07:16] <alice> hello",
        ] {
            let read = Line::parse(line);
            let body = read.body().unwrap();
            let again = Line::of_body(&body, read.nick().unwrap_or("channel")).unwrap();
            assert_eq!(again, read);
            assert_eq!(again.to_string(), line);
        }
        assert!(Line::of_body(&Body::of(&serde_json::json!({"picture": 1})).unwrap(), "x").is_err());
    }

    #[test]
    fn a_file_has_the_lines_between_its_line_feeds() {
        assert_eq!(lines("a\n\nb\n").collect::<Vec<_>>(), ["a", "", "b"]);
        assert_eq!(lines("a\n\n").collect::<Vec<_>>(), ["a", ""]);
        assert_eq!(lines("a").collect::<Vec<_>>(), ["a"]);
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("a\r\nb\u{2028}c").collect::<Vec<_>>(), ["a\r", "b\u{2028}c"]);
    }
}
