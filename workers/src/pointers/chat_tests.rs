#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidings_protocol::event::{Created, MemberChange, Renamed};
use tidings_protocol::{Body, Role, Timestamp};
use uuid::Uuid;

use super::*;

const CHAT: ChatId = ChatId(Uuid::from_u128(100));

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn event(kind: EventKind, from: u128, body: &impl serde::Serialize) -> Event {
    let body = Body::of(body).unwrap();
    Event::new(kind, user(from), None, Timestamp(1_000), body)
}

fn created(kind: ChatKind, members: &[u128]) -> Event {
    let created = Created {
        kind,
        title: (kind == ChatKind::Group).then(|| "old".to_owned()),
        members: members.iter().map(|n| user(*n)).collect(),
    };
    event(EventKind::Created, members[0], &created)
}

fn added(n: u128) -> Event {
    let change = MemberChange { user: user(n), role: Some(Role::Member) };
    event(EventKind::MemberAdded, 1, &change)
}

fn removed(n: u128) -> Event {
    let change = MemberChange { user: user(n), role: None };
    event(EventKind::MemberRemoved, 1, &change)
}

fn message(from: u128, text: &str) -> Event {
    event(EventKind::Message, from, &serde_json::json!({ "text": text }))
}

fn renamed(title: &str) -> Event {
    let title = title.to_owned();
    event(EventKind::Renamed, 1, &Renamed { title })
}

fn state(events: &[(Seq, Event)]) -> ChatState {
    let mut state = ChatState::of(CHAT, None, []);
    for (seq, event) in events {
        state.apply(*seq, event);
    }
    state
}

fn by_user(state: &ChatState, first: Seq) -> BTreeMap<UserId, Pointer> {
    let pointers = state.pointers(first);
    let count = pointers.len();
    let map: BTreeMap<_, _> = pointers.into_iter().collect();
    assert_eq!(map.len(), count, "one pointer per user");
    map
}

#[test]
fn a_message_points_everybody_to_it_and_moves_its_senders_read_position() {
    let mut state = state(&[(5, created(ChatKind::Direct, &[1, 2]))]);
    state.settle(5);
    state.apply(9, &message(2, "hello"));
    let pointers = by_user(&state, 9);
    let expected = Pointer {
        chat: CHAT,
        first: 9,
        seq: 9,
        chat_kind: ChatKind::Direct,
        title: None,
        with: Some(user(2)),
        members: 2,
        role: Some(Role::Member),
        joined_seq: 5,
        left_seq: None,
        newest: Newest {
            seq: 9,
            n: 1,
            at: Some(Timestamp(1_000)),
            preview: Some("hello".to_owned()),
            from: Some(user(2)),
        },
        own: None,
        chat_changed: false,
    };
    assert_eq!(pointers[&user(1)], expected);
    assert_eq!(pointers[&user(2)], Pointer { with: Some(user(1)), own: Some(Position { seq: 9, n: 1 }), ..expected });
}

#[test]
fn who_is_removed_gets_the_chat_as_it_was_then_and_nothing_after() {
    let mut state = state(&[(1, created(ChatKind::Group, &[1, 2, 3]))]);
    state.settle(1);
    state.apply(2, &message(3, "before"));
    state.apply(4, &removed(3));
    state.apply(6, &renamed("new"));
    state.apply(7, &message(1, "secret"));
    let pointers = by_user(&state, 2);
    assert_eq!(pointers.len(), 3);
    let last = &pointers[&user(3)];
    assert_eq!((last.first, last.seq, last.left_seq), (2, 4, Some(4)));
    assert_eq!((last.role, last.joined_seq, last.members), (None, 1, 2));
    assert_eq!(last.newest.preview.as_deref(), Some("before"));
    assert_eq!((last.newest.seq, last.newest.n), (4, 1));
    assert_eq!(last.title.as_deref(), Some("old"));
    assert_eq!(last.own, Some(Position { seq: 2, n: 1 }));
    let stays = &pointers[&user(2)];
    assert_eq!((stays.first, stays.seq, stays.members), (2, 7, 2));
    assert_eq!(stays.title.as_deref(), Some("new"));
    assert!(stays.chat_changed && last.chat_changed);
    state.settle(7);
    state.apply(8, &message(1, "later"));
    assert_eq!(by_user(&state, 8).len(), 2);
    assert!(!by_user(&state, 8)[&user(1)].chat_changed);
}

