//! Members of a chat: list them, add one, change a role.

use tidings_protocol::chat::MemberCard;
use tidings_protocol::cursor::MembersCursor;
use tidings_protocol::event::MemberChange;
use tidings_protocol::limits::CHAT_MEMBERS;
use tidings_protocol::{ChatId, ChatKind, ErrorCode, EventKind, Refusal, Role, UserId};

use super::{Ops, body_of};
use crate::accounts::UserRef;
use crate::http::ops::{MembersPage, MembersQuery};
use crate::reads::Membership;

impl Ops {
    pub(super) async fn members(
        &self,
        user: UserId,
        chat: ChatId,
        query: MembersQuery,
    ) -> Result<MembersPage, Refusal> {
        self.reads.membership(chat, user).await?.require_member()?;
        let mut members = self.reads.member_page(chat, query.after, query.limit + 1).await?;
        let more = members.len() > query.limit;
        members.truncate(query.limit);
        let last = members.last().filter(|_| more);
        let more = last.map(|last: &MemberCard| MembersCursor { chat, user: last.user }.to_string());
        Ok(MembersPage { members, more })
    }

    /// Adds `who`, or sets the role of a member. What is so already is a success without an event.
    pub(super) async fn add(
        &self,
        user: UserId,
        chat: ChatId,
        who: UserRef,
        role: Option<Role>,
    ) -> Result<(), Refusal> {
        let mine = self.reads.membership(chat, user).await?;
        let my_role = require_group(&mine)?;
        let who = who.resolve(&*self.directory).await?;
        let theirs = self.reads.membership(chat, who).await?;
        match (theirs.role, role) {
            (Some(_), None) => Ok(()),
            (Some(now), Some(wanted)) if now == wanted => Ok(()),
            (Some(_), Some(wanted)) => {
                require(my_role, Role::Owner)?;
                if user == who {
                    self.require_other_owner(chat, user).await?;
                }
                self.append_member(chat, user, EventKind::RoleChanged, who, wanted).await
            }
            (None, wanted) => {
                let wanted = wanted.unwrap_or(Role::Member);
                require(my_role, if wanted == Role::Member { Role::Admin } else { Role::Owner })?;
                if self.reads.summary(user, chat).await?.members >= CHAT_MEMBERS as u64 {
                    return Err(Refusal::new(
                        ErrorCode::NotAllowed,
                        format!("a chat has at most {CHAT_MEMBERS} members"),
                    ));
                }
                self.append_member(chat, user, EventKind::MemberAdded, who, wanted).await
            }
        }
    }

    async fn append_member(
        &self,
        chat: ChatId,
        user: UserId,
        kind: EventKind,
        who: UserId,
        role: Role,
    ) -> Result<(), Refusal> {
        let body = body_of(&MemberChange { user: who, role: Some(role) })?;
        let appended = self.append_change(chat, user, kind, body).await?;
        self.reads.member_changed(chat, who, appended.seq);
        Ok(())
    }

    /// A group keeps an owner as long as it has members.
    pub(super) async fn require_other_owner(&self, chat: ChatId, user: UserId) -> Result<(), Refusal> {
        let mut after = None;
        let mut others = false;
        loop {
            let page = self.reads.member_page(chat, after, 1_000).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.user);
            if page.iter().any(|member| member.user != user && member.role == Role::Owner) {
                return Ok(());
            }
            others |= page.iter().any(|member| member.user != user);
        }
        if others {
            return Err(Refusal::new(ErrorCode::NotAllowed, "make somebody else an owner first"));
        }
        Ok(())
    }
}

/// The caller's role, in a group.
pub(super) fn require_group(membership: &Membership) -> Result<Role, Refusal> {
    let role = membership.require_member()?;
    if membership.kind == ChatKind::Direct {
        return Err(Refusal::new(ErrorCode::NotAllowed, "a direct chat stays as it is"));
    }
    Ok(role)
}

/// Whether the role is enough.
pub(super) fn require(role: Role, needed: Role) -> Result<(), Refusal> {
    if role >= needed {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::NotAllowed, "the role does not allow it"))
}
