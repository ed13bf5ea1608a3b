//! Ids published within the dedupe window, with their answer or those who wait for it (R7).
//!
//! Protects against a repeat that overtakes its original: while the first one is open, a second one under the same id
//! waits for the same answer instead of going to the server, where it would make a whole batch fail. Bounded by number,
//! bytes and age; what is forgotten here is still known to the server.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_protocol::MsgId;
use tokio::sync::oneshot;

use super::append::{AppendError, Appended};
use super::same::same_event;
use crate::streams::DEDUPE_WINDOW_MS;

/// Most repeats that wait for one open append; the next one is refused with `QueueFull`.
const MAX_WAITERS: usize = 16;
/// What an entry costs beside its payload.
const ENTRY_BYTES: usize = 128;

/// An id in half the space: its 32 hex digits as a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key(u128);

impl Key {
    pub(super) fn of(id: &MsgId) -> Option<Self> {
        u128::from_str_radix(id.as_str(), 16).ok().map(Self)
    }
}

type Sender = oneshot::Sender<Result<Appended, AppendError>>;

#[derive(Debug)]
struct Waiter {
    same: bool,
    answer: Sender,
}

#[derive(Debug)]
enum State {
    Open(Vec<Waiter>),
    Done(Appended),
    Unknown,
}

#[derive(Debug)]
struct Entry {
    payload: Bytes,
    state: State,
}

/// What is known about an id when an append comes.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing: go on. It is open now.
    New,
    /// Its outcome was unknown: go on, but alone. It is open now.
    Unknown,
    /// Answered before.
    Answered(Result<Appended, AppendError>),
    /// Open: this answer will come with the first one's.
    Joined(oneshot::Receiver<Result<Appended, AppendError>>),
}

