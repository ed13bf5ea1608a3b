//! Users' lists. Two clocks per row: the pointer's `seq` for what comes from the chat, the read position for itself.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction};
use tidings_protocol::inbox::Position;
use tidings_protocol::{ChatId, Newest, Pointer, UserId};

use super::errors::Step;
use super::{SqliteStore, cells, progress};
use crate::progress::USER_CHATS_WORKER;
use crate::rules::user_chat::stored_pointer;
use crate::user_chats::{ListPlace, UserChatRow, UserChatWrite, UserChatsStore};
use crate::{Progress, StoreError};

const WRITE: Step = Step::new("writing user chats", "user_chats");
const LIST: Step = Step::new("reading a chat list", "user_chats");

const COLUMNS: &str = "user, chat, clock, kind, title, with_user, members, role, joined_seq,
    left_seq, newest_seq, newest_n, newest_at, preview, newest_from, read_seq, read_n";

#[async_trait]
impl UserChatsStore for SqliteStore {
    async fn apply_user_chats(
        &self,
        stream: &str,
        writes: &[UserChatWrite],
        progress: Progress,
    ) -> Result<(), StoreError> {
        let stream = stream.to_owned();
        let writes = writes.to_vec();
        self.write(WRITE, move |transaction| {
            for write in &writes {
                apply(transaction, write)?;
            }
            progress::advance(transaction, USER_CHATS_WORKER, &stream, progress)
        })
        .await
    }

    async fn list(&self, user: UserId, place: Option<ListPlace>, limit: usize) -> Result<Vec<UserChatRow>, StoreError> {
        self.read(LIST, move |transaction| {
            let after = match place {
                Some(_) => "AND (newest_seq, chat) < (?3, ?4)",
                None => "AND ?3 IS NULL AND ?4 IS NULL",
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM user_chats WHERE user = ?1 AND clock > 0 {after}
                 ORDER BY newest_seq DESC, chat DESC LIMIT ?2"
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let newest_seq = place.map(|place| place.newest_seq);
            let chat = place.as_ref().map(|place| place.chat.as_bytes());
            transaction.prepare_cached(&sql)?.query_map((user.as_bytes(), limit, newest_seq, chat), row_of)?.collect()
        })
        .await
    }

    async fn user_chats(&self, user: UserId, chats: &[ChatId]) -> Result<Vec<Option<UserChatRow>>, StoreError> {
        let chats = chats.to_vec();
        self.read(LIST, move |transaction| {
            let sql = format!("SELECT {COLUMNS} FROM user_chats WHERE user = ?1 AND chat = ?2 AND clock > 0");
            let mut statement = transaction.prepare_cached(&sql)?;
            let one = |chat: &ChatId| statement.query_row((user.as_bytes(), chat.as_bytes()), row_of).optional();
            chats.iter().map(one).collect()
        })
        .await
    }

    async fn read_position(&self, user: UserId, chat: ChatId) -> Result<Option<Position>, StoreError> {
        self.read(LIST, move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT read_seq, read_n FROM user_chats
                     WHERE user = ?1 AND chat = ?2 AND read_seq > 0",
                )?
                .query_row((user.as_bytes(), chat.as_bytes()), |row| Ok(Position { seq: row.get(0)?, n: row.get(1)? }))
                .optional()
        })
        .await
    }
}

fn apply(transaction: &Transaction<'_>, write: &UserChatWrite) -> rusqlite::Result<()> {
    match write {
        UserChatWrite::Pointer { user, pointer } => {
            put_pointer(transaction, *user, &stored_pointer(pointer))?;
            match pointer.own {
                Some(own) => put_read(transaction, *user, pointer.chat, own),
                None => Ok(()),
            }
        }
        UserChatWrite::Read { user, read } => {
            let position = Position { seq: read.seq, n: read.n };
            put_read(transaction, *user, read.chat, position)
        }
    }
}

fn put_pointer(transaction: &Transaction<'_>, user: UserId, pointer: &Pointer) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO user_chats
             (user, chat, clock, kind, title, with_user, members, role, joined_seq, left_seq,
              newest_seq, newest_n, newest_at, preview, newest_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (user, chat) DO UPDATE SET clock = excluded.clock, kind = excluded.kind,
                 title = excluded.title, with_user = excluded.with_user,
                 members = excluded.members, role = excluded.role,
                 joined_seq = excluded.joined_seq, left_seq = excluded.left_seq,
                 newest_seq = excluded.newest_seq, newest_n = excluded.newest_n,
                 newest_at = excluded.newest_at, preview = excluded.preview,
                 newest_from = excluded.newest_from
             WHERE excluded.clock > clock",
        )?
        .execute((
            user.as_bytes(),
            pointer.chat.as_bytes(),
            pointer.seq,
            cells::kind_name(pointer.chat_kind),
            &pointer.title,
            pointer.with.as_ref().map(UserId::as_bytes),
            pointer.members,
            pointer.role.map(cells::role_name),
            pointer.joined_seq,
            pointer.left_seq,
            pointer.newest.seq,
            pointer.newest.n,
            pointer.newest.at.map(|at| at.millis()),
            &pointer.newest.preview,
            pointer.newest.from.as_ref().map(UserId::as_bytes),
        ))?;
    Ok(())
}

fn put_read(transaction: &Transaction<'_>, user: UserId, chat: ChatId, position: Position) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO user_chats (user, chat, clock, read_seq, read_n) VALUES (?1, ?2, 0, ?3, ?4)
             ON CONFLICT (user, chat) DO UPDATE
             SET read_seq = excluded.read_seq, read_n = excluded.read_n
             WHERE (excluded.read_seq, excluded.read_n) > (read_seq, read_n)",
        )?
        .execute((user.as_bytes(), chat.as_bytes(), position.seq, position.n))?;
    Ok(())
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<UserChatRow> {
    let seq = row.get(2)?;
    Ok(UserChatRow {
        user: cells::user(row, 0)?,
        pointer: Pointer {
            chat: cells::chat(row, 1)?,
            first: seq,
            seq,
            chat_kind: cells::kind(row, 3)?,
            title: row.get(4)?,
            with: cells::maybe_user(row, 5)?,
            members: row.get(6)?,
            role: cells::maybe_role(row, 7)?,
            joined_seq: row.get(8)?,
            left_seq: row.get(9)?,
            newest: Newest {
                seq: row.get(10)?,
                n: row.get(11)?,
                at: cells::maybe_time(row, 12)?,
                preview: row.get(13)?,
                from: cells::maybe_user(row, 14)?,
            },
            own: None,
            chat_changed: false,
        },
        read: Position { seq: row.get(15)?, n: row.get(16)? },
    })
}
