//! Events of a chat, as they stand in the log: `{"v":1,"kind":"message","from":...,"client_id":...,"at":...,"body":{...}}`.
//!
//! The stored bytes are what every member receives: the gateway wraps them, it does not write them anew. An event of a
//! kind or version unknown here is kept and forwarded raw (R12), never dropped.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Body, ChatKind, ClientId, Role, Timestamp, UserId};

/// The version written today. Readers take any; a higher one reads as [`EventKind::Other`].
pub const EVENT_VERSION: u32 = 1;

/// What an event is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The chat begins: [`Created`].
    Created,
    /// Somebody was added: [`MemberChange`].
    MemberAdded,
    /// Somebody was removed: [`MemberChange`] without a role.
    MemberRemoved,
    /// `from` left.
    MemberLeft,
    /// A member's role changed: [`MemberChange`].
    RoleChanged,
    /// The title changed: [`Renamed`].
    Renamed,
    /// A message. The only kind that counts (R3).
    Message,
    /// Stands in for stored bytes that are no event (R12).
    Unreadable,
    /// A kind that this version does not know.
    Other(String),
}

impl EventKind {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::MemberAdded => "member_added",
            Self::MemberRemoved => "member_removed",
            Self::MemberLeft => "member_left",
            Self::RoleChanged => "role_changed",
            Self::Renamed => "renamed",
            Self::Message => "message",
            Self::Unreadable => "unreadable",
            Self::Other(name) => name,
        }
    }

    /// The kind of that name.
    pub fn of(name: &str) -> Self {
        match name {
            "created" => Self::Created,
            "member_added" => Self::MemberAdded,
            "member_removed" => Self::MemberRemoved,
            "member_left" => Self::MemberLeft,
            "role_changed" => Self::RoleChanged,
            "renamed" => Self::Renamed,
            "message" => Self::Message,
            "unreadable" => Self::Unreadable,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it takes the next `n` of its chat (R3): a pure function of the event.
    pub fn is_countable(&self) -> bool {
        matches!(self, Self::Message)
    }

    /// Whether it changes who is a member, a role, or the chat's head.
    pub fn changes_chat(&self) -> bool {
        matches!(
            self,
            Self::Created
                | Self::MemberAdded
                | Self::MemberRemoved
                | Self::MemberLeft
                | Self::RoleChanged
                | Self::Renamed
        )
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::of(&name))
    }
}

/// One event of a chat's log.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Event {
    /// Format version, [`EVENT_VERSION`] today.
    pub v: u32,
    /// What it is about.
    pub kind: EventKind,
    /// Who did it.
    pub from: UserId,
    /// The sender's own name for it (R6); absent on events that are no client's send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The gateway's clock at the send, for people to read. Orders nothing.
    pub at: Timestamp,
    /// The particulars of the kind.
    pub body: Body,
}

impl Event {
    /// An event of today's version.
    pub fn new(kind: EventKind, from: UserId, client_id: Option<ClientId>, at: Timestamp, body: Body) -> Self {
        Self { v: EVENT_VERSION, kind, from, client_id, at, body }
    }

    /// The bytes that go into the log.
    ///
    /// # Errors
    /// When the time cannot be written (a year beyond 9999).
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are no event: the reader then makes an `unreadable` of it (R12).
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut event: Self = serde_json::from_slice(bytes)?;
        if event.v > EVENT_VERSION {
            event.kind = EventKind::Other(event.kind.as_str().to_owned());
        }
        Ok(event)
    }

    /// The particulars of `created`.
    pub fn created(&self) -> Option<Created> {
        (self.kind == EventKind::Created).then(|| self.body.read().ok()).flatten()
    }

    /// The particulars of `member_added`, `member_removed` and `role_changed`; for `member_left` the sender.
    pub fn member_change(&self) -> Option<MemberChange> {
        match self.kind {
            EventKind::MemberAdded | EventKind::MemberRemoved | EventKind::RoleChanged => self.body.read().ok(),
            EventKind::MemberLeft => Some(MemberChange { user: self.from, role: None }),
            _ => None,
        }
    }

    /// The new title of `renamed`.
    pub fn renamed(&self) -> Option<Renamed> {
        (self.kind == EventKind::Renamed).then(|| self.body.read().ok()).flatten()
    }

    /// The line that stands for this event in a chat list: a message's text, cut at a character.
    pub fn preview(&self) -> Option<String> {
        if self.kind != EventKind::Message {
            return None;
        }
        let text = self.body.text().unwrap_or_default();
        Some(text.chars().take(crate::limits::PREVIEW_CHARS).collect())
    }
}

/// Body of `created`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Created {
    /// Direct or group.
    pub kind: ChatKind,
    /// A group's title; absent for a direct chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Everybody in it, the creator included.
    pub members: Vec<UserId>,
}

impl Created {
    /// The role with which `member` begins: a group's creator owns it, everybody else is a member.
    pub fn role_of(&self, member: UserId, creator: UserId) -> Role {
        if self.kind == ChatKind::Group && member == creator { Role::Owner } else { Role::Member }
    }
}

/// Body of `member_added`, `member_removed` and `role_changed`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct MemberChange {
    /// Who it is about.
    pub user: UserId,
    /// The new role; absent in `member_removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Body of `renamed`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Renamed {
    /// The new title.
    pub title: String,
}
