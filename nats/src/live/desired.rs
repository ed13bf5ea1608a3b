//! The subjects that shall be heard: the truth that every connection is brought to.
//!
//! It protects two things. A subscription wished for once is on every later connection until it is wished away. And what
//! is still to be told to the server stays bounded however callers behave: each subject waits at most once, a wish taken
//! back before it was sent costs nothing on the wire, and without a connection nothing waits at all, because a new
//! connection is told everything. It never does I/O and never blocks.
//!
//! Subscription numbers are kept small and used again: they are part of every delivered line. Nothing is looked up by
//! them, so a late message of an earlier holder cannot be mistaken; messages are told apart by their subject.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;

use bytes::BytesMut;

use super::item::LiveSubject;

/// What is known of one subject.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its number on the connection.
    sid: u32,
    /// Somebody wants it heard.
    wanted: bool,
    /// The server has been told to send it.
    sent: bool,
    /// It stands in `changes`.
    queued: bool,
}

/// The wished subjects and what the server has not been told of them.
#[derive(Debug)]
pub(super) struct Desired {
    entries: HashMap<LiveSubject, Entry>,
    /// Subjects whose entry differs from what the server knows, oldest first; each at most once.
    changes: VecDeque<LiveSubject>,
    /// Numbers given back.
    free: Vec<u32>,
    /// The smallest number never given out.
    next: u32,
    /// Whether there is a connection to tell. Without one `changes` stays empty.
    online: bool,
    /// Counts changes of wishes: whoever asks for a confirmation asks for all up to this.
    version: u64,
    wanted: usize,
    max: usize,
}

/// No room for one more subject.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Subscription numbers below this are the connection's own.
pub(super) const FIRST_SID: u32 = 2;
/// Room for waiting changes that is not given back after a burst.
const KEPT_CHANGES: usize = 4_096;