/// The ids. Guarded by one lock of the publisher, held for a few instructions.
#[derive(Debug)]
pub(super) struct Recent {
    entries: HashMap<Key, Entry>,
    // In the order of arrival; a key may stand here after its entry is gone.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

impl Recent {
    pub(super) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, max_entries, max_bytes }
    }

    /// An append under `key` comes with `payload`.
    pub(super) fn begin(&mut self, key: Key, payload: &Bytes) -> Known {
        self.forget_old(Instant::now());
        let Some(entry) = self.entries.get_mut(&key) else {
            self.open(key, payload);
            return Known::New;
        };
        let same = same_event(&entry.payload, payload);
        match &mut entry.state {
            State::Done(appended) if same => Known::Answered(Ok(Appended { duplicate: true, ..*appended })),
            State::Done(appended) => Known::Answered(Err(AppendError::Conflict { seq: appended.seq })),
            State::Open(waiters) if waiters.len() >= MAX_WAITERS => Known::Answered(Err(AppendError::QueueFull)),
            State::Open(waiters) => {
                let (answer, joined) = oneshot::channel();
                waiters.push(Waiter { same, answer });
                Known::Joined(joined)
            }
            State::Unknown => {
                entry.state = State::Open(Vec::new());
                Known::Unknown
            }
        }
    }

    /// The append under `key` has its answer; all who wait get it too.
    pub(super) fn end(&mut self, key: Key, answer: &Result<Appended, AppendError>) {
        let next = match answer {
            Ok(appended) => Some(State::Done(*appended)),
            Err(AppendError::OutcomeUnknown) => Some(State::Unknown),
            // Nothing is stored under it by us: whoever comes next tries anew.
            Err(_) => None,
        };
        let waiters = match next {
            Some(next) => self.entries.get_mut(&key).map(|entry| std::mem::replace(&mut entry.state, next)),
            None => self.remove(key),
        };
        let Some(State::Open(waiters)) = waiters else {
            return;
        };
        for waiter in waiters {
            let shared = match answer {
                Ok(appended) if waiter.same => Ok(Appended { duplicate: true, ..*appended }),
                Ok(appended) => Err(AppendError::Conflict { seq: appended.seq }),
                Err(error) => Err(error.clone()),
            };
            // Whoever stopped waiting does not want to know.
            let _ = waiter.answer.send(shared);
        }
    }

    /// Nobody will answer what is open any more: who waits for it hears that nobody knows.
    pub(super) fn abandon_open(&mut self) {
        for entry in self.entries.values_mut() {
            if matches!(entry.state, State::Open(_)) {
                entry.state = State::Unknown;
            }
        }
    }

    fn open(&mut self, key: Key, payload: &Bytes) {
        self.bytes += payload.len() + ENTRY_BYTES;
        self.order.push_back((Instant::now(), key));
        let entry = Entry { payload: payload.clone(), state: State::Open(Vec::new()) };
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: Key) -> Option<State> {
        let entry = self.entries.remove(&key)?;
        self.bytes -= entry.payload.len() + ENTRY_BYTES;
        Some(entry.state)
    }

    /// Forgets from the oldest on what is too old or too much; what is open stays.
    fn forget_old(&mut self, now: Instant) {
        let window = Duration::from_millis(DEDUPE_WINDOW_MS);
        for _ in 0..self.order.len() {
            let full = self.entries.len() >= self.max_entries || self.bytes >= self.max_bytes;
            let Some((at, key)) = self.order.front().copied() else {
                return;
            };
            if !full && now.duration_since(at) < window && self.order.len() < 2 * self.max_entries {
                return;
            }
            self.order.pop_front();
            match self.entries.get(&key).map(|entry| &entry.state) {
                Some(State::Open(_)) => self.order.push_back((now, key)),
                Some(_) => drop(self.remove(key)),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const FIRST: Result<Appended, AppendError> = Ok(Appended { seq: 7, duplicate: false });

    fn key() -> Key {
        Key::of(&MsgId::random()).unwrap()
    }

    #[test]
    fn a_repeat_while_open_gets_the_first_ones_answer() {
        let mut recent = Recent::new(10, 10_000);
        let (key, body, other) = (key(), Bytes::from("a"), Bytes::from("b"));
        assert!(matches!(recent.begin(key, &body), Known::New));
        let Known::Joined(mut same) = recent.begin(key, &body) else {
            unreachable!("open");
        };
        let Known::Joined(mut different) = recent.begin(key, &other) else {
            unreachable!("open");
        };
        recent.end(key, &FIRST);
        let repeat = Appended { seq: 7, duplicate: true };
        assert_eq!(same.try_recv().unwrap(), Ok(repeat));
        assert_eq!(different.try_recv().unwrap(), Err(AppendError::Conflict { seq: 7 }));
        assert!(matches!(recent.begin(key, &body), Known::Answered(Ok(known)) if known == repeat));
        assert!(matches!(recent.begin(key, &other), Known::Answered(Err(AppendError::Conflict { seq: 7 }))));
    }

    #[test]
    fn a_refused_id_is_free_again_and_an_unknown_one_is_marked() {
        let mut recent = Recent::new(10, 10_000);
        let (key, body) = (key(), Bytes::from("a"));
        recent.begin(key, &body);
        recent.end(key, &Err(AppendError::LogFull));
        assert!(matches!(recent.begin(key, &body), Known::New));
        recent.end(key, &Err(AppendError::OutcomeUnknown));
        assert!(matches!(recent.begin(key, &body), Known::Unknown));
    }

    #[test]
    fn who_waits_for_what_is_abandoned_is_not_left_waiting() {
        let mut recent = Recent::new(10, 10_000);
        let (key, body) = (key(), Bytes::from("a"));
        recent.begin(key, &body);
        let Known::Joined(mut joined) = recent.begin(key, &body) else {
            unreachable!("open");
        };
        recent.abandon_open();
        assert!(matches!(joined.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(recent.begin(key, &body), Known::Unknown));
    }

    #[test]
    fn the_oldest_answer_goes_first_and_open_ones_stay() {
        let mut recent = Recent::new(3, 10_000);
        let (open, body) = (key(), Bytes::from("a"));
        recent.begin(open, &body);
        let done: Vec<Key> = (0..5).map(|_| key()).collect();
        for key in &done {
            recent.begin(*key, &body);
            recent.end(*key, &FIRST);
        }
        assert!(recent.entries.len() <= 3);
        assert!(matches!(recent.begin(open, &body), Known::Joined(_)));
        assert!(matches!(recent.begin(done[4], &body), Known::Answered(_)));
        assert!(matches!(recent.begin(done[0], &body), Known::New));
    }

    #[test]
    fn memory_is_bounded_by_bytes_and_waiters_too() {
        let mut recent = Recent::new(1_000, 1_000);
        let body = Bytes::from(vec![0; 200]);
        for _ in 0..50 {
            let key = key();
            recent.begin(key, &body);
            recent.end(key, &FIRST);
        }
        assert!(recent.bytes <= 1_000 + 200 + ENTRY_BYTES, "{}", recent.bytes);
        let open = key();
        recent.begin(open, &body);
        for _ in 0..MAX_WAITERS {
            assert!(matches!(recent.begin(open, &body), Known::Joined(_)));
        }
        assert!(matches!(recent.begin(open, &body), Known::Answered(Err(AppendError::QueueFull))));
    }
}
