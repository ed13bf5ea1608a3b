//! Profiles: what everybody may know of a user, and changing one's own.

use serde::Deserialize;
use tidings_protocol::limits::NAME_CHARS;
use tidings_protocol::{ErrorCode, Refusal, UserCard, UserId};

use super::user_ref::no_such_user;
use super::{Accounts, UserRef, card, store_refusal};

/// A change of one's own profile. Absent fields stay as they are.
#[derive(Deserialize)]
pub struct ChangeProfile {
    /// The name they show.
    #[serde(default)]
    pub name: Option<String>,
}

impl Accounts {
    /// One user.
    ///
    /// # Errors
    /// `no_such_user`; `store_unavailable`.
    pub async fn user(&self, who: &UserRef) -> Result<UserCard, Refusal> {
        let found = self.users(std::slice::from_ref(who)).await?;
        found.into_iter().next().ok_or_else(|| no_such_user(who))
    }

    /// Those of these users who are there, each once, in the order asked for. One read for all ids, one for each
    /// handle: the caller bounds how many it passes.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn users(&self, asked: &[UserRef]) -> Result<Vec<UserCard>, Refusal> {
        let rows = UserRef::find_all(asked, self.store()).await?;
        let mut found: Vec<UserCard> = Vec::with_capacity(rows.len());
        for row in rows.into_iter().flatten() {
            if found.iter().all(|card| card.id != row.id) {
                found.push(card(row));
            }
        }
        Ok(found)
    }

    /// Changes the caller's own profile.
    ///
    /// # Errors
    /// `bad_field`; `no_such_user`; `store_unavailable`.
    pub async fn change_profile(&self, user: UserId, change: ChangeProfile) -> Result<UserCard, Refusal> {
        if let Some(name) = change.name {
            let name = shown_name(&name)?;
            let there = self.store.set_name(user, &name).await.map_err(store_refusal)?;
            if !there {
                return Err(Refusal::new(ErrorCode::NoSuchUser, "the account is gone"));
            }
            self.known.forget(user);
        }
        self.user(&UserRef::Id(user)).await
    }
}

/// A name as it is stored: trimmed, one line, not empty, not too long.
///
/// # Errors
/// `bad_field`.
pub fn shown_name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(Refusal::bad_field("name", "no control characters"));
    }
    if text.is_empty() || text.chars().count() > NAME_CHARS {
        return Err(Refusal::bad_field("name", &format!("1 to {NAME_CHARS} characters")));
    }
    Ok(text.to_owned())
}
