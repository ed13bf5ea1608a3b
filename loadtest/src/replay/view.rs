//! What each client sees live, and whether it is the file.
//!
//! A view is what the app of that client would have shown: the events it was told, and its own lines by their acks. It
//! must hold every line once, in order, from where the chat began for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_client::{ClientEvent, Events};
use tidings_protocol::{Body, ChatId, EventKind, Seq, UserId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::xxh3_64;

use super::people::{Cut, People};
use super::report::{Compared, Difference, Report};
use super::send::Acks;
use super::{Patience, Plan, ReplayError};

/// What a client was told of the chat.
#[derive(Debug)]
pub(super) struct Watcher {
    /// Places and contents of messages, in the order of telling. Never held over an await.
    told: Mutex<Vec<(Seq, u64)>>,
    /// The newest place known: 0 before the chat is.
    newest: watch::Sender<Seq>,
    onlines: AtomicU64,
}

impl Default for Watcher {
    fn default() -> Self {
        Self { told: Mutex::default(), newest: watch::Sender::new(0), onlines: AtomicU64::new(0) }
    }
}

impl Watcher {
    /// Waits until the client knows the chat.
    pub(super) async fn told_of_chat(&self) {
        self.told_up_to(1).await;
    }

    async fn told_up_to(&self, seq: Seq) {
        // The sender is in `self`, so the channel is open.
        let _ = self.newest.subscribe().wait_for(|newest| *newest >= seq).await;
    }

    /// How often the connection was made again.
    pub(super) fn reconnects(&self) -> u64 {
        self.onlines.load(Ordering::Relaxed).saturating_sub(1)
    }

    fn told(&self) -> Vec<(Seq, u64)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, chat: ChatId, event: ClientEvent) {
        match event {
            ClientEvent::Chat(line) if line.id == chat => {
                self.newest.send_if_modified(|newest| {
                    *newest == 0 && {
                        *newest = line.newest.seq;
                        true
                    }
                });
            }
            ClientEvent::Event { chat: other, seq, event, .. } if other == chat => {
                if event.kind == EventKind::Message {
                    let content = fingerprint(event.from, &event.body);
                    self.told.lock().unwrap_or_else(PoisonError::into_inner).push((seq, content));
                }
                self.newest.send_replace(seq);
            }
            ClientEvent::Online { .. } => {
                self.onlines.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Takes a client's events until it ends. `strict`: the first connection that breaks is told.
pub(super) async fn watch(chat: ChatId, mut events: Events, watcher: Arc<Watcher>, strict: Option<(Arc<Cut>, String)>) {
    while let Some(event) = events.recv().await {
        if let (ClientEvent::Offline { reason, retry_in }, Some((cut, who))) = (&event, &strict)
            && (retry_in.is_some() || *reason != tidings_client::OfflineReason::Stopped)
        {
            // Only the first is kept.
            let _ = cut.first.set((who.clone(), reason.clone()));
            cut.seen.cancel();
        }
        watcher.take(chat, event);
    }
}

/// Whom and what: enough to tell two messages apart.
fn fingerprint(from: UserId, body: &Body) -> u64 {
    xxh3_64(body.as_str().as_bytes()).rotate_left(1) ^ xxh3_64(from.as_bytes())
}

/// Waits until every view is complete, or the patience is over, and compares each with the file.
pub(super) async fn compare_all(
    plan: &Plan,
    people: &People,
    acks: &Acks,
    patience: Patience,
    report: &mut Report,
) -> Result<(), ReplayError> {
    let mut lines = Vec::with_capacity(plan.lines.len());
    for (place, (planned, seq)) in plan.lines.iter().zip(&acks.seqs).enumerate() {
        let body = planned.line.body().map_err(|source| ReplayError::Line { line: place + 1, source })?;
        lines.push((*seq, fingerprint(people.all[planned.speaker].user, &body), planned.speaker));
    }
    let until = Instant::now() + patience.away;
    for (speaker, person) in people.all.iter().enumerate() {
        let last = lines.iter().rev().find(|(_, _, other)| *other != speaker).map_or(0, |(seq, _, _)| *seq);
        // A view that is not complete in time is compared as it is: that is the difference.
        let _ = people.unless_cut(timeout_at(until, person.watcher.told_up_to(last))).await?;
        let what = format!("live view of {:?}", people.speakers.nicks[speaker]);
        report.add(compare(what, speaker, &lines, &person.watcher.told()));
    }
    Ok(())
}

/// A line of somebody else must be told; an own one was acknowledged and may be told as well (by a sync).
fn compare(what: String, speaker: usize, lines: &[(Seq, u64, usize)], told: &[(Seq, u64)]) -> Compared {
    let mut compared = Compared::new(&what);
    let mut told = told.iter().copied().peekable();
    let show = |seq: Seq| seq.to_string();
    for (place, (seq, content, from)) in lines.iter().copied().enumerate() {
        compared.compared += 1;
        match told.peek().copied() {
            Some((next, found)) if next == seq => {
                told.next();
                if found != content {
                    compared.add(Difference { line: place + 1, expected: show(seq), found: "another text".to_owned() });
                }
            }
            _ if from == speaker => {}
            next => {
                let found = next.map_or("nothing".to_owned(), |(next, _)| show(next));
                compared.add(Difference { line: place + 1, expected: show(seq), found });
            }
        }
    }
    for (seq, _) in told {
        compared.add(Difference { line: lines.len(), expected: "nothing".to_owned(), found: show(seq) });
    }
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [(Seq, u64, usize); 4] = [(5, 50, 0), (6, 60, 1), (8, 80, 0), (9, 90, 2)];

    fn differences(speaker: usize, told: &[(Seq, u64)]) -> u64 {
        compare("a view".to_owned(), speaker, &LINES, told).differences
    }

    #[test]
    fn a_view_holds_every_line_of_others_once_and_in_order() {
        assert_eq!(differences(7, &[(5, 50), (6, 60), (8, 80), (9, 90)]), 0);
        assert_eq!(differences(0, &[(6, 60), (9, 90)]), 0);
        assert_eq!(differences(0, &[(5, 50), (6, 60), (8, 80), (9, 90)]), 0);
    }

    #[test]
    fn a_hole_a_repeat_a_swap_and_another_text_are_differences() {
        assert!(differences(7, &[(5, 50), (8, 80), (9, 90)]) > 0);
        assert!(differences(7, &[(5, 50), (6, 60), (8, 80)]) > 0);
        assert!(differences(7, &[(5, 50), (5, 50), (6, 60), (8, 80), (9, 90)]) > 0);
        assert!(differences(7, &[(6, 60), (5, 50), (8, 80), (9, 90)]) > 0);
        assert!(differences(7, &[(5, 50), (6, 61), (8, 80), (9, 90)]) > 0);
        assert!(differences(7, &[(5, 50), (6, 60), (8, 80), (9, 90), (10, 100)]) > 0);
        assert!(differences(0, &[]) > 0);
    }
}
