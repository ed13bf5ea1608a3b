//! Make a chat: `created`, the first event of its subject. Repeating the call meets the same chat.
//!
//! It protects against two beginnings: the id is made of who is in it (direct) or of caller and `client_id` (group), the
//! event carries "expected last subject sequence 0", and the store is looked at first, because past max age the subject
//! is empty again (R1).

use tidings_protocol::event::Created;
use tidings_protocol::limits::CHAT_MEMBERS;
use tidings_protocol::{ChatId, ChatKind, ChatSummary, ErrorCode, EventKind, Refusal, UserId};

use super::{Ops, body_of, change};
use crate::accounts::UserRef;
use crate::http::ops::CreateChat;

impl Ops {
    pub(super) async fn create(&self, user: UserId, chat: CreateChat) -> Result<ChatSummary, Refusal> {
        match chat {
            CreateChat::Direct { with } => {
                let with = with.resolve(&*self.directory).await?;
                if with == user {
                    return Err(Refusal::bad_field("with", "a direct chat is with somebody else"));
                }
                let members = vec![user, with];
                let created = Created { kind: ChatKind::Direct, title: None, members };
                self.begin(user, ChatId::direct(user, with), created).await
            }
            CreateChat::Group { client_id, title, members } => {
                let members = self.group_members(user, &members).await?;
                let created = Created { kind: ChatKind::Group, title: Some(title), members };
                self.begin(user, ChatId::group(user, client_id), created).await
            }
        }
    }

    /// The creator and the others, each once, all of them there.
    async fn group_members(&self, user: UserId, others: &[UserRef]) -> Result<Vec<UserId>, Refusal> {
        if others.len() > CHAT_MEMBERS {
            return Err(Refusal::bad_field("members", &format!("at most {CHAT_MEMBERS}")));
        }
        let resolved = UserRef::resolve_all(others, &*self.directory).await?;
        let mut seen = std::collections::HashSet::from([user]);
        let mut members = vec![user];
        members.extend(resolved.into_iter().filter(|member| seen.insert(*member)));
        if members.len() > CHAT_MEMBERS {
            return Err(Refusal::bad_field("members", &format!("at most {CHAT_MEMBERS}")));
        }
        Ok(members)
    }

    async fn begin(&self, user: UserId, chat: ChatId, created: Created) -> Result<ChatSummary, Refusal> {
        match self.reads.membership(chat, user).await {
            Ok(membership) => membership.require_reader().map(drop)?,
            Err(refusal) if refusal.code == ErrorCode::NoSuchChat => {
                let mut append = change(chat, user, EventKind::Created, body_of(&created)?)?;
                append.expect_empty = true;
                match self.append(append).await {
                    Ok(_) => {}
                    // Somebody (the other one of a direct chat, or this call's first try) was a moment earlier.
                    Err(refusal) if refusal.code == ErrorCode::Already => {}
                    Err(refusal) => return Err(refusal),
                }
            }
            Err(refusal) => return Err(refusal),
        }
        self.reads.summary(user, chat).await
    }
}
