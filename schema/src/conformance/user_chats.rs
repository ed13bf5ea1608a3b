//! Checks of users' lists: two clocks per row, whatever order the inbox is applied in.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tidings_protocol::inbox::{Position, ReadPosition};
use tidings_protocol::{ChatId, ChatKind, Newest, Pointer, Role, Seq, Timestamp, UserId};
use uuid::Uuid;

use super::log::{chats, users};
use super::{Factory, Store, dump};
use crate::progress::USER_CHATS_WORKER;
use crate::rules::user_chat::UserChat;
use crate::user_chats::{ListPlace, UserChatRow, UserChatWrite};
use crate::{Progress, StoreError};

const STREAM: &str = "INBOX_0";
const AT: Progress = Progress { seq: 9, time_ms: 1, epoch: 1 };

fn chat(n: u128) -> ChatId {
    ChatId(Uuid::from_u128(n))
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn pointer(chat: ChatId, seq: Seq) -> Pointer {
    let odd = seq % 2 == 1;
    Pointer {
        chat,
        first: seq - 1,
        seq,
        chat_kind: if odd { ChatKind::Direct } else { ChatKind::Group },
        title: (!odd).then(|| format!("title {seq}")),
        with: odd.then(|| user(77)),
        members: seq + 1,
        role: (!seq.is_multiple_of(3)).then_some(Role::Owner),
        joined_seq: seq / 2,
        left_seq: seq.is_multiple_of(3).then_some(seq),
        newest: Newest {
            seq,
            n: seq / 2,
            at: odd.then_some(Timestamp(1_700_000_000_000)),
            preview: odd.then(|| "é".to_owned()),
            from: odd.then(|| user(78)),
        },
        own: None,
        chat_changed: true,
    }
}

fn stored(pointer: &Pointer) -> Pointer {
    Pointer { first: pointer.seq, own: None, chat_changed: false, ..pointer.clone() }
}

fn pointer_write(user: UserId, pointer: &Pointer) -> UserChatWrite {
    UserChatWrite::Pointer { user, pointer: Box::new(pointer.clone()) }
}

fn read_write(user: UserId, chat: ChatId, at: Position) -> UserChatWrite {
    let read = ReadPosition { chat, seq: at.seq, n: at.n };
    UserChatWrite::Read { user, read }
}

fn position(seq: Seq, n: u64) -> Position {
    Position { seq, n }
}

async fn apply(store: &dyn Store, write: UserChatWrite) -> Result<(), StoreError> {
    store.apply_user_chats(STREAM, &[write], AT).await
}

pub(super) async fn late_older_pointer_changes_nothing(store: &dyn Store) -> Result<(), StoreError> {
    let (me, it) = (user(1), chat(1));
    for seq in [11, 12] {
        apply(store, pointer_write(me, &pointer(it, seq))).await?;
    }
    let newest = UserChatRow { user: me, pointer: stored(&pointer(it, 12)), read: Position::default() };
    let all = async || store.user_chats(me, &[it, chat(2)]).await;
    assert_eq!(all().await?, [Some(newest.clone()), None]);
    assert_eq!(store.read_position(me, it).await?, None);

    // Late, older: only the read position that it carries counts.
    let mut late = pointer(it, 9);
    late.own = Some(position(8, 3));
    apply(store, pointer_write(me, &late)).await?;
    let read = UserChatRow { read: position(8, 3), ..newest };
    assert_eq!(all().await?, [Some(read.clone()), None]);
    apply(store, read_write(me, it, position(7, 2))).await?;
    assert_eq!(all().await?, [Some(read.clone()), None]);
    assert_eq!(store.list(me, None, 10).await?, [read]);
    assert_eq!(store.list(user(2), None, 10).await?, []);
    assert_eq!(store.progress(USER_CHATS_WORKER, STREAM).await?, Some(AT));
    Ok(())
}

pub(super) async fn read_before_the_first_pointer_is_kept(store: &dyn Store) -> Result<(), StoreError> {
    let (me, it) = (user(1), chat(1));
    apply(store, read_write(me, it, position(40, 17))).await?;
    assert_eq!(store.read_position(me, it).await?, Some(position(40, 17)));
    assert_eq!(store.list(me, None, 10).await?, []);
    assert_eq!(store.user_chats(me, &[it]).await?, [None]);
    apply(store, pointer_write(me, &pointer(it, 12))).await?;
    let expected = UserChatRow { user: me, pointer: stored(&pointer(it, 12)), read: position(40, 17) };
    assert_eq!(store.list(me, None, 10).await?, [expected]);
    Ok(())
}

pub(super) async fn list_pages_through_equal_places(store: &dyn Store) -> Result<(), StoreError> {
    let me = user(1);
    let mut expected = Vec::new();
    for (n, seq) in [(1, 6), (2, 4), (1 << 127, 4), (3, 4), (4, 8), (5, 4)] {
        let pointer = pointer(chat(n), seq);
        apply(store, pointer_write(me, &pointer)).await?;
        apply(store, pointer_write(user(2), &pointer)).await?;
        expected.push((seq, chat(n)));
    }
    expected.sort_unstable();
    expected.reverse();
    for page in 1..=expected.len() + 1 {
        let rows = dump::list(store, me, page).await?;
        let places: Vec<_> = rows.iter().map(|row| (row.pointer.newest.seq, row.pointer.chat)).collect();
        assert_eq!(places, expected, "pages of {page}");
    }
    let nowhere = ListPlace { newest_seq: 0, chat: chat(0) };
    assert_eq!(store.list(me, Some(nowhere), 10).await?, []);
    Ok(())
}

/// Random pointers and reads, in any order, repeated: equal to the pure rules, and so to each other.
pub(super) async fn any_order_gives_the_same(
    factory: &dyn Factory,
    mut rng: StdRng,
    seed: u64,
) -> Result<(), StoreError> {
    let mut writes: Vec<(UserId, ChatId, UserChatWrite)> = Vec::new();
    for _ in 0..120 {
        let user = users()[rng.random_range(0..5)];
        let chat = chats()[rng.random_range(0..4)];
        let at = rng.random_range(1..40);
        let own = position(at, at / 2);
        let write = if rng.random_bool(0.7) {
            let mut pointer = pointer(chat, rng.random_range(1..40));
            // Equal clocks carry equal rows; `own` is of the range, which may differ.
            pointer.own = rng.random_bool(0.5).then_some(own);
            pointer_write(user, &pointer)
        } else {
            read_write(user, chat, own)
        };
        writes.push((user, chat, write));
    }
    let mut model: BTreeMap<(UserId, ChatId), UserChat> = BTreeMap::new();
    for (user, chat, write) in &writes {
        model.entry((*user, *chat)).or_default().apply(write);
    }
    let mut first: Option<dump::Lists> = None;
    for _ in 0..3 {
        let store = factory.empty().await?;
        let mut order: Vec<_> = writes.iter().map(|(_, _, write)| write.clone()).collect();
        order.extend_from_within(..order.len() / 2);
        order.shuffle(&mut rng);
        for batch in order.chunks(17) {
            store.apply_user_chats(STREAM, batch, AT).await?;
        }
        check_against(&*store, &model, seed).await?;
        let lists = dump::lists(&*store).await?;
        match &first {
            None => first = Some(lists),
            Some(first) => assert_eq!(&lists, first, "seed {seed}"),
        }
    }
    Ok(())
}

async fn check_against(
    store: &dyn Store,
    model: &BTreeMap<(UserId, ChatId), UserChat>,
    seed: u64,
) -> Result<(), StoreError> {
    for ((user, chat), cells) in model {
        let row = cells.pointer.as_ref().map(|pointer| UserChatRow {
            user: *user,
            pointer: pointer.clone(),
            read: cells.read,
        });
        let found = store.user_chats(*user, &[*chat]).await?;
        assert_eq!(found, [row], "seed {seed}");
        let read = (cells.read.seq > 0).then_some(cells.read);
        assert_eq!(store.read_position(*user, *chat).await?, read, "seed {seed}");
    }
    Ok(())
}
