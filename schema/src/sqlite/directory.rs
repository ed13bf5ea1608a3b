//! People. Written by handlers; these rows are the truth, so here a write that was not acknowledged is not known.

use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction};
use tidings_protocol::UserId;
use uuid::Uuid;

use super::errors::Step;
use super::{SqliteStore, cells};
use crate::StoreError;
use crate::directory::{Credentials, DirectoryStore, RefreshHash, RefreshRow, RefreshUse, Registered, UserRow};

const WRITE_USER: Step = Step::new("writing a user", "users");
const READ_USER: Step = Step::new("reading users", "users");
const WRITE_REFRESH: Step = Step::new("writing a refresh token", "refresh_tokens");

/// Refresh tokens are forgotten this long after they expired, whenever a new one is stored.
const KEEP_EXPIRED_MS: i64 = 7 * 24 * 60 * 60 * 1000;

const USER_COLUMNS: &str = "id, handle, name, created_at";

#[async_trait]
impl DirectoryStore for SqliteStore {
    async fn register(&self, user: &UserRow, password_hash: &str) -> Result<Registered, StoreError> {
        let (user, password_hash) = (user.clone(), password_hash.to_owned());
        self.write(WRITE_USER, move |transaction| {
            let made = insert_user(transaction, &user, Some(&password_hash))?;
            Ok(if made { Registered::New } else { Registered::HandleTaken })
        })
        .await
    }

    async fn ensure_user(&self, user: &UserRow) -> Result<UserRow, StoreError> {
        let user = user.clone();
        self.write(WRITE_USER, move |transaction| {
            if let Some(row) = user_by_id(transaction, user.id)? {
                return Ok(row);
            }
            if insert_user(transaction, &user, None)? {
                return Ok(user);
            }
            // The handle is somebody else's. The token names the user, not the handle.
            let user = UserRow { handle: None, ..user };
            insert_user(transaction, &user, None)?;
            Ok(user)
        })
        .await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<UserRow>>, StoreError> {
        let ids = ids.to_vec();
        self.read(READ_USER, move |transaction| ids.iter().map(|id| user_by_id(transaction, *id)).collect()).await
    }

    async fn user_by_handle(&self, handle: &str) -> Result<Option<UserRow>, StoreError> {
        let handle = handle.to_owned();
        self.read(READ_USER, move |transaction| {
            let sql = format!("SELECT {USER_COLUMNS} FROM users WHERE handle = ?1");
            transaction.prepare_cached(&sql)?.query_row([handle], user_of).optional()
        })
        .await
    }

    async fn set_name(&self, user: UserId, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(WRITE_USER, move |transaction| {
            transaction
                .prepare_cached("UPDATE users SET name = ?2 WHERE id = ?1")?
                .execute((user.as_bytes(), name))
                .map(|changed| changed == 1)
        })
        .await
    }

    async fn credentials(&self, handle: &str) -> Result<Option<Credentials>, StoreError> {
        let handle = handle.to_owned();
        self.read(READ_USER, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT id, password_hash FROM users
                     WHERE handle = ?1 AND password_hash IS NOT NULL",
                )?
                .query_row([handle], credentials_of)
                .optional()
        })
        .await
    }

    async fn credentials_of(&self, user: UserId) -> Result<Option<Credentials>, StoreError> {
        self.read(READ_USER, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT id, password_hash FROM users
                     WHERE id = ?1 AND password_hash IS NOT NULL",
                )?
                .query_row([user.as_bytes()], credentials_of)
                .optional()
        })
        .await
    }

    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool, StoreError> {
        let password_hash = password_hash.to_owned();
        self.write(WRITE_USER, move |transaction| {
            let changed = transaction
                .prepare_cached(
                    "UPDATE users SET password_hash = ?2
                     WHERE id = ?1 AND password_hash IS NOT NULL",
                )?
                .execute((user.as_bytes(), password_hash))?;
            if changed == 1 {
                transaction.prepare_cached("DELETE FROM refresh_tokens WHERE user = ?1")?.execute([user.as_bytes()])?;
            }
            Ok(changed == 1)
        })
        .await
    }

    async fn put_refresh(&self, hash: RefreshHash, row: RefreshRow) -> Result<(), StoreError> {
        let forget_before = now_ms() - KEEP_EXPIRED_MS;
        self.write(WRITE_REFRESH, move |transaction| {
            transaction.prepare_cached("DELETE FROM refresh_tokens WHERE expires_at < ?1")?.execute([forget_before])?;
            transaction
                .prepare_cached(
                    "INSERT INTO refresh_tokens (hash, user, family, expires_at)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((hash, row.user.as_bytes(), row.family.as_bytes(), row.expires_at.millis()))?;
            Ok(())
        })
        .await
    }

    async fn use_refresh(&self, hash: RefreshHash) -> Result<RefreshUse, StoreError> {
        self.write(WRITE_REFRESH, move |transaction| {
            let found = transaction
                .prepare_cached("SELECT user, family, expires_at, used FROM refresh_tokens WHERE hash = ?1")?
                .query_row([hash], |row| Ok((refresh_of(row)?, row.get::<_, bool>(3)?)))
                .optional()?;
            match found {
                None => Ok(RefreshUse::Unknown),
                Some((row, true)) => Ok(RefreshUse::Reused(row)),
                Some((row, false)) => {
                    transaction
                        .prepare_cached("UPDATE refresh_tokens SET used = 1 WHERE hash = ?1")?
                        .execute([hash])?;
                    Ok(RefreshUse::Fresh(row))
                }
            }
        })
        .await
    }

    async fn end_family(&self, family: Uuid) -> Result<(), StoreError> {
        self.write(WRITE_REFRESH, move |transaction| {
            transaction.prepare_cached("DELETE FROM refresh_tokens WHERE family = ?1")?.execute([family.as_bytes()])?;
            Ok(())
        })
        .await
    }
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// `false`: the handle is taken.
fn insert_user(transaction: &Transaction<'_>, user: &UserRow, password_hash: Option<&str>) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached(
            "INSERT INTO users (id, handle, name, created_at, password_hash)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (handle) DO NOTHING",
        )?
        .execute((user.id.as_bytes(), &user.handle, &user.name, user.created_at.millis(), password_hash))
        .map(|inserted| inserted == 1)
}

fn user_by_id(transaction: &Transaction<'_>, id: UserId) -> rusqlite::Result<Option<UserRow>> {
    let sql = format!("SELECT {USER_COLUMNS} FROM users WHERE id = ?1");
    transaction.prepare_cached(&sql)?.query_row([id.as_bytes()], user_of).optional()
}

fn user_of(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow { id: cells::user(row, 0)?, handle: row.get(1)?, name: row.get(2)?, created_at: cells::time(row, 3)? })
}

fn credentials_of(row: &Row<'_>) -> rusqlite::Result<Credentials> {
    Ok(Credentials { user: cells::user(row, 0)?, password_hash: row.get(1)? })
}

fn refresh_of(row: &Row<'_>) -> rusqlite::Result<RefreshRow> {
    Ok(RefreshRow { user: cells::user(row, 0)?, family: cells::id(row, 1)?, expires_at: cells::time(row, 2)? })
}
