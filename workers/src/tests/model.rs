//! What rows and pointers must come to, computed the slow and obvious way from the script alone.

use std::collections::BTreeMap;

use tidings_protocol::{ChatId, EventKind, Seq, UserId};
use tidings_schema::history::{EntryRow, HeadRow, MemberRow, Range};
use tidings_schema::{HistoryStore, SqliteStore};

use super::script::{DIRECT, Line, Script};
use super::world::{chat, user};

/// An entry as the model knows it: seq, prev, ord, n, members, kind, countable.
pub(super) type Entry = (Seq, Seq, u64, u64, u64, String, bool);
/// A membership: joined, left, whether a member.
pub(super) type Member = (Seq, Option<Seq>, bool);

/// All chats.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Model {
    pub(super) entries: BTreeMap<ChatId, Vec<Entry>>,
    pub(super) members: BTreeMap<(ChatId, UserId), Member>,
    pub(super) titles: BTreeMap<ChatId, Option<String>>,
    /// The text of the newest message as of each event.
    pub(super) newest: BTreeMap<(ChatId, Seq), Option<String>>,
    /// Who has to be pointed to which event.
    pub(super) owed: Vec<(ChatId, UserId, Seq)>,
}

impl Model {
    /// The model of a script.
    pub(super) fn of(script: &Script) -> Self {
        let mut model = Self::default();
        for (n, seq, line) in &script.written {
            match line {
                Line::Void(_) => {}
                Line::Garbage(_) => model.entry(*n, *seq, "unreadable"),
                Line::Event(event) => {
                    let before = model.members_of(*n);
                    model.change(*n, *seq, event);
                    model.entry(*n, *seq, event.kind.as_str());
                    model.owed.extend(before.into_iter().map(|member| (chat(*n), member, *seq)));
                }
            }
            if !matches!(line, Line::Void(_)) {
                model.note_newest(*n, *seq, line);
                let after = model.members_of(*n);
                model.owed.extend(after.into_iter().map(|member| (chat(*n), member, *seq)));
            }
        }
        model
    }

    fn note_newest(&mut self, n: u128, seq: Seq, line: &Line) {
        let own = match line {
            Line::Event(event) => event.preview(),
            Line::Garbage(_) | Line::Void(_) => None,
        };
        let before = self.newest.range(..(chat(n), seq)).next_back();
        let before = before.filter(|((of, _), _)| *of == chat(n)).and_then(|(_, text)| text.clone());
        self.newest.insert((chat(n), seq), own.or(before));
    }

    /// Whether somebody was a member of a chat at an event that has to be pointed to.
    pub(super) fn ever_member(&self, n: ChatId, user: UserId) -> bool {
        self.members.contains_key(&(n, user))
    }

    /// The chat's entry at `seq`.
    pub(super) fn entry_at(&self, n: ChatId, seq: Seq) -> &Entry {
        self.entries[&n].iter().find(|entry| entry.0 == seq).unwrap()
    }

    fn members_of(&self, n: u128) -> Vec<UserId> {
        let of_chat = self.members.iter().filter(|((of, _), member)| *of == chat(n) && member.2);
        of_chat.map(|((_, member), _)| *member).collect()
    }

    fn change(&mut self, n: u128, seq: Seq, event: &tidings_protocol::Event) {
        let is_first = !self.entries.contains_key(&chat(n));
        if let (true, Some(created)) = (is_first, event.created()) {
            for member in created.members {
                self.members.insert((chat(n), member), (seq, None, true));
            }
        }
        if let (true, Some(renamed)) = (n != DIRECT, event.renamed()) {
            self.titles.insert(chat(n), Some(renamed.title));
        }
        let Some(change) = event.member_change().filter(|_| n != DIRECT) else { return };
        let member = self.members.get(&(chat(n), change.user)).copied();
        let is_member = member.is_some_and(|member| member.2);
        let changed = match event.kind {
            EventKind::MemberAdded if !is_member => (seq, None, true),
            EventKind::MemberRemoved | EventKind::MemberLeft if is_member => (member.unwrap().0, Some(seq), false),
            _ => return,
        };
        self.members.insert((chat(n), change.user), changed);
    }

    fn entry(&mut self, n: u128, seq: Seq, kind: &str) {
        let members = self.members_of(n).len() as u64;
        let entries = self.entries.entry(chat(n)).or_default();
        let countable = kind == "message";
        let (prev, ord, messages) = entries.last().map_or((0, 0, 0), |last| (last.0, last.2 + 1, last.3));
        let n = messages + u64::from(countable);
        entries.push((seq, prev, ord, n, members, kind.to_owned(), countable));
    }
}

/// Everything in the history tables.
#[derive(PartialEq, Debug)]
pub(super) struct Dump {
    pub(super) entries: Vec<EntryRow>,
    pub(super) heads: Vec<Option<HeadRow>>,
    pub(super) members: Vec<MemberRow>,
}

/// Reads all rows of the script's chats.
pub(super) async fn dump(store: &SqliteStore) -> Dump {
    let chats: Vec<ChatId> = (0..10).map(chat).collect();
    let (mut entries, mut members) = (Vec::new(), Vec::new());
    for chat in &chats {
        entries.extend(store.entries(*chat, Range::After(0), 100_000).await.unwrap());
        members.extend(store.members(*chat, None, 100_000).await.unwrap());
    }
    members.sort_by_key(|row: &MemberRow| (row.chat, row.user));
    Dump { entries, heads: store.heads(&chats).await.unwrap(), members }
}

/// Compares rows with the model.
pub(super) fn assert_rows(dump: &Dump, model: &Model) {
    let mut entries: BTreeMap<ChatId, Vec<Entry>> = BTreeMap::new();
    for row in &dump.entries {
        let entry = (row.seq, row.prev, row.ord, row.n, row.members, row.kind.clone(), row.countable);
        entries.entry(row.chat).or_default().push(entry);
    }
    assert_eq!(entries, model.entries);
    let members = dump.members.iter().map(|row| {
        let member = (row.joined_seq, row.left_seq, row.role.is_some());
        ((row.chat, row.user), member)
    });
    assert_eq!(members.collect::<BTreeMap<_, _>>(), model.members);
    let mut heads = 0;
    for head in dump.heads.iter().flatten() {
        let last = model.entries[&head.chat].last().unwrap();
        assert_eq!((head.seq, head.ord, head.n, head.members), (last.0, last.2, last.3, last.4));
        assert_eq!(&head.title, model.titles.get(&head.chat).unwrap_or(&None));
        heads += 1;
    }
    assert_eq!(heads, model.entries.len());
}

/// All users of a script.
pub(super) fn users() -> impl Iterator<Item = UserId> {
    (0..20).map(user)
}
