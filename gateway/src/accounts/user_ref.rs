//! How a caller names a user: by id, or by handle with a leading `@`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use tidings_protocol::{ErrorCode, Refusal, UserId};
use tidings_schema::DirectoryStore;
use tidings_schema::directory::UserRow;

use super::handle::Handle;
use super::store_refusal;

/// A user as named by a caller. Nothing says yet that there is one: [`UserRef::resolve`] does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum UserRef {
    /// By id.
    Id(UserId),
    /// By handle; lower case, without `@`.
    Handle(Handle),
}

/// The text is neither a UUID nor `@` and a handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("neither a user id nor @handle")]
pub struct BadUserRef;

impl FromStr for UserRef {
    type Err = BadUserRef;

    fn from_str(text: &str) -> Result<Self, BadUserRef> {
        if text.starts_with('@') {
            return Handle::parse(text).map(Self::Handle).map_err(|_| BadUserRef);
        }
        text.parse().map(Self::Id).map_err(|_| BadUserRef)
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Handle(handle) => write!(f, "@{handle}"),
        }
    }
}

impl<'de> Deserialize<'de> for UserRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl UserRef {
    /// The id of the user, who is there.
    ///
    /// # Errors
    /// `no_such_user`; `store_unavailable`.
    pub async fn resolve(&self, store: &dyn DirectoryStore) -> Result<UserId, Refusal> {
        let ids = Self::resolve_all(std::slice::from_ref(self), store).await?;
        ids.first().copied().ok_or_else(|| no_such_user(self))
    }

    /// The ids of users who are all there, in this order. One read for all ids, one for each handle: the caller bounds
    /// how many it passes.
    ///
    /// # Errors
    /// `no_such_user` names the first that is not there; `store_unavailable`.
    pub async fn resolve_all(refs: &[Self], store: &dyn DirectoryStore) -> Result<Vec<UserId>, Refusal> {
        let found = Self::find_all(refs, store).await?;
        let id = |(named, row): (&Self, Option<UserRow>)| row.map(|row| row.id).ok_or_else(|| no_such_user(named));
        refs.iter().zip(found).map(id).collect()
    }

    /// The rows of these users, in this order. One read for all ids, one for each handle.
    pub(super) async fn find_all(refs: &[Self], store: &dyn DirectoryStore) -> Result<Vec<Option<UserRow>>, Refusal> {
        let asked: Vec<UserId> = refs.iter().filter_map(Self::id).collect();
        let by_id = if asked.is_empty() { Vec::new() } else { store.users(&asked).await.map_err(store_refusal)? };
        let mut by_id = by_id.into_iter();
        let mut rows = Vec::with_capacity(refs.len());
        for named in refs {
            rows.push(match named {
                Self::Id(_) => by_id.next().flatten(),
                Self::Handle(handle) => store.user_by_handle(handle.as_str()).await.map_err(store_refusal)?,
            });
        }
        Ok(rows)
    }

    fn id(&self) -> Option<UserId> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Handle(_) => None,
        }
    }
}

pub(super) fn no_such_user(named: &UserRef) -> Refusal {
    Refusal::new(ErrorCode::NoSuchUser, format!("there is no user {named}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_user_is_named_by_id_or_by_handle() {
        let id = UserId::generate();
        assert_eq!(id.to_string().parse(), Ok(UserRef::Id(id)));
        let named: UserRef = "@Alice".parse().unwrap();
        assert_eq!(named.to_string(), "@alice");
        for bad in ["", "alice", "@", "@a b", "123"] {
            assert_eq!(bad.parse::<UserRef>(), Err(BadUserRef), "{bad}");
        }
    }
}
