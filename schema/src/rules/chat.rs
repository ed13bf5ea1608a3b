//! One chat folded into rows: what the history worker writes.
//!
//! It protects that rows are a function of the log (R10) also when the worker goes back and meets events again (R11).
//! A fold begins at an entry, with the numbers that stand in it, but heads and members in the store may be newer than
//! that entry. Two things make it come out the same. The newer head's title and newest message are set again by the
//! events in between, so from the head's `seq` on the fold's state is the log's (rows of earlier events lose by their
//! clock). And whether somebody was a member back then is told by their newer row, or, when they have joined again
//! since, by the member count in the stored entry of the very event ([`Found`]).
//!
//! It never writes a row whose content it does not know, never looks at a clock, and does no I/O but in [`look_up`]
//! and [`ChatFold::load`].

use std::collections::HashMap;

use tidings_protocol::{ChatId, ChatKind, Seq, UserId};

use super::change::{Standing, standing_before};
use super::members::{created_rows, row_after};
use super::{Change, Effect, HeadFold, StoredEvent};
use crate::StoreError;
use crate::history::{EntryRow, HeadRow, HistoryStore, HistoryWrite, MemberRow};

/// The state of one chat up to a `seq`, and the rows that further events make.
#[derive(Clone, Debug)]
pub struct ChatFold {
    chat: ChatId,
    head: HeadFold,
    /// Memberships that events of this fold were about: newer than the store until [`ChatFold::settled`], which ends
    /// them. Grows by one per such event, or by all members of a `created`.
    touched: HashMap<UserId, Standing>,
}

/// Rows found in the store for one event, asked for by [`ChatFold::asks`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The membership of the user whom the event is about.
    pub member: Option<MemberRow>,
    /// The stored entry of this very event. Needed only when `member` joined after it.
    pub entry: Option<EntryRow>,
}

impl ChatFold {
    /// A chat before its first event.
    pub fn new(chat: ChatId) -> Self {
        Self { chat, head: HeadFold::default(), touched: HashMap::new() }
    }

    /// Goes on after the stored `entry`, whatever newer rows there are. `head` must have been read after `entry`.
    ///
    /// # Errors
    /// `Damaged` when the head is missing or older than the entry: rows were lost that progress says are there.
    pub fn after(entry: &EntryRow, head: Option<&HeadRow>) -> Result<Self, StoreError> {
        let head = head.filter(|head| head.seq >= entry.seq).ok_or_else(|| StoreError::Damaged {
            table: "chat_heads",
            why: format!("no head of {} as new as entry {}", entry.chat, entry.seq),
        })?;
        Ok(Self {
            chat: entry.chat,
            head: HeadFold {
                seq: entry.seq,
                events: entry.ord + 1,
                n: entry.n,
                members: entry.members,
                ..HeadFold::of(head)
            },
            touched: HashMap::new(),
        })
    }

    /// The fold of `chat` after all its events up to `seq`, from the store. Everything up to `seq` must be there.
    ///
    /// # Errors
    /// Those of the store, and those of [`ChatFold::after`].
    pub async fn load(store: &(impl HistoryStore + ?Sized), chat: ChatId, seq: Seq) -> Result<Self, StoreError> {
        let Some(entry) = store.entry_at(chat, seq).await? else {
            return Ok(Self::new(chat));
        };
        let heads = store.heads(&[chat]).await?;
        Self::after(&entry, heads.first().and_then(Option::as_ref))
    }

    /// The chat's head as of the newest event taken in.
    pub fn head(&self) -> &HeadFold {
        &self.head
    }

    /// How many memberships the fold holds for itself: a bound for when to write and call [`ChatFold::settled`].
    pub fn touched(&self) -> usize {
        self.touched.len()
    }

    /// All rows returned so far are in the store: forget what can be found there.
    pub fn settled(&mut self) {
        self.touched.clear();
    }

    /// Whose membership must be looked up in the store before `event` is applied.
    pub fn asks(&self, seq: Seq, event: &StoredEvent) -> Option<UserId> {
        if seq <= self.head.seq || self.head.kind == ChatKind::Direct {
            return None;
        }
        let user = Change::of(&event.event).user()?;
        (!self.touched.contains_key(&user)).then_some(user)
    }