impl Desired {
    pub(super) fn new(max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            changes: VecDeque::new(),
            free: Vec::new(),
            next: FIRST_SID,
            online: false,
            version: 0,
            wanted: 0,
            max,
        }
    }

    /// Wishes for a subject; `false` when it was wished for already.
    pub(super) fn want(&mut self, subject: LiveSubject) -> Result<bool, Full> {
        if let Some(entry) = self.entries.get_mut(&subject) {
            if entry.wanted {
                return Ok(false);
            }
            entry.wanted = true;
        } else {
            if self.entries.len() >= self.max {
                return Err(Full);
            }
            let sid = self.new_sid();
            self.entries.insert(subject, Entry { sid, wanted: true, sent: false, queued: self.online });
            if self.online {
                self.changes.push_back(subject);
            }
        }
        self.wanted += 1;
        self.version += 1;
        Ok(true)
    }

    /// Takes a wish back; `false` when there was none.
    pub(super) fn unwant(&mut self, subject: LiveSubject) -> bool {
        let Some(entry) = self.entries.get_mut(&subject).filter(|entry| entry.wanted) else {
            return false;
        };
        entry.wanted = false;
        if !self.online {
            let sid = entry.sid;
            self.entries.remove(&subject);
            self.free.push(sid);
        } else if !entry.queued {
            entry.queued = true;
            self.changes.push_back(subject);
        }
        self.wanted -= 1;
        self.version += 1;
        true
    }

    /// A new connection knows nothing: everything wished for is to be told.
    pub(super) fn go_online(&mut self) {
        self.go_offline();
        self.online = true;
        self.changes.reserve(self.entries.len());
        for (subject, entry) in &mut self.entries {
            entry.queued = true;
            self.changes.push_back(*subject);
        }
    }

    /// The connection is gone, and with it all that a server knew.
    pub(super) fn go_offline(&mut self) {
        self.online = false;
        self.changes.clear();
        let free = &mut self.free;
        self.entries.retain(|_, entry| {
            if !entry.wanted {
                free.push(entry.sid);
            }
            entry.sent = false;
            entry.queued = false;
            entry.wanted
        });
    }

    /// Writes the oldest changes as protocol lines behind `out`, until it holds `bytes` or nothing is left to tell.
    pub(super) fn write_changes(&mut self, out: &mut BytesMut, bytes: usize) {
        while out.len() < bytes {
            let Some(subject) = self.changes.pop_front() else {
                break;
            };
            self.write_change(subject, out);
        }
        if self.changes.is_empty() && self.changes.capacity() > KEPT_CHANGES {
            self.changes = VecDeque::new();
        }
    }

    fn write_change(&mut self, subject: LiveSubject, out: &mut BytesMut) {
        let Some(entry) = self.entries.get_mut(&subject) else {
            return;
        };
        entry.queued = false;
        let sid = entry.sid;
        // Writing into a buffer that grows cannot fail.
        match (entry.wanted, entry.sent) {
            (true, false) => {
                entry.sent = true;
                let _ = write!(out, "SUB {subject} {sid}\r\n");
            }
            (false, sent) => {
                self.entries.remove(&subject);
                self.free.push(sid);
                if sent {
                    let _ = write!(out, "UNSUB {sid}\r\n");
                }
            }
            (true, true) => {}
        }
    }

    /// Nothing is left to tell.
    pub(super) fn is_told(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Subjects wished for.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Changes not yet told.
    pub(super) fn waiting(&self) -> usize {
        self.changes.len()
    }

    fn new_sid(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let sid = self.next;
            // Cannot overflow: numbers out at a time are at most `max`, which the settings keep below 2^32 - 2.
            self.next += 1;
            sid
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeMap;
    use tidings_protocol::ChatId;
    use uuid::Uuid;

    fn chat(n: u128) -> LiveSubject {
        LiveSubject::Chat(ChatId(Uuid::from_u128(n)))
    }

    fn told(desired: &mut Desired) -> String {
        let mut out = BytesMut::new();
        desired.write_changes(&mut out, usize::MAX);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_subscription_is_small() {
        // The map adds a byte per slot and is between 7/16 and 7/8 full: 33 to 66 bytes each.
        assert_eq!(size_of::<(LiveSubject, Entry)>(), 28);
    }

    #[test]
    fn a_wish_is_told_once_and_taken_back_once() {
        let mut desired = Desired::new(10);
        desired.go_online();
        assert_eq!(desired.want(chat(1)), Ok(true));
        assert_eq!(desired.want(chat(1)), Ok(false));
        assert_eq!(told(&mut desired), format!("SUB {} 2\r\n", chat(1)));
        assert!(desired.unwant(chat(1)));
        assert!(!desired.unwant(chat(1)));
        assert_eq!(told(&mut desired), "UNSUB 2\r\n");
        assert_eq!(told(&mut desired), "");
    }

    #[test]
    fn what_is_taken_back_in_time_costs_nothing_on_the_wire() {
        let mut desired = Desired::new(10);
        desired.go_online();
        for _ in 0..1_000 {
            desired.want(chat(1)).unwrap();
            desired.unwant(chat(1));
        }
        assert_eq!(desired.waiting(), 1);
        assert_eq!(told(&mut desired), "");
        desired.want(chat(2)).unwrap();
        told(&mut desired);
        desired.unwant(chat(2));
        desired.want(chat(2)).unwrap();
        assert_eq!(told(&mut desired), "", "it was on the server all the time");
    }

    #[test]
    fn every_connection_is_told_everything_and_nothing_waits_without_one() {
        let mut desired = Desired::new(3);
        for _ in 0..10 {
            for n in 0..3 {
                desired.want(chat(n)).unwrap();
            }
            desired.unwant(chat(0));
            desired.unwant(chat(1));
        }
        assert_eq!((desired.waiting(), desired.wanted()), (0, 1));
        desired.go_online();
        let sid = told(&mut desired).rsplit_once(' ').unwrap().1.to_owned();
        desired.go_offline();
        desired.go_online();
        assert_eq!(told(&mut desired), format!("SUB {} {sid}", chat(2)));
    }

    #[test]
    fn the_bound_counts_those_on_their_way_out() {
        let mut desired = Desired::new(2);
        desired.go_online();
        desired.want(chat(1)).unwrap();
        desired.want(chat(2)).unwrap();
        told(&mut desired);
        desired.unwant(chat(1));
        assert_eq!(desired.want(chat(3)), Err(Full));
        told(&mut desired);
        assert_eq!(desired.want(chat(3)), Ok(true));
    }

    #[test]
    fn chunks_are_bounded() {
        let mut desired = Desired::new(1_000);
        for n in 0..1_000 {
            desired.want(chat(n)).unwrap();
        }
        desired.go_online();
        let mut chunks = 0;
        while !desired.is_told() {
            let mut out = BytesMut::new();
            desired.write_changes(&mut out, 1_000);
            assert!(out.len() < 1_100, "{}", out.len());
            chunks += 1;
        }
        assert!(chunks > 50);
    }

    proptest::proptest! {
        /// Whatever callers and connections do, a server that obeys every line ends up with exactly the wishes.
        #[test]
        fn the_server_ends_up_with_the_wishes(steps in proptest::collection::vec((0u8..5, 0u128..4), 0..200)) {
            let mut desired = Desired::new(4);
            let mut wishes = std::collections::BTreeSet::new();
            let mut server: BTreeMap<String, String> = BTreeMap::new();
            let obey = |lines: String, server: &mut BTreeMap<String, String>| {
                for line in lines.lines() {
                    let words: Vec<&str> = line.split(' ').collect();
                    match words[..] {
                        ["SUB", subject, sid] => {
                            assert!(server.insert(sid.to_owned(), subject.to_owned()).is_none());
                        }
                        ["UNSUB", sid] => assert!(server.remove(sid).is_some()),
                        _ => unreachable!("{line}"),
                    }
                }
            };
            for (step, n) in steps {
                match step {
                    0 | 1 => { if desired.want(chat(n)).is_ok() { wishes.insert(chat(n).to_string()); } }
                    2 => { desired.unwant(chat(n)); wishes.remove(&chat(n).to_string()); }
                    3 => { let lines = told(&mut desired); obey(lines, &mut server); }
                    _ => { desired.go_online(); server.clear(); }
                }
                proptest::prop_assert!(desired.waiting() <= 4);
                proptest::prop_assert_eq!(desired.wanted(), wishes.len());
            }
            desired.go_online();
            server.clear();
            obey(told(&mut desired), &mut server);
            let mut heard: Vec<&String> = server.values().collect();
            heard.sort();
            proptest::prop_assert_eq!(heard, wishes.iter().collect::<Vec<_>>());
        }
    }
}
