//! The rule table, a row at a time. That folds of whole logs are right is checked against a model by `conformance`.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tidings_protocol::{ChatId, ChatKind, Role, Seq, Timestamp, UserId};
use uuid::Uuid;

use super::*;
use crate::StoreError;
use crate::history::{EntryRow, HeadRow, HistoryWrite, MemberRow};

const CHAT: ChatId = ChatId(Uuid::from_u128(1));
const ANN: UserId = UserId(Uuid::from_u128(11));
const BOB: UserId = UserId(Uuid::from_u128(12));
const CID: UserId = UserId(Uuid::from_u128(13));

fn event(kind: &str, from: UserId, body: Value) -> StoredEvent {
    let event = json!({"v": 1, "kind": kind, "from": from, "at": "1970-01-01T00:00:01.000Z", "body": body});
    StoredEvent::read(event.to_string().into(), 7)
}

fn group() -> StoredEvent {
    let body = json!({"kind": "group", "title": "t", "members": [ANN, BOB, BOB]});
    event("created", ANN, body)
}

fn about(kind: &str, user: UserId) -> StoredEvent {
    event(kind, ANN, json!({"user": user, "role": "admin"}))
}

/// A fold over no store: everything it needs to know it has seen.
struct Script(ChatFold);

impl Script {
    fn new(first: &StoredEvent) -> Self {
        let mut script = Self(ChatFold::new(CHAT));
        script.take(1, first);
        script
    }

    fn take(&mut self, seq: Seq, event: &StoredEvent) -> (EntryRow, Vec<MemberRow>, HeadRow) {
        let mut writes = self.0.apply(seq, event, &Found::default());
        let Some(HistoryWrite::Head(head)) = writes.pop() else { unreachable!("the head is written last") };
        let mut writes = writes.into_iter();
        let Some(HistoryWrite::Entry(entry)) = writes.next() else { unreachable!("the entry is written first") };
        let members = writes.filter_map(|write| match write {
            HistoryWrite::Member(row) => Some(row),
            _ => None,
        });
        (entry, members.collect(), head)
    }
}

fn row(user: UserId, clock: Seq, role: Option<Role>, joined_seq: Seq, left_seq: Option<Seq>) -> MemberRow {
    MemberRow { chat: CHAT, user, clock, role, joined_seq, left_seq }
}

#[test]
fn created_makes_the_head_and_each_member_once() {
    let mut fold = Script(ChatFold::new(CHAT));
    let (entry, members, head) = fold.take(5, &group());
    assert_eq!((entry.prev, entry.ord, entry.n, entry.members, entry.countable), (0, 0, 0, 2, false));
    let expected = [row(ANN, 5, Some(Role::Owner), 5, None), row(BOB, 5, Some(Role::Member), 5, None)];
    assert_eq!(members, expected);
    let expected = HeadRow {
        chat: CHAT,
        seq: 5,
        ord: 0,
        n: 0,
        members: 2,
        kind: ChatKind::Group,
        title: Some("t".to_owned()),
        creator: ANN,
        at: None,
        preview: None,
        from: None,
    };
    assert_eq!(head, expected);
}

#[test]
fn created_again_counts_for_nothing() {
    let mut fold = Script::new(&group());
    let (entry, members, head) = fold.take(6, &event("created", CID, json!({"kind": "direct", "members": [CID]})));
    assert_eq!((entry.prev, entry.ord, entry.members), (1, 1, 2));
    assert_eq!(members, []);
    assert_eq!((head.kind, head.creator, head.title.as_deref()), (ChatKind::Group, ANN, Some("t")));
}

#[test]
fn a_member_added_again_stays_since_when_they_were() {
    let mut fold = Script::new(&group());
    let (entry, members, head) = fold.take(6, &about("member_added", BOB));
    assert_eq!((entry.members, members, head.members), (2, vec![], 2));
    let (_, members, _) = fold.take(7, &about("role_changed", BOB));
    assert_eq!(members, [row(BOB, 7, Some(Role::Admin), 1, None)]);
}

