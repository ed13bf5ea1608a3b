//! How typed values stand in columns, and how they are read back. What does not read is damage, never a default.

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};
use tidings_protocol::{ChatId, ChatKind, ClientId, Role, Timestamp, UserId};
use uuid::Uuid;

pub(super) fn chat(row: &Row<'_>, column: usize) -> rusqlite::Result<ChatId> {
    id(row, column).map(ChatId)
}

pub(super) fn user(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    id(row, column).map(UserId)
}

pub(super) fn maybe_user(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UserId>> {
    Ok(maybe_id(row, column)?.map(UserId))
}

pub(super) fn maybe_client(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ClientId>> {
    Ok(maybe_id(row, column)?.map(ClientId))
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

fn maybe_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Uuid>> {
    let bytes = row.get::<_, Option<[u8; 16]>>(column)?;
    Ok(bytes.map(Uuid::from_bytes))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

pub(super) fn kind_name(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Direct => "direct",
        ChatKind::Group => "group",
    }
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<ChatKind> {
    word(row, column, |name| match name {
        "direct" => Some(ChatKind::Direct),
        "group" => Some(ChatKind::Group),
        _ => None,
    })
}

pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

pub(super) fn maybe_role(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Role>> {
    if row.get_ref(column)?.data_type() == Type::Null {
        return Ok(None);
    }
    word(row, column, |name| match name {
        "member" => Some(Role::Member),
        "admin" => Some(Role::Admin),
        "owner" => Some(Role::Owner),
        _ => None,
    })
    .map(Some)
}

fn word<T>(row: &Row<'_>, column: usize, read: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let value = row.get_ref(column)?;
    let failed = |error: FromSqlError| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error));
    let name = value.as_str().map_err(failed)?;
    read(name).ok_or_else(|| failed(FromSqlError::Other("not a known word".into())))
}
