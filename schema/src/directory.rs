//! People: users, handles, passwords and refresh tokens. Written by handlers; the row is the truth.

use async_trait::async_trait;
use tidings_protocol::{Timestamp, UserId};

use crate::StoreError;

/// A user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserRow {
    /// The user.
    pub id: UserId,
    /// Unique, lower case, without `@`; absent for users known only by an app's token.
    pub handle: Option<String>,
    /// The name they show.
    pub name: String,
    /// When the row was made.
    pub created_at: Timestamp,
}

/// What logging in needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// The user.
    pub user: UserId,
    /// PHC string (argon2id).
    pub password_hash: String,
}

/// SHA-256 of a refresh token. The token itself is never stored.
pub type RefreshHash = [u8; 32];

/// A refresh token's row. A token is used once; its family is everything that came from one log-in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefreshRow {
    /// Whose.
    pub user: UserId,
    /// The log-in that it comes from.
    pub family: uuid::Uuid,
    /// Not valid from then on.
    pub expires_at: Timestamp,
}

/// What using a refresh token met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefreshUse {
    /// It was there and unused; now it is used.
    Fresh(RefreshRow),
    /// It was used before: somebody else holds a copy. The caller ends the family.
    Reused(RefreshRow),
    /// There is no such token.
    Unknown,
}

/// Whether an account could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// It was made.
    New,
    /// The handle belongs to somebody else.
    HandleTaken,
}

/// Rows of people.
#[async_trait]
pub trait DirectoryStore: Send + Sync {
    /// Makes a user with a handle and a password, or nothing.
    async fn register(&self, user: &UserRow, password_hash: &str) -> Result<Registered, StoreError>;

    /// Makes a user known only by a token, when there is none yet; an existing row stays as it is. Returns the row.
    async fn ensure_user(&self, user: &UserRow) -> Result<UserRow, StoreError>;

    /// Users by id, in this order.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<UserRow>>, StoreError>;

    /// A user by handle (lower case).
    async fn user_by_handle(&self, handle: &str) -> Result<Option<UserRow>, StoreError>;

    /// Changes the name. `false`: no such user.
    async fn set_name(&self, user: UserId, name: &str) -> Result<bool, StoreError>;

    /// The password of a handle (lower case).
    async fn credentials(&self, handle: &str) -> Result<Option<Credentials>, StoreError>;

    /// The password of a user.
    async fn credentials_of(&self, user: UserId) -> Result<Option<Credentials>, StoreError>;

    /// Changes the password and ends all log-ins. `false`: the user has no password.
    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool, StoreError>;

    /// Stores a refresh token.
    async fn put_refresh(&self, hash: RefreshHash, row: RefreshRow) -> Result<(), StoreError>;

    /// Uses a refresh token, at most once.
    async fn use_refresh(&self, hash: RefreshHash) -> Result<RefreshUse, StoreError>;

    /// Ends every token of a family.
    async fn end_family(&self, family: uuid::Uuid) -> Result<(), StoreError>;
}