#[test]
fn who_leaves_and_comes_back_is_a_member_anew() {
    let mut fold = Script::new(&group());
    let (entry, members, _) = fold.take(6, &about("member_removed", BOB));
    assert_eq!((entry.members, members), (1, vec![row(BOB, 6, None, 1, Some(6))]));
    let (_, members, head) = fold.take(7, &about("member_removed", BOB));
    assert_eq!((members, head.members), (vec![], 1));
    let (_, members, _) = fold.take(8, &about("role_changed", BOB));
    assert_eq!(members, []);
    let (_, members, head) = fold.take(9, &about("member_added", BOB));
    assert_eq!((members, head.members), (vec![row(BOB, 9, Some(Role::Admin), 9, None)], 2));
    let (_, members, head) = fold.take(10, &event("member_left", BOB, json!({})));
    assert_eq!((members, head.members), (vec![row(BOB, 10, None, 9, Some(10))], 1));
}

#[test]
fn an_added_member_without_a_role_is_a_plain_one() {
    let mut fold = Script::new(&group());
    let (_, members, _) = fold.take(6, &event("member_added", ANN, json!({"user": CID})));
    assert_eq!(members, [row(CID, 6, Some(Role::Member), 6, None)]);
    let (_, members, _) = fold.take(7, &event("role_changed", ANN, json!({"user": CID})));
    assert_eq!(members, [], "no role, no change");
}

#[test]
fn a_direct_chat_stays_as_it_is() {
    let direct = event("created", ANN, json!({"kind": "direct", "members": [ANN, BOB]}));
    let mut fold = Script::new(&direct);
    let added = about("member_added", CID);
    assert_eq!(fold.0.asks(2, &added), None);
    for (seq, event) in [
        (2, added),
        (3, about("member_removed", BOB)),
        (4, event("member_left", BOB, json!({}))),
        (5, event("renamed", ANN, json!({"title": "ours"}))),
    ] {
        let (entry, members, head) = fold.take(seq, &event);
        assert_eq!((entry.members, members, head.title), (2, vec![], None), "{seq}");
    }
}

#[test]
fn messages_alone_count_and_show() {
    let mut fold = Script::new(&group());
    let (entry, _, head) = fold.take(6, &event("message", BOB, json!({"text": "hé"})));
    assert_eq!((entry.n, entry.countable), (1, true));
    let newest = (Some(Timestamp(1000)), Some("hé".to_owned()), Some(BOB));
    assert_eq!((head.at, head.preview, head.from), newest);
    let (entry, _, head) = fold.take(7, &event("renamed", ANN, json!({"title": "u"})));
    assert_eq!((entry.n, entry.countable, entry.prev, entry.ord), (1, false, 6, 2));
    assert_eq!((head.title.as_deref(), head.preview.as_deref()), (Some("u"), Some("hé")));
}

#[test]
fn what_is_not_understood_is_kept_raw_and_counts_for_nothing() {
    let mut fold = Script::new(&group());
    let later =
        json!({"v": 2, "kind": "message", "from": BOB, "at": "1970-01-01T00:00:01.000Z", "body": {"text": "x"}});
    for (seq, stored, kind, sender) in [
        (2, event("poll", BOB, json!({"text": "x"})), "poll", BOB),
        (3, StoredEvent::read(later.to_string().into(), 7), "message", BOB),
        (4, StoredEvent::read("}".into(), 7), "unreadable", UserId(Uuid::nil())),
        (5, event("member_added", BOB, json!([])), "member_added", BOB),
    ] {
        let (entry, members, head) = fold.take(seq, &stored);
        assert_eq!((entry.n, entry.countable, head.n, members), (0, false, 0, vec![]));
        assert_eq!((entry.kind.as_str(), entry.sender, entry.prev), (kind, sender, seq - 1));
        assert_eq!((entry.raw, head.preview), (stored.raw, None));
    }
}

#[test]
fn an_event_met_again_does_nothing() {
    let mut fold = Script::new(&group());
    fold.take(6, &about("member_added", CID));
    let before = fold.0.head().clone();
    for seq in [1, 3, 6] {
        let removed = about("member_removed", CID);
        assert_eq!(fold.0.asks(seq, &removed), None);
        assert_eq!(fold.0.apply(seq, &removed, &Found::default()), []);
    }
    assert_eq!(fold.0.head(), &before);
}

