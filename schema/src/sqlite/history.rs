//! Rows of chats. Every upsert carries its clock and loses to a newer one inside the statement (R10).

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, Transaction};
use tidings_protocol::{ChatId, Seq, UserId};

use super::errors::Step;
use super::{SqliteStore, cells, progress};
use crate::history::{EntryRow, HeadRow, HistoryStore, HistoryWrite, MemberRow, Range};
use crate::progress::HISTORY_WORKER;
use crate::{Progress, StoreError};

const WRITE: Step = Step::new("writing history", "messages");
const HEADS: Step = Step::new("reading chat heads", "chat_heads");
const ENTRIES: Step = Step::new("reading entries", "messages");
const MEMBERS: Step = Step::new("reading members", "members");

const ENTRY_COLUMNS: &str = "chat, seq, prev, ord, n, members, countable, kind, sender, client_id, at, raw";
const MEMBER_COLUMNS: &str = "chat, user, clock, role, joined_seq, left_seq";

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn apply_history(&self, stream: &str, writes: &[HistoryWrite], progress: Progress) -> Result<(), StoreError> {
        let stream = stream.to_owned();
        let writes = writes.to_vec();
        self.write(WRITE, move |transaction| {
            for write in &writes {
                match write {
                    HistoryWrite::Entry(row) => put_entry(transaction, row)?,
                    HistoryWrite::Head(row) => put_head(transaction, row)?,
                    HistoryWrite::Member(row) => put_member(transaction, row)?,
                }
            }
            progress::advance(transaction, HISTORY_WORKER, &stream, progress)
        })
        .await
    }

    async fn heads(&self, chats: &[ChatId]) -> Result<Vec<Option<HeadRow>>, StoreError> {
        let chats = chats.to_vec();
        self.read(HEADS, move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT chat, seq, ord, n, members, kind, title, creator, at, preview, newest_from
                 FROM chat_heads WHERE chat = ?1",
            )?;
            let head = |chat: &ChatId| statement.query_row((chat.as_bytes(),), head_of).optional();
            chats.iter().map(head).collect()
        })
        .await
    }

    async fn entries(&self, chat: ChatId, range: Range, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        self.read(ENTRIES, move |transaction| {
            let (condition, order, seq) = match range {
                Range::After(seq) => ("seq > ?2", "ASC", seq),
                Range::Before(seq) => ("seq < ?2", "DESC", seq),
            };
            let sql = format!(
                "SELECT {ENTRY_COLUMNS} FROM messages
                 WHERE chat = ?1 AND {condition} ORDER BY seq {order} LIMIT ?3"
            );
            let mut rows = transaction
                .prepare_cached(&sql)?
                .query_map((chat.as_bytes(), in_range(seq), in_range(limit as u64)), entry_of)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            if matches!(range, Range::Before(_)) {
                rows.reverse();
            }
            Ok(rows)
        })
        .await
    }

    async fn entry_at(&self, chat: ChatId, seq: Seq) -> Result<Option<EntryRow>, StoreError> {
        self.read(ENTRIES, move |transaction| {
            let sql = format!(
                "SELECT {ENTRY_COLUMNS} FROM messages
                 WHERE chat = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1"
            );
            transaction.prepare_cached(&sql)?.query_row((chat.as_bytes(), in_range(seq)), entry_of).optional()
        })
        .await
    }

    async fn member(&self, chat: ChatId, user: UserId) -> Result<Option<MemberRow>, StoreError> {
        self.read(MEMBERS, move |transaction| {
            let sql = format!("SELECT {MEMBER_COLUMNS} FROM members WHERE chat = ?1 AND user = ?2");
            transaction.prepare_cached(&sql)?.query_row((chat.as_bytes(), user.as_bytes()), member_of).optional()
        })
        .await
    }

    async fn members(&self, chat: ChatId, after: Option<UserId>, limit: usize) -> Result<Vec<MemberRow>, StoreError> {
        self.read(MEMBERS, move |transaction| {
            let sql = format!(
                "SELECT {MEMBER_COLUMNS} FROM members
                 WHERE chat = ?1 AND (?2 IS NULL OR user > ?2) ORDER BY user LIMIT ?3"
            );
            let after = after.as_ref().map(UserId::as_bytes);
            transaction
                .prepare_cached(&sql)?
                .query_map((chat.as_bytes(), after, in_range(limit as u64)), member_of)?
                .collect()
        })
        .await
    }
}

