//! Cursors of pages: opaque to clients, checked when they come back, so that an invented one is `bad_field`.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::since::{seal, unseal};
use crate::{ChatId, Seq, UserId};

/// The text is no cursor of this kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a cursor of this call")]
pub struct BadCursor;

/// Which way a history page goes from its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Entries before the place.
    Older,
    /// Entries after the place.
    Newer,
}

macro_rules! cursor {
    ($(#[$doc:meta])* $name:ident, $tag:literal, $len:literal, { $($field:ident: $type:ty, $fdoc:literal;)* }, $write:expr, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name { $(#[doc = $fdoc] pub $field: $type,)* }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut bytes = vec![$tag];
                let write: fn(&Self, &mut Vec<u8>) = $write;
                write(self, &mut bytes);
                f.write_str(&seal(bytes))
            }
        }

        impl FromStr for $name {
            type Err = BadCursor;
            fn from_str(text: &str) -> Result<Self, BadCursor> {
                let bytes = unseal(text).ok_or(BadCursor)?;
                if bytes.len() != $len || bytes[0] != $tag {
                    return Err(BadCursor);
                }
                let read: fn(&[u8]) -> Option<Self> = $read;
                read(&bytes[1..]).ok_or(BadCursor)
            }
        }
    };
}

fn uuid_at(bytes: &[u8], at: usize) -> Option<Uuid> {
    Uuid::from_slice(bytes.get(at..at + 16)?).ok()
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

cursor!(
    /// A place in a chat's history.
    HistoryCursor, b'h', 26, {
        chat: ChatId, "The chat it belongs to; another chat's cursor is refused.";
        direction: Direction, "Which way the page goes.";
        seq: Seq, "The place; not part of the page.";
    },
    |cursor, bytes| {
        bytes.extend_from_slice(cursor.chat.as_bytes());
        bytes.push(u8::from(cursor.direction == Direction::Newer));
        bytes.extend_from_slice(&cursor.seq.to_be_bytes());
    },
    |bytes| Some(HistoryCursor {
        chat: ChatId(uuid_at(bytes, 0)?),
        direction: if *bytes.get(16)? == 1 { Direction::Newer } else { Direction::Older },
        seq: word_at(bytes, 17)?,
    })
);

cursor!(
    /// A place in a user's list of chats, newest first.
    ChatsCursor, b'l', 41, {
        user: UserId, "Whose list.";
        newest_seq: Seq, "`newest.seq` of the last line, as stored.";
        chat: ChatId, "The last line's chat, which decides among equals.";
    },
    |cursor, bytes| {
        bytes.extend_from_slice(cursor.user.as_bytes());
        bytes.extend_from_slice(&cursor.newest_seq.to_be_bytes());
        bytes.extend_from_slice(cursor.chat.as_bytes());
    },
    |bytes| Some(ChatsCursor {
        user: UserId(uuid_at(bytes, 0)?),
        newest_seq: word_at(bytes, 16)?,
        chat: ChatId(uuid_at(bytes, 24)?),
    })
);

cursor!(
    /// A place in a chat's list of members, by user id.
    MembersCursor, b'm', 33, {
        chat: ChatId, "The chat it belongs to.";
        user: UserId, "The last user of the page before.";
    },
    |cursor, bytes| {
        bytes.extend_from_slice(cursor.chat.as_bytes());
        bytes.extend_from_slice(cursor.user.as_bytes());
    },
    |bytes| Some(MembersCursor { chat: ChatId(uuid_at(bytes, 0)?), user: UserId(uuid_at(bytes, 16)?) })
);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_only_as_its_own_kind() {
        let chat = ChatId(Uuid::from_u128(1));
        let user = UserId(Uuid::from_u128(2));
        let history = HistoryCursor { chat, direction: Direction::Newer, seq: 77 };
        let chats = ChatsCursor { user, newest_seq: 9, chat };
        let members = MembersCursor { chat, user };
        assert_eq!(history.to_string().parse::<HistoryCursor>().unwrap(), history);
        assert_eq!(chats.to_string().parse::<ChatsCursor>().unwrap(), chats);
        assert_eq!(members.to_string().parse::<MembersCursor>().unwrap(), members);
        assert_eq!(history.to_string().parse::<ChatsCursor>(), Err(BadCursor));
        assert_eq!("invented".parse::<HistoryCursor>(), Err(BadCursor));
        assert_eq!("AAAA".parse::<MembersCursor>(), Err(BadCursor));
    }
}
