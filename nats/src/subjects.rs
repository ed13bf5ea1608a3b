//! Names of subjects and streams, and which stream holds which subject.
//!
//! This file protects the layout of the log: `chat.<shard>.<chat>` and `inbox.<shard>.<user>`, with the shard from
//! [`tidings_protocol::shard`], fixed for ever. A [`Subject`] can only be made from an id or by parsing one whose shard
//! is right, so nothing is ever appended where no reader looks. It never does I/O.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tidings_protocol::shard::{SHARDS, shard_of};
use tidings_protocol::{ChatId, UserId};
use uuid::Uuid;

use crate::settings::NatsSettings;

/// What a subject of the log is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// A chat's events.
    Chat(ChatId),
    /// A user's inbox.
    Inbox(UserId),
}

impl Target {
    fn id(&self) -> &[u8; 16] {
        match self {
            Self::Chat(chat) => chat.as_bytes(),
            Self::Inbox(user) => user.as_bytes(),
        }
    }

    /// The shard, 0 to 255.
    pub fn shard(&self) -> u8 {
        shard_of(self.id())
    }
}

/// A subject of the log: one chat's or one inbox's. Cheap to copy; its text is made when asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subject(Target);

impl Subject {
    /// The events of a chat.
    pub fn chat(chat: ChatId) -> Self {
        Self(Target::Chat(chat))
    }

    /// The inbox of a user.
    pub fn inbox(user: UserId) -> Self {
        Self(Target::Inbox(user))
    }

    /// What it is about.
    pub fn target(&self) -> Target {
        self.0
    }

    /// The chat, when it is one's.
    pub fn chat_id(&self) -> Option<ChatId> {
        match self.0 {
            Target::Chat(chat) => Some(chat),
            Target::Inbox(_) => None,
        }
    }

    /// The user, when it is an inbox.
    pub fn user_id(&self) -> Option<UserId> {
        match self.0 {
            Target::Chat(_) => None,
            Target::Inbox(user) => Some(user),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Target::Chat(chat) => write!(f, "chat.{}.{chat}", self.0.shard()),
            Target::Inbox(user) => write!(f, "inbox.{}.{user}", self.0.shard()),
        }
    }
}

/// A subject that is none of the log's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a subject of the log")]
pub struct NotASubject;

impl FromStr for Subject {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, NotASubject> {
        let mut parts = text.split('.');
        let (Some(kind), Some(shard), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(NotASubject);
        };
        // Only the one form that is written: hyphenated.
        let id = Some(id)
            .filter(|id| id.len() == uuid::fmt::Hyphenated::LENGTH)
            .and_then(|id| Uuid::parse_str(id).ok())
            .ok_or(NotASubject)?;
        let target = match kind {
            "chat" => Target::Chat(ChatId(id)),
            "inbox" => Target::Inbox(UserId(id)),
            _ => return Err(NotASubject),
        };
        if shard.parse() != Ok(target.shard()) {
            return Err(NotASubject);
        }
        Ok(Self(target))
    }
}

/// Where a chat's events are republished: `live.chat.<chat>`.
pub fn live_chat(chat: ChatId) -> String {
    format!("live.chat.{chat}")
}

/// Everything for one connected user: `user.<user>.>`.
pub fn user_all(user: UserId) -> String {
    format!("user.{user}.>")
}

/// Where a user's inbox is republished: `user.<user>.inbox`.
pub fn user_inbox(user: UserId) -> String {
    format!("user.{user}.inbox")
}

/// A stream of the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum StreamName {
    /// `CHAT_<n>`.
    Chat(u16),
    /// `INBOX_<n>`.
    Inbox(u16),
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(n) => write!(f, "CHAT_{n}"),
            Self::Inbox(n) => write!(f, "INBOX_{n}"),
        }
    }
}

