//! What a log means, worked out the slow way: for each place the whole chat again from its beginning, by rules written
//! down a second time. Shares nothing with the fold that it checks but the types.

use std::collections::BTreeMap;

use serde_json::Value;
use tidings_protocol::{ChatId, ChatKind, Role, Seq, UserId};
use uuid::Uuid;

use super::log::LoggedEvent;
use crate::history::{EntryRow, HeadRow, MemberRow};

/// All rows of some chats.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Model {
    /// By chat and place.
    pub entries: Vec<EntryRow>,
    /// By chat.
    pub heads: Vec<HeadRow>,
    /// By chat and user.
    pub members: Vec<MemberRow>,
}

/// The rows that a log makes.
pub fn model_of(log: &[LoggedEvent]) -> Model {
    let mut model = Model::default();
    let mut by_chat: BTreeMap<ChatId, Vec<&LoggedEvent>> = BTreeMap::new();
    for event in log {
        by_chat.entry(event.chat).or_default().push(event);
    }
    for events in by_chat.values() {
        for upto in 1..=events.len() {
            model.entries.push(entry(&events[..upto]));
        }
        model.heads.push(head(events));
        model.members.extend(members(events).into_values());
    }
    model
}

fn body(event: &LoggedEvent) -> Value {
    serde_json::from_str(event.stored.event.body.as_str()).unwrap_or(Value::Null)
}

fn user_in(value: &Value) -> Option<UserId> {
    value.as_str()?.parse().ok()
}

fn kind_of(events: &[&LoggedEvent]) -> ChatKind {
    let created = events[0].stored.event.kind.as_str() == "created";
    if created && body(events[0])["kind"] == "direct" { ChatKind::Direct } else { ChatKind::Group }
}

fn members(events: &[&LoggedEvent]) -> BTreeMap<UserId, MemberRow> {
    let mut rows: BTreeMap<UserId, MemberRow> = BTreeMap::new();
    let kind = kind_of(events);
    for (ord, event) in events.iter().enumerate() {
        let (seq, from, body) = (event.seq, event.stored.event.from, body(event));
        let new = |user, role| MemberRow {
            chat: event.chat,
            user,
            clock: seq,
            role: Some(role),
            joined_seq: seq,
            left_seq: None,
        };
        let name = event.stored.event.kind.as_str();
        if name == "created" && ord == 0 {
            for member in body["members"].as_array().into_iter().flatten() {
                let user = user_in(member).unwrap_or(from);
                let owns = user == from && kind == ChatKind::Group;
                let role = if owns { Role::Owner } else { Role::Member };
                rows.insert(user, new(user, role));
            }
        }
        let about = if name == "member_left" { Some(from) } else { user_in(&body["user"]) };
        let (Some(user), ChatKind::Group) = (about, kind) else {
            continue;
        };
        let role = serde_json::from_value(body["role"].clone()).unwrap_or(Role::Member);
        let current = rows.get_mut(&user).filter(|row| row.role.is_some());
        match (name, current) {
            ("member_added", None) => {
                rows.insert(user, new(user, role));
            }
            ("member_removed" | "member_left", Some(row)) => {
                (row.clock, row.role, row.left_seq) = (seq, None, Some(seq));
            }
            ("role_changed", Some(row)) => (row.clock, row.role) = (seq, Some(role)),
            _ => {}
        }
    }
    rows
}

fn is_message(event: &&&LoggedEvent) -> bool {
    event.stored.event.kind.as_str() == "message"
}

fn count(events: &[&LoggedEvent]) -> (u64, u64) {
    let messages = events.iter().filter(is_message).count();
    let members = members(events);
    let current = members.values().filter(|row| row.role.is_some()).count();
    (messages as u64, current as u64)
}

/// The row of the last of `events`.
fn entry(events: &[&LoggedEvent]) -> EntryRow {
    let (last, before) = (events[events.len() - 1], &events[..events.len() - 1]);
    let (n, members) = count(events);
    let event = &last.stored.event;
    EntryRow {
        chat: last.chat,
        seq: last.seq,
        prev: before.last().map_or(0, |event| event.seq),
        ord: before.len() as u64,
        n,
        members,
        countable: is_message(&&last),
        kind: event.kind.as_str().to_owned(),
        sender: event.from,
        client_id: event.client_id,
        at: event.at,
        raw: last.stored.raw.clone(),
    }
}

fn head(events: &[&LoggedEvent]) -> HeadRow {
    let first = events[0];
    let created = first.stored.event.kind.as_str() == "created";
    let (n, members) = count(events);
    let newest = events.iter().rfind(is_message);
    let title = |event: &&LoggedEvent| match event.stored.event.kind.as_str() {
        "renamed" if kind_of(events) == ChatKind::Group => body(event)["title"].as_str().map(str::to_owned),
        _ => None,
    };
    let first_title = || body(first)["title"].as_str().map(str::to_owned);
    let seq: Seq = events[events.len() - 1].seq;
    HeadRow {
        chat: first.chat,
        seq,
        ord: events.len() as u64 - 1,
        n,
        members,
        kind: kind_of(events),
        title: events.iter().rev().find_map(title).or_else(first_title),
        creator: if created { first.stored.event.from } else { UserId(Uuid::nil()) },
        at: newest.map(|event| event.stored.event.at),
        preview: newest.map(|event| body(event)["text"].as_str().unwrap_or("").to_owned()),
        from: newest.map(|event| event.stored.event.from),
    }
}
