//! Today's code opens data files of every schema version, reads what is in them, and leaves them with today's schema.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use tidings_protocol::inbox::Position;
use tidings_protocol::{ChatId, ChatKind, ClientId, Newest, Pointer, Role, Timestamp, UserId};
use tidings_schema::directory::{Credentials, RefreshRow, RefreshUse, UserRow};
use tidings_schema::history::{EntryRow, HeadRow, MemberRow, Range};
use tidings_schema::user_chats::UserChatRow;
use tidings_schema::{DirectoryStore, HistoryStore, Progress, ProgressStore, SqliteStore, UserChatsStore};
use uuid::Uuid;

const V1: &str = include_str!("../testdata/sqlite.v1.sql");

const BASE: u128 = 0x0190_a5c4_7e00_7000_8000_0000_0000_0000;
const GROUP: ChatId = ChatId(Uuid::from_u128(BASE + 0xa1));
const DIRECT: ChatId = ChatId(Uuid::from_u128(BASE + 0xa2));

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(BASE + n))
}

fn open(folder: &Path) -> Arc<SqliteStore> {
    let path = folder.join("tidings.sqlite");
    Connection::open(&path).unwrap().execute_batch(V1).unwrap();
    SqliteStore::open(&path).unwrap()
}

fn schema(path: &Path) -> Vec<(String, Option<String>)> {
    let file = Connection::open(path).unwrap();
    let mut statement = file.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let one_space = |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    rows.map(|row| row.unwrap())
        .map(|(name, sql): (String, Option<String>)| {
            (name, sql.map(one_space).map(|sql| sql.replace("IF NOT EXISTS ", "")))
        })
        .collect()
}

#[test]
fn an_old_file_ends_with_the_schema_of_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let new = folder.path().join("new.sqlite");
    drop(SqliteStore::open(&new).unwrap());
    assert_eq!(schema(&folder.path().join("tidings.sqlite")), schema(&new));
}

#[tokio::test]
async fn entries_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let created = EntryRow {
        chat: GROUP,
        seq: 12,
        prev: 0,
        ord: 0,
        n: 0,
        members: 2,
        countable: false,
        kind: "created".to_owned(),
        sender: user(1),
        client_id: Some(ClientId(Uuid::from_u128(BASE + 0xd1))),
        at: Timestamp(1_767_323_045_678),
        raw: Bytes::from_static(br#"{"v":1}"#),
    };
    let message = EntryRow {
        seq: 44,
        prev: 12,
        ord: 1,
        n: 1,
        countable: true,
        kind: "message".to_owned(),
        sender: user(2),
        client_id: None,
        at: Timestamp(1_767_323_045_679),
        raw: Bytes::from_static(b"{\xff}"),
        ..created.clone()
    };
    assert_eq!(store.entries(GROUP, Range::After(0), 9).await.unwrap(), [created, message]);
    let progress = Progress { seq: 44, time_ms: 1_767_323_045_680, epoch: 3 };
    assert_eq!(store.progress("history", "CHAT_0").await.unwrap(), Some(progress));
}

#[tokio::test]
async fn heads_and_members_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let group = HeadRow {
        chat: GROUP,
        seq: 44,
        ord: 1,
        n: 1,
        members: 2,
        kind: ChatKind::Group,
        title: Some("Tide table".to_owned()),
        creator: user(1),
        at: Some(Timestamp(1_767_323_045_679)),
        preview: Some("café".to_owned()),
        from: Some(user(2)),
    };
    let direct = HeadRow {
        chat: DIRECT,
        seq: 7,
        ord: 0,
        n: 0,
        kind: ChatKind::Direct,
        title: None,
        at: None,
        preview: None,
        from: None,
        ..group.clone()
    };
    assert_eq!(store.heads(&[GROUP, DIRECT]).await.unwrap(), [Some(group), Some(direct)]);

    let member = |n, clock, role, joined_seq, left_seq| MemberRow {
        chat: GROUP,
        user: user(n),
        clock,
        role,
        joined_seq,
        left_seq,
    };
    let expected = [
        member(1, 12, Some(Role::Owner), 12, None),
        member(2, 20, Some(Role::Admin), 12, None),
        member(3, 30, None, 12, Some(30)),
        member(4, 31, Some(Role::Member), 31, None),
    ];
    assert_eq!(store.members(GROUP, None, 9).await.unwrap(), expected);
}

#[tokio::test]
async fn lists_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let group = Pointer {
        chat: GROUP,
        first: 44,
        seq: 44,
        chat_kind: ChatKind::Group,
        title: Some("Tide table".to_owned()),
        with: None,
        members: 2,
        role: Some(Role::Owner),
        joined_seq: 12,
        left_seq: None,
        newest: Newest {
            seq: 44,
            n: 1,
            at: Some(Timestamp(1_767_323_045_679)),
            preview: Some("café".to_owned()),
            from: Some(user(2)),
        },
        own: None,
        chat_changed: false,
    };
    let direct = Pointer {
        chat: DIRECT,
        first: 7,
        seq: 7,
        chat_kind: ChatKind::Direct,
        title: None,
        with: Some(user(2)),
        role: None,
        joined_seq: 7,
        left_seq: Some(7),
        newest: Newest { seq: 7, ..Newest::default() },
        ..group.clone()
    };
    let line = |pointer, seq, n| UserChatRow { user: user(1), pointer, read: Position { seq, n } };
    assert_eq!(store.list(user(1), None, 9).await.unwrap(), [line(group, 12, 0), line(direct, 0, 0)]);
    assert_eq!(store.list(user(2), None, 9).await.unwrap(), []);
    assert_eq!(store.read_position(user(2), GROUP).await.unwrap(), Some(Position { seq: 44, n: 1 }));
    let progress = Progress { seq: 9, time_ms: 1_767_323_045_681, epoch: 4 };
    assert_eq!(store.progress("user_chats", "INBOX_0").await.unwrap(), Some(progress));
}

#[tokio::test]
async fn people_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let ann = UserRow {
        id: user(1),
        handle: Some("ann".to_owned()),
        name: "Ann".to_owned(),
        created_at: Timestamp(1_767_323_045_678),
    };
    let bob = UserRow { id: user(2), handle: None, name: "Bob".to_owned(), ..ann.clone() };
    assert_eq!(store.users(&[user(1), user(2)]).await.unwrap(), [Some(ann), Some(bob)]);
    let credentials = Credentials { user: user(1), password_hash: "$argon2id$sample".to_owned() };
    assert_eq!(store.credentials("ann").await.unwrap(), Some(credentials));
    let token =
        RefreshRow { user: user(1), family: Uuid::from_u128(BASE + 0xf1), expires_at: Timestamp(7_258_118_400_000) };
    assert_eq!(store.use_refresh([1; 32]).await.unwrap(), RefreshUse::Fresh(token));
    assert_eq!(store.use_refresh([2; 32]).await.unwrap(), RefreshUse::Reused(token));
}
