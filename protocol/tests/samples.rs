//! Today's code reads every stored form ever written, and writes today's version byte for byte as pinned.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use tidings_protocol::event::{Created, MemberChange, Renamed};
use tidings_protocol::inbox::{InboxKind, Position, ReadPosition};
use tidings_protocol::{
    ChatId, ChatKind, ClientId, Event, EventKind, InboxEvent, Newest, Pointer, Role, Timestamp, UserId,
};
use uuid::Uuid;

const BASE: u128 = 0x0190_a5c4_7e00_7000_8000_0000_0000_0000;
const ANN: UserId = UserId(Uuid::from_u128(BASE + 1));
const BOB: UserId = UserId(Uuid::from_u128(BASE + 2));
const CHAT: ChatId = ChatId(Uuid::from_u128(BASE + 0xa1));
const CLIENT: ClientId = ClientId(Uuid::from_u128(BASE + 0xd1));
const AT: Timestamp = Timestamp(1_767_323_045_678);

/// All samples of a folder by name. Taken out one by one; none may be left.
struct Samples(BTreeMap<String, Vec<u8>>);

impl Samples {
    fn of(folder: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
        let files = std::fs::read_dir(folder).unwrap().map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())
        });
        Self(files.collect())
    }

    fn take(&mut self, name: &str) -> Vec<u8> {
        self.0.remove(name).unwrap_or_else(|| unreachable!("no sample {name}"))
    }

    /// An event of version 1: as it reads, having checked that it is written the same.
    fn event(&mut self, name: &str, kind: &EventKind, from: UserId, client_id: Option<ClientId>) -> Event {
        let bytes = self.take(name);
        let event = Event::decode(&bytes).unwrap();
        assert_eq!((event.v, &event.kind, event.from), (1, kind, from), "{name}");
        assert_eq!((event.client_id, event.at), (client_id, AT), "{name}");
        let again = Event::new(event.kind.clone(), event.from, event.client_id, event.at, event.body.clone());
        assert_eq!(again.encode().unwrap(), bytes, "{name}");
        event
    }

    fn inbox(&mut self, name: &str, kind: InboxKind) {
        let bytes = self.take(name);
        let event = InboxEvent::new(kind);
        assert_eq!(InboxEvent::decode(&bytes).unwrap(), event, "{name}");
        assert_eq!(String::from_utf8(event.encode().unwrap()), String::from_utf8(bytes), "{name}");
    }

    fn all_taken(self) {
        assert_eq!(self.0.keys().collect::<Vec<_>>(), Vec::<&String>::new(), "samples that no test reads");
    }
}

#[test]
fn events_that_begin_a_chat() {
    let mut samples = Samples::of("events");
    let group = samples.event("created-group.v1.json", &EventKind::Created, ANN, Some(CLIENT));
    let expected = Created { kind: ChatKind::Group, title: Some("Tide table".to_owned()), members: vec![ANN, BOB] };
    assert_eq!(group.created(), Some(expected));
    let direct = samples.event("created-direct.v1.json", &EventKind::Created, ANN, None);
    assert_eq!(direct.created(), Some(Created { kind: ChatKind::Direct, title: None, members: vec![ANN, BOB] }));
}

#[test]
fn every_event_reads_and_is_written_the_same() {
    let mut samples = Samples::of("events");
    samples.take("created-group.v1.json");
    samples.take("created-direct.v1.json");
    let changes = [
        ("member-added.v1.json", EventKind::MemberAdded, ANN, Some(Role::Admin)),
        ("member-removed.v1.json", EventKind::MemberRemoved, ANN, None),
        ("member-left.v1.json", EventKind::MemberLeft, BOB, None),
        ("role-changed.v1.json", EventKind::RoleChanged, ANN, Some(Role::Owner)),
    ];
    for (name, kind, from, role) in changes {
        let event = samples.event(name, &kind, from, None);
        assert_eq!(event.member_change(), Some(MemberChange { user: BOB, role }), "{name}");
    }
    let renamed = samples.event("renamed.v1.json", &EventKind::Renamed, ANN, None);
    assert_eq!(renamed.renamed(), Some(Renamed { title: "High water \"é\"".to_owned() }));
    let message = samples.event("message.v1.json", &EventKind::Message, BOB, Some(CLIENT));
    assert_eq!(message.body.text().as_deref(), Some("café 🌊 \0 end"));
    assert!(message.body.as_str().contains(r#""later":{"field":[1.50,null]}"#), "what is unknown survives as it is");
    let unreadable = samples.event("unreadable.v1.json", &EventKind::Unreadable, UserId(Uuid::nil()), None);
    assert_eq!(unreadable.body.as_str(), r#"{"reason":"not_json","bytes":17}"#);
    samples.all_taken();
}

#[test]
fn events_of_the_future_are_kept_and_never_taken_for_ours() {
    let mut samples = Samples::of("events");
    let message = String::from_utf8(samples.take("message.v1.json")).unwrap();
    let newer = Event::decode(message.replace(r#""v":1"#, r#""v":2"#).as_bytes()).unwrap();
    assert_eq!(newer.kind, EventKind::Other("message".to_owned()));
    assert!(!newer.kind.is_countable());
    let other = Event::decode(message.replace(r#""kind":"message""#, r#""kind":"poll""#).as_bytes()).unwrap();
    assert_eq!(other.kind, EventKind::Other("poll".to_owned()));
    // Cut anywhere, it is no event, and no panic.
    for end in 0..message.len() {
        assert!(Event::decode(&message.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn every_inbox_event_reads_and_is_written_the_same() {
    let mut samples = Samples::of("inbox");
    let newest =
        |preview: &str| Newest { seq: 44, n: 17, at: Some(AT), preview: Some(preview.to_owned()), from: Some(BOB) };
    let group = Pointer {
        chat: CHAT,
        first: 40,
        seq: 44,
        chat_kind: ChatKind::Group,
        title: Some("Tide table".to_owned()),
        with: None,
        members: 3,
        role: Some(Role::Member),
        joined_seq: 12,
        left_seq: None,
        newest: newest("café 🌊"),
        own: Some(Position { seq: 41, n: 15 }),
        chat_changed: true,
    };
    let left = Pointer { members: 2, role: None, left_seq: Some(44), newest: newest(""), own: None, ..group.clone() };
    let direct = Pointer {
        first: 1,
        seq: 1,
        chat_kind: ChatKind::Direct,
        title: None,
        with: Some(BOB),
        members: 2,
        joined_seq: 1,
        newest: Newest { seq: 1, ..Newest::default() },
        own: None,
        chat_changed: false,
        ..group.clone()
    };
    samples.inbox("pointer-group.v1.json", InboxKind::Pointer(Box::new(group)));
    samples.inbox("pointer-left.v1.json", InboxKind::Pointer(Box::new(left)));
    samples.inbox("pointer-direct.v1.json", InboxKind::Pointer(Box::new(direct)));
    samples.inbox("read.v1.json", InboxKind::Read(ReadPosition { chat: CHAT, seq: 44, n: 17 }));
    samples.all_taken();
}

#[test]
fn inbox_events_of_the_future_are_no_error() {
    let unknown = InboxEvent::decode(br#"{"v":2,"kind":"settings","muted":true}"#).unwrap();
    assert_eq!((unknown.v, unknown.kind), (2, InboxKind::Unknown));
}
