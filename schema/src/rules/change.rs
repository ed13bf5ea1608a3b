//! What an event says of its chat, and what that comes to: the first column of the rule table.

use std::collections::HashSet;

use tidings_protocol::event::Created;
use tidings_protocol::{ChatKind, Event, EventKind, Role, Seq, UserId};

use crate::history::MemberRow;

/// What an event says, with its particulars read. A body that is not of the shape of its kind says nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The chat begins. Members are named once each, in the order of the event.
    Created(Created),
    /// Somebody is to be a member.
    Add {
        /// Who.
        user: UserId,
        /// The role they begin with.
        role: Role,
    },
    /// Somebody is to be a member no more: removed, or left by themselves.
    End {
        /// Who.
        user: UserId,
    },
    /// A member's role is to be another.
    SetRole {
        /// Who.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// A new title.
    Rename(String),
    /// A message.
    Message,
    /// Nothing that any cell but the event's own row depends on.
    Nothing,
}

impl Change {
    /// What `event` says.
    pub fn of(event: &Event) -> Self {
        let read = match event.kind {
            EventKind::Created => event.created().map(|mut created| {
                let mut seen = HashSet::new();
                created.members.retain(|member| seen.insert(*member));
                Self::Created(created)
            }),
            EventKind::MemberAdded => event
                .member_change()
                .map(|change| Self::Add { user: change.user, role: change.role.unwrap_or(Role::Member) }),
            EventKind::MemberRemoved | EventKind::MemberLeft => {
                event.member_change().map(|change| Self::End { user: change.user })
            }
            EventKind::RoleChanged => event.member_change().and_then(|change| {
                let user = change.user;
                change.role.map(|role| Self::SetRole { user, role })
            }),
            EventKind::Renamed => event.renamed().map(|renamed| Self::Rename(renamed.title)),
            EventKind::Message => Some(Self::Message),
            EventKind::Unreadable | EventKind::Other(_) => None,
        };
        read.unwrap_or(Self::Nothing)
    }

    /// Whose membership it is about.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Add { user, .. } | Self::End { user } | Self::SetRole { user, .. } => Some(*user),
            Self::Created(_) | Self::Rename(_) | Self::Message | Self::Nothing => None,
        }
    }

    /// What it comes to, given whether [`Change::user`] was a member before it. Nothing in a direct chat.
    pub fn effect(&self, kind: ChatKind, was_member: bool) -> Effect {
        match (self, was_member) {
            _ if kind == ChatKind::Direct => Effect::Nothing,
            (Self::Add { .. }, false) => Effect::Joined,
            (Self::End { .. }, true) => Effect::Ended,
            (Self::SetRole { .. }, true) => Effect::RoleSet,
            _ => Effect::Nothing,
        }
    }

    /// Whether [`Change::user`] was a member before it if it came to anything: the guess where nothing better is known.
    pub(super) fn implies_member(&self) -> bool {
        !matches!(self, Self::Add { .. })
    }
}

/// What a change of membership comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The user is a member from this event on.
    Joined,
    /// The user is no member any more; this event is the last they may read.
    Ended,
    /// The user has another role.
    RoleSet,
    /// It said what was so already, or nothing about members.
    Nothing,
}

/// What is known of a user's membership just before an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// A member, since `joined_seq` where the row still tells.
    Member { joined_seq: Option<Seq> },
    /// Not a member.
    Out,
    /// The row is of later events and does not tell: they joined again in between.
    Unknown,
}

/// What `row` tells of the time just before the event `seq`, which is about its user. The row may be of this very event
/// or of later ones (a rewound worker meets events again, R11): then it still tells in all cases but one.
pub(super) fn standing_before(row: Option<&MemberRow>, seq: Seq) -> Standing {
    let Some(row) = row else {
        return Standing::Out;
    };
    let member = Standing::Member { joined_seq: Some(row.joined_seq) };
    if row.clock < seq {
        return if row.role.is_some() { member } else { Standing::Out };
    }
    if row.joined_seq < seq {
        // In since then, and not out before `row.clock`, which is this event or a later one.
        return member;
    }
    if row.joined_seq > seq {
        return Standing::Unknown;
    }
    // This very event made them a member.
    Standing::Out
}
