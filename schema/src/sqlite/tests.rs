//! What SQLite alone can get wrong: files, locks, full disks, damage, threads.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;

use rusqlite::Connection;
use tempfile::TempDir;
use tidings_protocol::{ChatId, Role, UserId};
use uuid::Uuid;

use super::*;
use crate::history::{HistoryStore, HistoryWrite, MemberRow};
use crate::progress::{HISTORY_WORKER, Progress, ProgressStore};

const CHAT: ChatId = ChatId(Uuid::from_u128(1));
const STEP: Step = Step::new("testing", "messages");

fn file() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.sqlite");
    (folder, path)
}

fn at(seq: u64) -> Progress {
    Progress { seq, time_ms: 0, epoch: 1 }
}

fn member(user: u128) -> HistoryWrite {
    HistoryWrite::Member(MemberRow {
        chat: CHAT,
        user: UserId(Uuid::from_u128(user)),
        clock: 1,
        role: Some(Role::Member),
        joined_seq: 1,
        left_seq: None,
    })
}

async fn members(store: &SqliteStore) -> usize {
    store.members(CHAT, None, 100_000).await.unwrap().len()
}

/// Holds the writing thread until the returned sender is used or dropped.
async fn hold_writer(store: &Arc<SqliteStore>) -> mpsc::SyncSender<()> {
    let (release, released) = mpsc::sync_channel(1);
    let (started, running) = tokio::sync::oneshot::channel();
    let held = Arc::clone(store);
    tokio::spawn(async move {
        held.write(STEP, move |_| {
            let _ = started.send(());
            let _ = released.recv();
            Ok(())
        })
        .await
    });
    running.await.unwrap();
    release
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.apply_history("CHAT_0", &[member(1), member(2)], at(4)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(members(&store).await, 2);
    assert_eq!(store.progress(HISTORY_WORKER, "CHAT_0").await.unwrap(), Some(at(4)));
}

#[tokio::test]
async fn the_file_is_as_durable_as_promised() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let pragmas = store.write(STEP, |connection| {
        let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok((synchronous, journal))
    });
    assert_eq!(pragmas.await.unwrap(), (2, "wal".to_owned()));
    let written = store.read(STEP, |connection| connection.execute("DELETE FROM members", []));
    assert!(matches!(written.await, Err(StoreError::Unavailable { .. })), "readers write nothing");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = file();
    drop(SqliteStore::open(&path).unwrap());
    let raw = Connection::open(&path).unwrap();
    raw.execute("INSERT INTO schema_version VALUES (?1)", [SCHEMA_VERSION + 1]).unwrap();
    let refused = SqliteStore::open(&path).map(|_| ());
    assert!(matches!(
        refused,
        Err(StoreError::Version { found, known }) if (found, known) == (SCHEMA_VERSION + 1, SCHEMA_VERSION)
    ));
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    let (_folder, path) = file();
    let raw = Connection::open(&path).unwrap();
    // In the way of the migration, after tables that it makes first.
    raw.execute_batch("CREATE TABLE users (x)").unwrap();
    assert!(SqliteStore::open(&path).is_err());
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'messages'";
    assert_eq!(raw.query_row(tables, [], |row| row.get(0)), Ok(0));
    raw.execute_batch("DROP TABLE users").unwrap();
    assert!(SqliteStore::open(&path).is_ok());
}

#[test]
fn what_is_no_database_is_damage_and_what_cannot_be_opened_an_outage() {
    let (folder, path) = file();
    std::fs::write(
        &path,
        "no database, but longer than the header that SQLite looks at, a hundred bytes of it, or so".repeat(50),
    )
    .unwrap();
    assert!(matches!(SqliteStore::open(&path).map(|_| ()), Err(StoreError::Damaged { .. })));
    let missing = folder.path().join("missing/tidings.sqlite");
    assert!(matches!(SqliteStore::open(&missing).map(|_| ()), Err(StoreError::Unavailable { .. })));
}

