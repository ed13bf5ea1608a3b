//! From a checked token to a user in the directory.
//!
//! The bearer of one of our own tokens was in the directory when it was signed: nothing is read. A user whom the app's
//! token names may be new: the first use makes the row, and a bounded memory of who is there saves the read each time
//! after. A name in a development token is a handle if somebody has it.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_protocol::{Refusal, UserCard, UserId};
use tidings_schema::directory::UserRow;
use tokio::time::Instant;

use super::{Accounts, Handle, card, now, store_refusal};
use crate::tokens::{Claims, Origin};

/// How many users are remembered; when there are more, all are forgotten and found again one by one.
const KNOWN_USERS_MAX: usize = 50_000;
/// How long one is remembered: a name changed elsewhere shows here after this time.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// Who was found in the directory lately, by the user id that the token gives.
#[derive(Default, Debug)]
pub(super) struct KnownUsers {
    /// Held for a look or a change, never over an await.
    seen: Mutex<HashMap<UserId, (UserCard, Instant)>>,
}

impl KnownUsers {
    fn get(&self, named: UserId) -> Option<UserCard> {
        let seen = self.seen.lock();
        let (card, at) = seen.get(&named)?;
        (at.elapsed() < KNOWN_FOR).then(|| card.clone())
    }

    fn put(&self, named: UserId, card: UserCard) {
        let mut seen = self.seen.lock();
        if seen.len() >= KNOWN_USERS_MAX {
            seen.clear();
        }
        seen.insert(named, (card, Instant::now()));
    }

    pub(super) fn forget(&self, user: UserId) {
        self.seen.lock().retain(|_, (card, _)| card.id != user);
    }
}

impl Accounts {
    /// Who the bearer of a checked token is. Makes the user when an app's token names one that is not there yet.
    ///
    /// # Errors
    /// `store_unavailable`; never for our own tokens.
    pub async fn identify(&self, claims: &Claims) -> Result<UserCard, Refusal> {
        let named = claims.user;
        if claims.origin == Origin::Account {
            let (handle, name) = (claims.handle.clone(), claims.name.clone());
            return Ok(UserCard { id: named, handle, name });
        }
        if let Some(card) = self.known.get(named) {
            return Ok(card);
        }
        let row = match self.by_handle(&claims.origin).await? {
            Some(row) => row,
            None => {
                let name = claims.name.clone();
                let row = UserRow { id: named, handle: None, name, created_at: now() };
                self.store.ensure_user(&row).await.map_err(store_refusal)?
            }
        };
        let card = card(row);
        self.known.put(named, card.clone());
        Ok(card)
    }

    async fn by_handle(&self, origin: &Origin) -> Result<Option<UserRow>, Refusal> {
        let Origin::Development { subject } = origin else {
            return Ok(None);
        };
        let Ok(handle) = Handle::parse(subject) else {
            return Ok(None);
        };
        self.store.user_by_handle(handle.as_str()).await.map_err(store_refusal)
    }
}
