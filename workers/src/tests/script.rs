//! Random logs of several chats: members coming and going, changes that change nothing, damage, unknown kinds, void
//! events.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_nats::Subject;
use tidings_protocol::event::{Created, MemberChange, Renamed};
use tidings_protocol::{Body, ChatKind, Event, EventKind, Role, Seq, Timestamp};

use super::world::{World, chat, user};

pub(super) const USERS: u128 = 6;
pub(super) const DIRECT: u128 = 0;
const GROUPS: u128 = 4;

/// One thing that stands in the log.
#[derive(Clone, Debug)]
pub(super) enum Line {
    Event(Event),
    Garbage(Vec<u8>),
    Void(Event),
}

/// A log being written: chat number, place, line.
pub(super) struct Script {
    rng: StdRng,
    pub(super) written: Vec<(u128, Seq, Line)>,
}

impl Script {
    /// Begins the chats: number 0 is a direct one, the others are groups. The last one has no `created`.
    pub(super) async fn begin(world: &World, seed: u64) -> Self {
        let mut script = Self { rng: StdRng::seed_from_u64(seed), written: Vec::new() };
        for n in 0..GROUPS {
            let kind = if n == DIRECT { ChatKind::Direct } else { ChatKind::Group };
            let members: Vec<_> = (0..2 + u128::from(n != DIRECT)).map(|m| user(n + m)).collect();
            let created = Created { kind, title: None, members };
            script.write(world, n, Line::Event(event(EventKind::Created, n, &created))).await;
        }
        script
    }

    /// Appends `lines` random ones.
    pub(super) async fn go_on(&mut self, world: &World, lines: usize) {
        for _ in 0..lines {
            let n = self.rng.random_range(0..=GROUPS);
            let line = self.line(n);
            self.write(world, n, line).await;
        }
    }

    async fn write(&mut self, world: &World, n: u128, line: Line) {
        let subject = Subject::chat(chat(n));
        let seq = match &line {
            Line::Event(event) => world.put(subject, event.encode().unwrap()).await,
            Line::Garbage(bytes) => world.put(subject, bytes.clone()).await,
            Line::Void(event) => world.put_void(subject, event.encode().unwrap()).await,
        };
        self.written.push((n, seq, line));
    }

    fn line(&mut self, n: u128) -> Line {
        let someone = self.rng.random_range(0..USERS);
        let from = self.rng.random_range(0..USERS);
        let about = |role| MemberChange { user: user(someone), role };
        match self.rng.random_range(0..20) {
            0..8 => Line::Event(message(from, &format!("number {}", self.written.len()))),
            8..11 => Line::Event(event(EventKind::MemberAdded, from, &about(Some(Role::Member)))),
            11..13 => Line::Event(event(EventKind::MemberRemoved, from, &about(None))),
            13 => Line::Event(event(EventKind::MemberLeft, from, &serde_json::json!({}))),
            14 => Line::Event(event(EventKind::RoleChanged, from, &about(Some(Role::Admin)))),
            15 => Line::Event(event(EventKind::Renamed, from, &Renamed { title: format!("title {n}") })),
            16 => Line::Garbage(b"{\"v\":1,".to_vec()),
            17 => Line::Event(event(EventKind::Other("poll".to_owned()), from, &serde_json::json!({"x": 1}))),
            18 => Line::Void(message(from, "void")),
            _ => Line::Event(event(EventKind::MemberAdded, from, &"not what it should be")),
        }
    }
}

pub(super) fn event(kind: EventKind, from: u128, body: &impl serde::Serialize) -> Event {
    Event::new(kind, user(from), None, Timestamp(1_700_000_000_000), Body::of(body).unwrap())
}

pub(super) fn message(from: u128, text: &str) -> Event {
    event(EventKind::Message, from, &serde_json::json!({ "text": text }))
}