#[test]
fn who_comes_back_within_the_range_gets_one_pointer_as_a_member() {
    let mut state = state(&[(1, created(ChatKind::Group, &[1, 2]))]);
    state.settle(1);
    for (seq, event) in [(2, removed(2)), (3, added(2)), (4, removed(1)), (5, added(1))] {
        state.apply(seq, &event);
    }
    let pointers = by_user(&state, 2);
    assert_eq!(pointers.len(), 2);
    let back = &pointers[&user(2)];
    assert_eq!((back.seq, back.joined_seq, back.left_seq), (5, 3, None));
}

#[test]
fn what_changes_nothing_is_no_change_of_the_chat() {
    let mut state = state(&[(1, created(ChatKind::Direct, &[1, 2]))]);
    assert!(by_user(&state, 1)[&user(1)].chat_changed);
    state.settle(1);
    for (seq, event) in [(2, removed(2)), (3, added(9)), (4, renamed("x"))] {
        state.apply(seq, &event);
    }
    let pointers = by_user(&state, 2);
    assert_eq!(pointers.len(), 2);
    assert!(!pointers[&user(1)].chat_changed);
}

#[test]
fn a_flush_done_again_says_the_same() {
    let mut state = state(&[(1, created(ChatKind::Group, &[1, 2]))]);
    state.settle(1);
    state.apply(2, &message(1, "x"));
    state.apply(3, &removed(2));
    let once = by_user(&state, 2);
    assert_eq!(by_user(&state, 2), once);
    // Events that are taken in again (the loop began anew) change nothing.
    state.apply(2, &message(1, "x"));
    state.apply(3, &removed(2));
    assert_eq!(by_user(&state, 2), once);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..6u128).prop_map(|n| message(n, "m")),
        2 => (1..6u128).prop_map(added),
        2 => (1..6u128).prop_map(removed),
        1 => Just(renamed("t")),
        1 => Just(event(EventKind::Other("poll".to_owned()), 1, &serde_json::json!({}))),
    ]
}

proptest! {
    #[test]
    fn every_event_is_covered_for_everybody_who_was_a_member_at_it(
        events in prop::collection::vec((any_event(), prop::bool::weighted(0.3)), 1..60),
    ) {
        let first = created(ChatKind::Group, &[1, 2, 3]);
        let mut state = ChatState::of(CHAT, None, []);
        // Who was a member at which event: before it or after it, the slow way.
        let mut members = vec![user(1), user(2), user(3)];
        let mut owed: Vec<(UserId, Seq)> = Vec::new();
        let mut from = 1;
        state.apply(1, &first);
        owed.extend(members.iter().map(|user| (*user, 1)));
        let last = events.len();
        for (index, (event, flush)) in events.into_iter().enumerate() {
            let seq = index as Seq + 2;
            let before = members.clone();
            match (&event.kind, event.member_change()) {
                (EventKind::MemberAdded, Some(change)) if !members.contains(&change.user) => {
                    members.push(change.user);
                }
                (EventKind::MemberRemoved, Some(change)) => {
                    members.retain(|user| *user != change.user);
                }
                _ => {}
            }
            owed.extend(before.iter().map(|user| (*user, seq)));
            owed.extend(members.iter().filter(|u| !before.contains(u)).map(|u| (*u, seq)));
            state.apply(seq, &event);
            prop_assert_eq!(state.head().members, members.len() as u64);
            if flush || index + 1 == last {
                let pointers = by_user(&state, from);
                for (user, pointer) in &pointers {
                    prop_assert_eq!(pointer.role.is_some(), members.contains(user));
                    prop_assert!(pointer.left_seq.is_none_or(|left| left == pointer.seq));
                }
                for (user, at) in owed.drain(..) {
                    let pointer = &pointers[&user];
                    prop_assert!(pointer.first <= at && at <= pointer.seq, "{} at {}", user, at);
                }
                from = seq + 1;
                state.settle(seq);
            }
        }
    }
}