#[test]
fn memberships_are_asked_for_once_and_again_when_settled() {
    let mut fold = Script::new(&group()).0;
    let removed = about("member_removed", BOB);
    assert_eq!(fold.asks(2, &removed), None, "its own event told");
    assert_eq!(fold.touched(), 2);
    fold.settled();
    assert_eq!(fold.asks(2, &removed), Some(BOB));
    assert_eq!(fold.asks(2, &event("message", BOB, json!({}))), None);
    let found = Found { member: Some(row(BOB, 1, Some(Role::Member), 1, None)), entry: None };
    fold.apply(2, &removed, &found);
    assert_eq!((fold.head().members, fold.asks(3, &removed)), (1, None));
}

/// BOB was in since 1, left at 4, came back at 6. A fold that begins at 2 meets it all again.
#[test]
fn newer_rows_tell_what_was_before_them() {
    let rejoined = row(BOB, 6, Some(Role::Admin), 6, None);
    let mut script = Script::new(&group());
    script.take(2, &event("message", ANN, json!({})));
    let after = |members, seq| EntryRow {
        members,
        seq,
        ..script
            .0
            .clone()
            .apply(3, &event("message", ANN, json!({})), &Found::default())
            .into_iter()
            .find_map(|write| match write {
                HistoryWrite::Entry(entry) => Some(entry),
                _ => None,
            })
            .unwrap()
    };
    for (kind, members, expected) in
        [("member_removed", 1, 1), ("member_removed", 2, 2), ("member_added", 3, 3), ("member_added", 2, 2)]
    {
        let mut fold = script.0.clone();
        fold.settled();
        let found = Found { member: Some(rejoined), entry: Some(after(members, 4)) };
        fold.apply(4, &about(kind, BOB), &found);
        assert_eq!(fold.head().members, expected, "{kind} to {members}");
    }
}

#[test]
fn an_entry_newer_than_its_head_is_damage() {
    let mut script = Script::new(&group());
    let (_, _, old_head) = script.take(2, &event("message", ANN, json!({})));
    let (entry, _, head) = script.take(3, &event("message", ANN, json!({})));
    assert!(matches!(ChatFold::after(&entry, None), Err(StoreError::Damaged { .. })));
    assert!(matches!(ChatFold::after(&entry, Some(&old_head)), Err(StoreError::Damaged { .. })));
    assert_eq!(ChatFold::after(&entry, Some(&head)).unwrap().head(), script.0.head());
}

#[test]
fn a_head_goes_on_from_its_row_and_takes_changes_at_their_word() {
    let mut script = Script::new(&group());
    let (_, _, row) = script.take(2, &event("message", ANN, json!({"text": "x"})));
    let mut head = HeadFold::of(&row);
    assert_eq!(head.row(CHAT), Some(row));
    assert_eq!(head.newest().n, 1);
    for (seq, stored, members) in [
        (2, about("member_added", CID), 2),
        (3, about("member_added", CID), 3),
        (4, about("member_removed", CID), 2),
        (5, about("role_changed", BOB), 2),
    ] {
        let effect = head.effect_at_word(&stored.event);
        assert_eq!(head.apply(seq, &stored.event, effect), seq > 2);
        assert_eq!(head.members, members, "{seq}");
    }
    assert_eq!(HeadFold::default().row(CHAT), None);
}

#[test]
fn a_member_set_of_rows_newer_than_the_log_is_not_set_back() {
    let rows = [row(ANN, 1, Some(Role::Owner), 1, None), row(BOB, 6, None, 1, Some(6))];
    let other = MemberRow { chat: ChatId(Uuid::from_u128(2)), ..row(CID, 1, Some(Role::Member), 1, None) };
    let mut view = ChatView {
        head: HeadFold { seq: 4, events: 4, members: 2, ..HeadFold::default() },
        members: MemberSet::of(CHAT, rows.into_iter().chain([other])),
    };
    assert!(!view.members.is_member(BOB));
    assert_eq!(view.members.get(CID), None);
    assert_eq!(view.apply(5, &about("role_changed", BOB).event), Some(Effect::RoleSet));
    assert_eq!(view.members.get(BOB), Some(&rows[1]), "the newer row stays");
    assert_eq!(view.apply(6, &about("member_removed", BOB).event), Some(Effect::Ended));
    assert_eq!(view.head.members, 1);
    assert_eq!(view.apply(7, &about("member_added", BOB).event), Some(Effect::Joined));
    let mut users: Vec<_> = view.members.members().map(|row| row.user).collect();
    users.sort_unstable();
    assert_eq!((users, view.head.members), (vec![ANN, BOB], 2));
}
