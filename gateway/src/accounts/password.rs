//! Change the password: shows the old one again, ends all log-ins, gives the caller a new one.

use std::net::IpAddr;

use serde::Deserialize;
use tidings_protocol::{ErrorCode, Refusal, UserId};

use super::login::check_given_password;
use super::register::check_new_password;
use super::{Accounts, Grant, store_refusal};

/// A new password.
#[derive(Deserialize)]
pub struct ChangePassword {
    /// The password now.
    pub password: String,
    /// From now on; 8 to 256 bytes.
    pub new_password: String,
}

impl Accounts {
    /// Changes the password of `user`, who has shown an access token.
    ///
    /// # Errors
    /// `bad_field`; `not_allowed`: the old password is another one, or the user has none (an app's user);
    /// `rate_limited`; `overloaded`; `store_unavailable`.
    pub async fn change_password(&self, user: UserId, asked: ChangePassword, from: IpAddr) -> Result<Grant, Refusal> {
        check_given_password("password", &asked.password)?;
        check_new_password("new_password", &asked.new_password)?;
        self.attempts.from(from)?;
        let attempt = self.attempts.on(&user.to_string())?;
        let found = self.store.credentials_of(user).await.map_err(store_refusal)?;
        let none = || Refusal::new(ErrorCode::NotAllowed, "this user has no password");
        let stored = found.ok_or_else(none)?.password_hash;
        if !self.hasher.verify(asked.password, Some(stored)).await? {
            attempt.failed();
            return Err(Refusal::new(ErrorCode::NotAllowed, "the password is another one"));
        }
        drop(attempt);
        let hash = self.hasher.hash(asked.new_password).await?;
        if !self.store.set_password(user, &hash).await.map_err(store_refusal)? {
            return Err(none());
        }
        self.grant_new_family(user).await
    }
}