#[tokio::test]
async fn damaged_rows_and_pages_are_damage() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.apply_history("CHAT_0", &[member(1)], at(4)).await.unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE members SET role = 'king'", []).unwrap();
    let read = store.members(CHAT, None, 1).await;
    assert!(matches!(read, Err(StoreError::Damaged { table: "members", .. })), "{read:?}");

    drop(store);
    raw.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(raw);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(SqliteStore::open(&path).map(|_| ()), Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_full_disk_is_an_outage_that_ends() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.apply_history("CHAT_0", &[member(1)], at(4)).await.unwrap();
    let limit = |pages: i64| {
        store.write(STEP, move |connection| {
            connection.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
        })
    };
    limit(1).await.unwrap();
    let many: Vec<_> = (2..2000).map(member).collect();
    let refused = store.apply_history("CHAT_0", &many, at(9)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { step: "writing history", .. })), "{refused:?}");
    assert_eq!(members(&store).await, 1, "nothing of it is there");
    assert_eq!(store.progress(HISTORY_WORKER, "CHAT_0").await.unwrap(), Some(at(4)));
    limit(1_000_000).await.unwrap();
    store.apply_history("CHAT_0", &many, at(9)).await.unwrap();
    assert_eq!(members(&store).await, 1999);
}

#[tokio::test]
async fn a_file_locked_by_another_process_is_an_outage() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.apply_history("CHAT_0", &[member(1)], at(4)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    other.execute_batch("COMMIT").unwrap();
    store.apply_history("CHAT_0", &[member(1)], at(4)).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_fails_at_its_end_leaves_no_row() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let too_great = Progress { seq: u64::MAX, ..at(1) };
    let refused = store.apply_history("CHAT_0", &[member(1)], too_great).await;
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
    assert_eq!(members(&store).await, 0);
}

#[tokio::test]
async fn reading_goes_on_while_a_write_takes_long() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.apply_history("CHAT_0", &[member(1)], at(4)).await.unwrap();
    let release = hold_writer(&store).await;
    assert_eq!(members(&store).await, 1);
    drop(release);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_write() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let release = hold_writer(&store).await;
    let writes = [member(1)];
    {
        let mut write = store.apply_history("CHAT_0", &writes, at(4));
        // One poll is what puts it into the queue.
        assert!(futures_poll(&mut write).is_pending());
    }
    drop(release);
    // The queue keeps its order: what comes after it sees it.
    store.apply_history("CHAT_0", &[], at(5)).await.unwrap();
    assert_eq!(members(&store).await, 1);
}

fn futures_poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> std::task::Poll<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut context)
}

/// Time is virtual here: it jumps to the next deadline whenever everybody waits.
#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_after_its_wait() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let (release, released) = mpsc::sync_channel::<()>(1);
    let slow = store.write(STEP, move |_| {
        let _ = released.recv();
        Ok(())
    });
    assert!(matches!(slow.await, Err(StoreError::Unavailable { .. })), "too slow");
    let mut waiting = Vec::new();
    for _ in 0..WRITE_QUEUE_COMMANDS {
        let mut write = Box::pin(store.write(STEP, |_| Ok(())));
        assert!(futures_poll(&mut write).is_pending());
        waiting.push(write);
    }
    let refused = store.write(STEP, |_| Ok(())).await.unwrap_err();
    let why = std::error::Error::source(&refused).map(ToString::to_string);
    assert_eq!(why.as_deref(), Some("the write queue stayed full"));
    drop(release);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_readers_than_connections_take_turns() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    store.apply_history("CHAT_0", &[member(1)], at(4)).await.unwrap();
    let mut readers = tokio::task::JoinSet::new();
    for n in 0..20 * READERS {
        let store = Arc::clone(&store);
        readers.spawn(async move {
            // One in ten goes away in the middle: its connection must come back.
            if n % 10 == 0 {
                let mut read = store.members(CHAT, None, 9);
                let _ = futures_poll(&mut read);
                return 1;
            }
            members(&store).await
        });
    }
    assert!(readers.join_all().await.into_iter().all(|found| found == 1));
    assert_eq!(store.readers.idle_when_all_are_free().await, READERS);
}
