//! Register: a new account.

use std::net::IpAddr;

use serde::Deserialize;
use tidings_protocol::limits::PASSWORD_BYTES;
use tidings_protocol::{ErrorCode, Refusal, UserCard, UserId};
use tidings_schema::directory::{Registered, UserRow};
use uuid::Uuid;

use super::{Accounts, Grant, Handle, card, now, shown_name, store_refusal};

/// A new account.
#[derive(Deserialize)]
pub struct Register {
    /// Brought into its one form.
    pub handle: String,
    /// 8 to 256 bytes.
    pub password: String,
    /// The name they show.
    pub name: String,
}

impl Accounts {
    /// Makes an account and logs it in.
    ///
    /// # Errors
    /// `bad_field`; `already`: the handle is taken; `rate_limited`; `overloaded`; `store_unavailable`.
    pub async fn register(&self, asked: Register, from: IpAddr) -> Result<Grant, Refusal> {
        let (handle, name) = (Handle::parse(&asked.handle)?, shown_name(&asked.name)?);
        check_new_password("password", &asked.password)?;
        self.attempts.from(from)?;
        if self.store.user_by_handle(handle.as_str()).await.map_err(store_refusal)?.is_some() {
            return Err(taken(&handle));
        }
        let user = self.make(&handle, name, asked.password).await?;
        self.grant(user, Uuid::new_v4()).await
    }

    /// The account with this handle, made when there is none: for users that an installation brings along. Somebody
    /// who is there keeps their name and password.
    ///
    /// # Errors
    /// As [`Accounts::register`], without `already` and `rate_limited`.
    pub async fn ensure_account(&self, asked: Register) -> Result<UserCard, Refusal> {
        let (handle, name) = (Handle::parse(&asked.handle)?, shown_name(&asked.name)?);
        check_new_password("password", &asked.password)?;
        match self.store.user_by_handle(handle.as_str()).await.map_err(store_refusal)? {
            Some(row) => Ok(card(row)),
            None => self.make(&handle, name, asked.password).await,
        }
    }

    async fn make(&self, handle: &Handle, name: String, password: String) -> Result<UserCard, Refusal> {
        let hash = self.hasher.hash(password).await?;
        let row = UserRow { id: UserId::generate(), handle: Some(handle.as_str().to_owned()), name, created_at: now() };
        match self.store.register(&row, &hash).await.map_err(store_refusal)? {
            Registered::New => Ok(card(row)),
            Registered::HandleTaken => Err(taken(handle)),
        }
    }
}

fn taken(handle: &Handle) -> Refusal {
    Refusal::new(ErrorCode::Already, format!("the handle {handle} is taken"))
}

/// A new password is 8 to 256 bytes.
pub(super) fn check_new_password(field: &str, password: &str) -> Result<(), Refusal> {
    if PASSWORD_BYTES.contains(&password.len()) {
        return Ok(());
    }
    let (least, most) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
    Err(Refusal::bad_field(field, &format!("{least} to {most} bytes")))
}
