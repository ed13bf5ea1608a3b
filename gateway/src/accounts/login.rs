//! Log in: a handle and its password.

use std::net::IpAddr;

use serde::Deserialize;
use tidings_protocol::limits::PASSWORD_BYTES;
use tidings_protocol::{ErrorCode, Refusal, UserId};
use uuid::Uuid;

use super::{Accounts, Grant, Handle, card, store_refusal};

/// Somebody logs in.
#[derive(Deserialize)]
pub struct Login {
    /// In any case, with or without `@`.
    pub handle: String,
    /// Their password.
    pub password: String,
}

impl Accounts {
    /// Checks the password and gives tokens of a new family.
    ///
    /// # Errors
    /// `bad_field`; `unauthenticated`: no such handle or another password, without saying which; `rate_limited`;
    /// `overloaded`; `store_unavailable`.
    pub async fn login(&self, asked: Login, from: IpAddr) -> Result<Grant, Refusal> {
        let handle = Handle::parse(&asked.handle)?;
        check_given_password("password", &asked.password)?;
        self.attempts.from(from)?;
        let attempt = self.attempts.on(handle.as_str())?;
        let found = self.store.credentials(handle.as_str()).await.map_err(store_refusal)?;
        let (user, hash) = found.map(|found| (found.user, found.password_hash)).unzip();
        let right = self.hasher.verify(asked.password, hash).await?;
        let Some(user) = user.filter(|_| right) else {
            attempt.failed();
            return Err(Refusal::new(ErrorCode::Unauthenticated, "wrong handle or password"));
        };
        drop(attempt);
        self.grant_new_family(user).await
    }

    /// Tokens for a user of ours, who has just shown a password.
    pub(super) async fn grant_new_family(&self, user: UserId) -> Result<Grant, Refusal> {
        let rows = self.store.users(&[user]).await.map_err(store_refusal)?;
        let row = rows.into_iter().next().flatten();
        let row = row.ok_or_else(|| Refusal::new(ErrorCode::NoSuchUser, "the account is gone"))?;
        self.grant(card(row), Uuid::new_v4()).await
    }
}

/// What is longer than any password is not hashed.
pub(super) fn check_given_password(field: &str, password: &str) -> Result<(), Refusal> {
    if password.len() > *PASSWORD_BYTES.end() {
        let why = format!("at most {} bytes", PASSWORD_BYTES.end());
        return Err(Refusal::bad_field(field, &why));
    }
    Ok(())
}
