//! How fast rows go into SQLite: `cargo run -p tidings-schema --example apply_rate [folder]`.
//!
//! Folds a log of messages of many chats as the history worker does, in batches of 500 rows, each durable before the
//! next. Prints rows per second for one chat, 100 and 5,000, and of pointers for 5,000 lists. The folder decides the
//! disk; it is made and removed.

use std::time::Instant;

use bytes::Bytes;
use tidings_protocol::{Body, ChatId, ChatKind, Event, EventKind, Newest, Pointer, Role, Timestamp, UserId};
use tidings_schema::history::HistoryWrite;
use tidings_schema::rules::{ChatFold, Found, StoredEvent};
use tidings_schema::user_chats::UserChatWrite;
use tidings_schema::{HistoryStore, Progress, SqliteStore, UserChatsStore};
use uuid::Uuid;

const BATCH_ROWS: usize = 500;
const EVENTS: u64 = 50_000;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = match std::env::args().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    for chats in [1, 100, 5_000] {
        let path = folder.path().join(format!("{chats}.sqlite"));
        let store = SqliteStore::open(&path)?;
        let rate = history(&store, chats).await?;
        println!("history, {chats} chats: {rate:.0} rows/s");
        let rate = pointers(&store, chats).await?;
        println!("user_chats, {chats} lists: {rate:.0} rows/s");
    }
    Ok(())
}

fn at(seq: u64) -> Progress {
    Progress { seq, time_ms: 0, epoch: 1 }
}

fn spread(n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

async fn history(store: &SqliteStore, chats: u64) -> Result<f64, Failure> {
    let body = Body::of(&serde_json::json!({"text": "x".repeat(256)}))?;
    let raw = Event::new(EventKind::Message, UserId(spread(7)), None, Timestamp(1), body).encode()?;
    let event = StoredEvent::read(Bytes::from(raw), 1);
    let mut folds: Vec<_> = (0..chats).map(|n| ChatFold::new(ChatId(spread(n)))).collect();
    let mut writes: Vec<HistoryWrite> = Vec::new();
    let (mut rows, begin) = (0, Instant::now());
    for seq in 1..=EVENTS {
        let fold = &mut folds[usize::try_from(seq * 7919 % chats)?];
        writes.extend(fold.apply(seq, &event, &Found::default()));
        if writes.len() >= BATCH_ROWS || seq == EVENTS {
            store.apply_history("CHAT_0", &writes, at(seq)).await?;
            rows += writes.len();
            writes.clear();
        }
    }
    Ok(rows as f64 / begin.elapsed().as_secs_f64())
}

async fn pointers(store: &SqliteStore, users: u64) -> Result<f64, Failure> {
    let pointer = |chat, seq| Pointer {
        chat,
        first: seq,
        seq,
        chat_kind: ChatKind::Group,
        title: Some("a title".to_owned()),
        with: None,
        members: 100,
        role: Some(Role::Member),
        joined_seq: 1,
        left_seq: None,
        newest: Newest {
            seq,
            n: seq,
            at: Some(Timestamp(1)),
            preview: Some("x".repeat(100)),
            from: Some(UserId(spread(7))),
        },
        own: None,
        chat_changed: false,
    };
    let mut writes = Vec::new();
    let begin = Instant::now();
    for seq in 1..=EVENTS {
        let pointer = Box::new(pointer(ChatId(spread(seq % 20)), seq));
        let user = UserId(spread(seq * 7919 % users));
        writes.push(UserChatWrite::Pointer { user, pointer });
        if writes.len() >= BATCH_ROWS || seq == EVENTS {
            store.apply_user_chats("INBOX_0", &writes, at(seq)).await?;
            writes.clear();
        }
    }
    Ok(EVENTS as f64 / begin.elapsed().as_secs_f64())
}
