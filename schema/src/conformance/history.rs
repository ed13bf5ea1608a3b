//! Checks of entries, heads, members and progress, one promise each.

use bytes::Bytes;
use tidings_protocol::{ChatId, ChatKind, Role, Seq, Timestamp, UserId};
use uuid::Uuid;

use super::{Store, dump};
use crate::history::{BUCKET_EVENTS, EntryRow, HeadRow, HistoryWrite, MemberRow, Range};
use crate::progress::{HISTORY_WORKER, USER_CHATS_WORKER};
use crate::{Progress, StoreError};

const STREAM: &str = "CHAT_0";

fn chat(n: u128) -> ChatId {
    ChatId(Uuid::from_u128(n))
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn at(seq: Seq) -> Progress {
    Progress { seq, time_ms: 5, epoch: 1 }
}

fn entry(chat: ChatId, ord: u64) -> EntryRow {
    let seq = 3 * (ord + 1);
    EntryRow {
        chat,
        seq,
        prev: seq - 3,
        ord,
        n: ord,
        members: 2,
        countable: ord.is_multiple_of(2),
        kind: "message".to_owned(),
        sender: user(1),
        client_id: None,
        at: Timestamp(-5),
        raw: Bytes::from(vec![0, 255, b'{']),
    }
}

fn member(chat: ChatId, n: u128) -> MemberRow {
    MemberRow {
        chat,
        user: user(n),
        clock: 4,
        role: (!n.is_multiple_of(3)).then_some(Role::Admin),
        joined_seq: 2,
        left_seq: n.is_multiple_of(3).then_some(4),
    }
}

pub(super) async fn empty_store_knows_nothing(store: &dyn Store) -> Result<(), StoreError> {
    assert_eq!(store.heads(&[chat(1), chat(2)]).await?, [None, None]);
    assert_eq!(store.heads(&[]).await?, []);
    assert_eq!(store.entries(chat(1), Range::After(0), 5).await?, []);
    assert_eq!(store.entries(chat(1), Range::Before(Seq::MAX), 5).await?, []);
    assert_eq!(store.entry_at(chat(1), Seq::MAX).await?, None);
    assert_eq!(store.member(chat(1), user(1)).await?, None);
    assert_eq!(store.members(chat(1), None, 5).await?, []);
    assert_eq!(store.progress(HISTORY_WORKER, STREAM).await?, None);
    Ok(())
}

/// More events than two buckets hold, a second chat between them, pages in both directions across the buckets' edges.
pub(super) async fn pages_meet_without_hole_or_repeat(store: &dyn Store) -> Result<(), StoreError> {
    let long = 2 * BUCKET_EVENTS + 50;
    let all: Vec<_> = (0..long).map(|ord| entry(chat(1), ord)).collect();
    let other = entry(chat(2), 0);
    let writes: Vec<_> = [&other].into_iter().chain(&all).cloned().map(HistoryWrite::Entry).collect();
    for batch in writes.chunks(1000) {
        store.apply_history(STREAM, batch, at(1)).await?;
    }
    for edge in [0, BUCKET_EVENTS, 2 * BUCKET_EVENTS, long] {
        for around in edge.saturating_sub(2)..(edge + 3).min(long) {
            check_pages(store, &all, usize::try_from(around).unwrap_or(0)).await?;
        }
    }
    let rows = store.entries(chat(1), Range::Before(Seq::MAX), 3).await?;
    assert_eq!(rows, all[all.len() - 3..]);
    assert_eq!(store.entries(chat(2), Range::After(0), 100).await?, [other]);
    assert_eq!(store.entries(chat(1), Range::After(0), 0).await?, []);
    Ok(())
}

async fn check_pages(store: &dyn Store, all: &[EntryRow], place: usize) -> Result<(), StoreError> {
    const LIMIT: usize = 20;
    let row = &all[place];
    let after = store.entries(row.chat, Range::After(row.seq), LIMIT).await?;
    assert_eq!(after, all[place + 1..(place + 1 + LIMIT).min(all.len())], "after {place}");
    let before = store.entries(row.chat, Range::Before(row.seq), LIMIT).await?;
    assert_eq!(before, all[place.saturating_sub(LIMIT)..place], "before {place}");
    assert_eq!(store.entry_at(row.chat, row.seq).await?.as_ref(), Some(row), "at {place}");
    let between = store.entry_at(row.chat, row.seq - 1).await?;
    assert_eq!(between.as_ref(), place.checked_sub(1).map(|i| &all[i]), "just before {place}");
    Ok(())
}

pub(super) async fn members_page_by_user(store: &dyn Store) -> Result<(), StoreError> {
    // The order is that of the id's bytes, also where the highest bit is set.
    let ids = [1, 2, 3, 255, 256, 1 << 64, 1 << 127, u128::MAX];
    let rows: Vec<_> = ids.iter().map(|n| member(chat(1), *n)).collect();
    let mut writes: Vec<_> = rows.iter().copied().map(HistoryWrite::Member).collect();
    writes.reverse();
    writes.push(HistoryWrite::Member(member(chat(2), 9)));
    store.apply_history(STREAM, &writes, at(1)).await?;
    for page in 1..=rows.len() + 1 {
        assert_eq!(dump::members(store, chat(1), page).await?, rows);
    }
    assert_eq!(store.member(chat(1), user(3)).await?, Some(member(chat(1), 3)));
    assert_eq!(store.member(chat(2), user(3)).await?, None);
    Ok(())
}

pub(super) async fn progress_moves_up_with_the_rows(store: &dyn Store) -> Result<(), StoreError> {
    let read = async || store.progress(HISTORY_WORKER, STREAM).await;
    let write = HistoryWrite::Entry(entry(chat(1), 0));
    store.apply_history(STREAM, &[write], at(9)).await?;
    assert_eq!(read().await?, Some(at(9)));
    assert!(store.entry_at(chat(1), 9).await?.is_some());
    store.apply_history(STREAM, &[], at(20)).await?;
    assert_eq!(read().await?, Some(at(20)), "idle watermark");
    store.apply_history(STREAM, &[], at(11)).await?;
    assert_eq!(read().await?, Some(at(20)), "a rewound worker");
    let anew = Progress { epoch: 2, ..at(3) };
    store.apply_history(STREAM, &[], anew).await?;
    assert_eq!(read().await?, Some(anew), "another log");
    store.apply_history("CHAT_1", &[], at(1)).await?;
    assert_eq!(read().await?, Some(anew), "another stream");
    assert_eq!(store.progress(USER_CHATS_WORKER, STREAM).await?, None);
    Ok(())
}

pub(super) async fn a_failed_write_moves_no_progress(store: &dyn Store) -> Result<(), StoreError> {
    store.apply_history(STREAM, &[], at(5)).await?;
    let head = HeadRow {
        chat: chat(1),
        // No store holds numbers as great as this.
        seq: Seq::MAX,
        ord: 0,
        n: 0,
        members: 1,
        kind: ChatKind::Group,
        title: None,
        creator: user(1),
        at: None,
        preview: None,
        from: None,
    };
    let writes = [HistoryWrite::Entry(entry(chat(1), 0)), HistoryWrite::Head(head)];
    let refused = store.apply_history(STREAM, &writes, at(9)).await;
    assert!(matches!(refused, Err(StoreError::Damaged { .. })));
    assert_eq!(store.progress(HISTORY_WORKER, STREAM).await?, Some(at(5)));
    assert_eq!(store.heads(&[chat(1)]).await?, [None]);
    Ok(())
}