impl FromStr for StreamName {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, NotASubject> {
        let (kind, n) = text.split_once('_').ok_or(NotASubject)?;
        let n = n.parse().map_err(|_| NotASubject)?;
        match kind {
            "CHAT" => Ok(Self::Chat(n)),
            "INBOX" => Ok(Self::Inbox(n)),
            _ => Err(NotASubject),
        }
    }
}

/// Which stream holds which shards: equal ranges of the 256 per stream.
#[derive(Clone, Debug)]
pub struct ShardMap {
    chat: Arc<[StreamName]>,
    inbox: Arc<[StreamName]>,
}

impl ShardMap {
    /// The map that the settings describe. Counts are cut to 1..=256.
    pub fn new(settings: &NatsSettings) -> Self {
        let count = |streams: u16| streams.clamp(1, SHARDS);
        Self {
            chat: (0..count(settings.chat_streams)).map(StreamName::Chat).collect(),
            inbox: (0..count(settings.inbox_streams)).map(StreamName::Inbox).collect(),
        }
    }

    /// The stream that holds `subject`.
    pub fn stream_of(&self, subject: &Subject) -> StreamName {
        let streams = match subject.target() {
            Target::Chat(_) => &self.chat,
            Target::Inbox(_) => &self.inbox,
        };
        streams[usize::from(subject.target().shard()) * streams.len() / usize::from(SHARDS)]
    }

    /// All streams of chats, in the order of their shards.
    pub fn chat_streams(&self) -> &[StreamName] {
        &self.chat
    }

    /// All streams of inboxes, in the order of their shards.
    pub fn inbox_streams(&self) -> &[StreamName] {
        &self.inbox
    }

    /// The subjects that `stream` holds, as its configuration names them.
    pub(crate) fn subjects_of(&self, stream: StreamName) -> Vec<String> {
        let (word, streams) = match stream {
            StreamName::Chat(_) => ("chat", &self.chat),
            StreamName::Inbox(_) => ("inbox", &self.inbox),
        };
        if streams.len() == 1 {
            return vec![format!("{word}.*.*")];
        }
        (0..SHARDS)
            .filter(|shard| streams[usize::from(*shard) * streams.len() / usize::from(SHARDS)] == stream)
            .map(|shard| format!("{word}.{shard}.*"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn chat(n: u128) -> ChatId {
        ChatId(Uuid::from_u128(n))
    }

    #[test]
    fn a_subject_reads_back() {
        for subject in [Subject::chat(chat(7)), Subject::inbox(UserId(Uuid::from_u128(7)))] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
    }

    #[test]
    fn a_subject_with_another_shard_or_form_is_none() {
        let right = Subject::chat(chat(7)).to_string();
        let shard = Subject::chat(chat(7)).target().shard();
        let wrong = right.replacen(&shard.to_string(), &shard.wrapping_add(1).to_string(), 1);
        let bare = right.replace('-', "");
        for text in [wrong.as_str(), &bare, "chat.1", "", "job.1.x", &format!("{right}.x")] {
            assert_eq!(text.parse::<Subject>(), Err(NotASubject), "{text}");
        }
    }

    #[test]
    fn every_shard_has_one_stream_and_ranges_are_equal() {
        let map = ShardMap::new(&NatsSettings { chat_streams: 4, ..NatsSettings::default() });
        let mut all: Vec<String> = map
            .chat_streams()
            .iter()
            .flat_map(|stream| {
                let subjects = map.subjects_of(*stream);
                assert_eq!(subjects.len(), 64);
                subjects
            })
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 256);
        for n in 0..500 {
            let subject = Subject::chat(chat(n));
            let stream = map.stream_of(&subject);
            let filter = format!("chat.{}.*", subject.target().shard());
            assert!(map.subjects_of(stream).contains(&filter));
        }
    }

    #[test]
    fn names_of_streams_read_back() {
        for name in [StreamName::Chat(0), StreamName::Inbox(12)] {
            assert_eq!(name.to_string().parse::<StreamName>().unwrap(), name);
        }
        assert!("JOBS".parse::<StreamName>().is_err());
    }
}