/// A bound of a query as SQLite can hold it: anything above its largest number means the same as that number.
fn in_range(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

/// Equal clocks carry equal rows, and the clock is the key: what is there stays.
fn put_entry(transaction: &Transaction<'_>, row: &EntryRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO messages
             (chat, seq, prev, ord, n, members, countable, kind, sender, client_id, at, raw)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (chat, seq) DO NOTHING",
        )?
        .execute((
            row.chat.as_bytes(),
            row.seq,
            row.prev,
            row.ord,
            row.n,
            row.members,
            row.countable,
            &row.kind,
            row.sender.as_bytes(),
            row.client_id.as_ref().map(|id| id.as_bytes()),
            row.at.millis(),
            &row.raw[..],
        ))?;
    Ok(())
}

fn put_head(transaction: &Transaction<'_>, row: &HeadRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO chat_heads
             (chat, seq, ord, n, members, kind, title, creator, at, preview, newest_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (chat) DO UPDATE SET seq = excluded.seq, ord = excluded.ord,
                 n = excluded.n, members = excluded.members, kind = excluded.kind,
                 title = excluded.title, creator = excluded.creator, at = excluded.at,
                 preview = excluded.preview, newest_from = excluded.newest_from
             WHERE excluded.seq > seq",
        )?
        .execute((
            row.chat.as_bytes(),
            row.seq,
            row.ord,
            row.n,
            row.members,
            cells::kind_name(row.kind),
            &row.title,
            row.creator.as_bytes(),
            row.at.map(|at| at.millis()),
            &row.preview,
            row.from.as_ref().map(UserId::as_bytes),
        ))?;
    Ok(())
}

fn put_member(transaction: &Transaction<'_>, row: &MemberRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO members (chat, user, clock, role, joined_seq, left_seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (chat, user) DO UPDATE SET clock = excluded.clock,
                 role = excluded.role, joined_seq = excluded.joined_seq,
                 left_seq = excluded.left_seq
             WHERE excluded.clock > clock",
        )?
        .execute((
            row.chat.as_bytes(),
            row.user.as_bytes(),
            row.clock,
            row.role.map(cells::role_name),
            row.joined_seq,
            row.left_seq,
        ))?;
    Ok(())
}

fn entry_of(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    Ok(EntryRow {
        chat: cells::chat(row, 0)?,
        seq: row.get(1)?,
        prev: row.get(2)?,
        ord: row.get(3)?,
        n: row.get(4)?,
        members: row.get(5)?,
        countable: row.get(6)?,
        kind: row.get(7)?,
        sender: cells::user(row, 8)?,
        client_id: cells::maybe_client(row, 9)?,
        at: cells::time(row, 10)?,
        raw: Bytes::from(row.get::<_, Vec<u8>>(11)?),
    })
}

fn head_of(row: &Row<'_>) -> rusqlite::Result<HeadRow> {
    Ok(HeadRow {
        chat: cells::chat(row, 0)?,
        seq: row.get(1)?,
        ord: row.get(2)?,
        n: row.get(3)?,
        members: row.get(4)?,
        kind: cells::kind(row, 5)?,
        title: row.get(6)?,
        creator: cells::user(row, 7)?,
        at: cells::maybe_time(row, 8)?,
        preview: row.get(9)?,
        from: cells::maybe_user(row, 10)?,
    })
}

fn member_of(row: &Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        chat: cells::chat(row, 0)?,
        user: cells::user(row, 1)?,
        clock: row.get(2)?,
        role: cells::maybe_role(row, 3)?,
        joined_seq: row.get(4)?,
        left_seq: row.get(5)?,
    })
}