    /// Takes in one event and returns the rows that it makes; none when it was taken in before. `found` answers
    /// [`ChatFold::asks`].
    pub fn apply(&mut self, seq: Seq, event: &StoredEvent, found: &Found) -> Vec<HistoryWrite> {
        if seq <= self.head.seq {
            return Vec::new();
        }
        let change = Change::of(&event.event);
        let mut members = Vec::new();
        let effect = match &change {
            Change::Created(created) if self.head.is_empty() => {
                for row in created_rows(self.chat, seq, event.event.from, created) {
                    self.touch(row.user, Some(row.joined_seq));
                    members.push(HistoryWrite::Member(row));
                }
                Effect::Nothing
            }
            change => match change.user() {
                Some(user) if self.head.kind == ChatKind::Group => {
                    self.change_member(user, seq, change, found, &mut members)
                }
                _ => Effect::Nothing,
            },
        };
        let prev = self.head.seq;
        self.head.apply_change(seq, &event.event, &change, effect);
        // The entry first: a store without transactions must not have a membership without the entry that made it.
        let mut writes = vec![HistoryWrite::Entry(self.entry(seq, prev, event))];
        writes.append(&mut members);
        writes.extend(self.head.row(self.chat).map(HistoryWrite::Head));
        writes
    }

    fn change_member(
        &mut self,
        user: UserId,
        seq: Seq,
        change: &Change,
        found: &Found,
        members: &mut Vec<HistoryWrite>,
    ) -> Effect {
        let standing = match self.touched.get(&user) {
            Some(known) => *known,
            None => self.standing(seq, change, found),
        };
        let was_member = match standing {
            Standing::Member { .. } => true,
            Standing::Out => false,
            // Only a role can be open, which counts nobody; the newer row that made it so stands.
            Standing::Unknown => return Effect::Nothing,
        };
        let effect = change.effect(self.head.kind, was_member);
        let row = row_after(self.chat, user, seq, change, effect, standing);
        members.extend(row.map(HistoryWrite::Member));
        match effect {
            Effect::Joined => self.touch(user, Some(seq)),
            Effect::Ended => {
                self.touched.insert(user, Standing::Out);
            }
            Effect::RoleSet | Effect::Nothing => {
                self.touched.insert(user, standing);
            }
        }
        effect
    }

    /// Whether the user was a member before this event, by the rows found.
    fn standing(&self, seq: Seq, change: &Change, found: &Found) -> Standing {
        let standing = standing_before(found.member.as_ref(), seq);
        if standing != Standing::Unknown || matches!(change, Change::SetRole { .. }) {
            return standing;
        }
        // They joined again later. The count in the stored entry tells what this event came to back then; without one
        // (which a store that keeps its order of writes does not do) the event is taken at its word.
        let came_to_something = found
            .entry
            .as_ref()
            .filter(|entry| entry.seq == seq)
            .is_none_or(|entry| entry.members != self.head.members);
        if came_to_something == change.implies_member() { Standing::Member { joined_seq: None } } else { Standing::Out }
    }

    fn touch(&mut self, user: UserId, joined_seq: Option<Seq>) {
        self.touched.insert(user, Standing::Member { joined_seq });
    }

    /// The row of the event just taken in.
    fn entry(&self, seq: Seq, prev: Seq, stored: &StoredEvent) -> EntryRow {
        let event = &stored.event;
        EntryRow {
            chat: self.chat,
            seq,
            prev,
            ord: self.head.events - 1,
            n: self.head.n,
            members: self.head.members,
            countable: event.kind.is_countable(),
            kind: event.kind.as_str().to_owned(),
            sender: event.from,
            client_id: event.client_id,
            at: event.at,
            raw: stored.raw.clone(),
        }
    }
}

/// Fetches what [`ChatFold::asks`] for an event: nothing for most.
///
/// # Errors
/// Those of the store.
pub async fn look_up(
    store: &(impl HistoryStore + ?Sized),
    fold: &ChatFold,
    seq: Seq,
    event: &StoredEvent,
) -> Result<Found, StoreError> {
    let Some(user) = fold.asks(seq, event) else {
        return Ok(Found::default());
    };
    let member = store.member(fold.chat, user).await?;
    let entry = match member {
        Some(row) if row.joined_seq > seq => store.entry_at(fold.chat, seq).await?.filter(|entry| entry.seq == seq),
        _ => None,
    };
    Ok(Found { member, entry })
}
