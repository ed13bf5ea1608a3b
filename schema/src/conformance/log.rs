//! Random logs of a few chats, with all that a log may hold: events that change nothing, events of later versions, and
//! bytes that are no event.

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;
use tidings_protocol::{ChatId, Seq, UserId};
use uuid::Uuid;

use crate::rules::StoredEvent;

/// An event at its place.
#[derive(Clone, PartialEq, Debug)]
pub struct LoggedEvent {
    /// Which chat's.
    pub chat: ChatId,
    /// Its place.
    pub seq: Seq,
    /// What the log holds.
    pub bytes: Bytes,
    /// The same as every reader takes it, with a log time of the generator's own.
    pub stored: StoredEvent,
}

/// The chats of a random log.
pub fn chats() -> Vec<ChatId> {
    (1..=4).map(|n| ChatId(Uuid::from_u128(n << 64))).collect()
}

/// The users of a random log.
pub fn users() -> Vec<UserId> {
    (1..=5).map(|n| UserId(Uuid::from_u128((n << 96) + 7))).collect()
}

/// A log of `events` events of four chats: two groups, a direct chat, and one whose beginning is missing.
pub fn random_log(rng: &mut StdRng, events: usize) -> Vec<LoggedEvent> {
    let chats = chats();
    let mut begun = [false; 4];
    let mut seq = 0;
    let mut log = Vec::with_capacity(events);
    for _ in 0..events {
        seq += rng.random_range(1..4);
        let place = rng.random_range(0..chats.len());
        let bytes = Bytes::from(if begun[place] { random_event(rng, seq) } else { first_event(rng, place) });
        begun[place] = true;
        log.push(LoggedEvent {
            chat: chats[place],
            seq,
            stored: StoredEvent::read(bytes.clone(), time_of(seq)),
            bytes,
        });
    }
    log
}

fn time_of(seq: Seq) -> i64 {
    1_700_000_000_000 + i64::try_from(seq).unwrap_or_default()
}

fn first_event(rng: &mut StdRng, place: usize) -> Vec<u8> {
    let users = users();
    let creator = users[0];
    let body = match place {
        0 | 1 => {
            let mut members = vec![creator];
            // The creator again, and others: named twice is a member once.
            members.extend(users.choose_multiple(rng, 3));
            json!({"kind": "group", "title": "t0", "members": members})
        }
        2 => json!({"kind": "direct", "members": [creator, users[1]]}),
        _ => return event("message", creator, &json!({"text": "no beginning"})),
    };
    event("created", creator, &body)
}

fn random_event(rng: &mut StdRng, seq: Seq) -> Vec<u8> {
    let users = users();
    let mut user = || *users.choose(rng).unwrap_or(&users[0]);
    let (from, about) = (user(), user());
    let role = *["member", "admin", "owner"].choose(rng).unwrap_or(&"member");
    match rng.random_range(0..16) {
        0..=3 => event("message", from, &json!({"text": format!("m{seq}")})),
        4..=6 => event("member_added", from, &json!({"user": about, "role": role})),
        7 | 8 => event("member_removed", from, &json!({"user": about})),
        9 => event("member_left", about, &json!({})),
        10 => event("role_changed", from, &json!({"user": about, "role": role})),
        11 => event("renamed", from, &json!({"title": format!("t{seq}")})),
        12 => event("created", from, &json!({"kind": "direct", "members": [about]})),
        13 => event("poll_opened", from, &json!({"text": "of a later version"})),
        14 => event("member_added", from, &json!({"user": "of another shape"})),
        _ => vec![b'{', 0xff, b'}'],
    }
}

fn event(kind: &str, from: UserId, body: &serde_json::Value) -> Vec<u8> {
    json!({"v": 1, "kind": kind, "from": from, "at": "2024-01-02T03:04:05.678Z", "body": body}).to_string().into_bytes()
}
