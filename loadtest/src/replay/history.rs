//! History, read back by pages: backwards over HTTP and forwards over a socket.

use tidings_client::RequestError;
use tidings_protocol::client_frame::History;
use tidings_protocol::limits::PAGE_ITEMS;
use tidings_protocol::{Entry, EventKind, Retry, Seq};
use tokio::time::{Duration, Instant};

use super::people::{People, Speakers, is_final};
use super::report::{Compared, Difference};
use super::send::Acks;
use super::{Patience, Plan, ReplayError, plan};
use crate::line::Line;

/// Between two attempts of a page that was refused for now.
const AGAIN: Duration = Duration::from_millis(500);

/// One page, whichever way it came.
struct Page {
    items: Vec<Entry>,
    next: Option<String>,
    stale: bool,
}

/// From the newest page to the oldest, over HTTP.
pub(super) async fn backwards(
    plan: &Plan,
    people: &People,
    acks: &Acks,
    patience: Patience,
) -> Result<Compared, ReplayError> {
    let api = people.all[plan::CHANNEL].client.api();
    let mut entries: Vec<Entry> = Vec::new();
    let mut cursor = None;
    loop {
        let asked = asked(people, cursor.take(), None);
        let page = patiently(patience, || async {
            match api.history(&asked).await {
                Ok(page) => Ok(Page { items: page.items, next: page.older, stale: page.stale }),
                Err(error) => Err((is_final(&error), ReplayError::HttpHistory(error))),
            }
        })
        .await?;
        entries.splice(0..0, page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(compare("history backwards over HTTP", plan, &people.speakers, acks, &entries)),
        }
    }
}

/// From the beginning to the newest page, over a socket.
pub(super) async fn forwards(
    plan: &Plan,
    people: &People,
    acks: &Acks,
    patience: Patience,
) -> Result<Compared, ReplayError> {
    // Somebody who only reads what others say, where there is one.
    let reader = &people.all[people.all.len() - 1].client;
    let mut entries = Vec::new();
    let mut cursor = None;
    loop {
        let asked = asked(people, cursor.take(), Some(0));
        let page = patiently(patience, || async {
            match reader.history(asked.clone()).await {
                Ok(page) => Ok(Page { items: page.items, next: page.newer, stale: page.stale }),
                Err(error) => {
                    let never =
                        matches!(&error, RequestError::Refused(refusal) if refusal.code.retry() == Retry::Never);
                    Err((never, ReplayError::SocketHistory(error)))
                }
            }
        })
        .await?;
        entries.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(compare("history forwards over a socket", plan, &people.speakers, acks, &entries)),
        }
    }
}

fn asked(people: &People, cursor: Option<String>, from: Option<Seq>) -> History {
    History {
        chat: people.chat,
        before: None,
        after: from.filter(|_| cursor.is_none()),
        around: None,
        cursor,
        limit: Some(PAGE_ITEMS as u64),
    }
}

/// Asks until there is an answer that is not stale, as long as the patience lasts.
async fn patiently<F, R>(patience: Patience, ask: F) -> Result<Page, ReplayError>
where
    F: Fn() -> R,
    R: Future<Output = Result<Page, (bool, ReplayError)>>,
{
    let until = Instant::now() + patience.away;
    loop {
        let refused = match ask().await {
            Ok(page) if !page.stale => return Ok(page),
            Ok(_) => ReplayError::Stale,
            Err((true, error)) => return Err(error),
            Err((false, error)) => error,
        };
        if Instant::now() >= until {
            return Err(refused);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The first event is `created`; then every line, in its place, and nothing else.
fn compare(what: &str, plan: &Plan, speakers: &Speakers, acks: &Acks, entries: &[Entry]) -> Compared {
    let mut compared = Compared::new(what);
    match entries.first() {
        Some(first) if first.event.kind == EventKind::Created => {}
        _ => compared.add(Difference { line: 0, expected: "created".to_owned(), found: "something else".to_owned() }),
    }
    let lines = entries.get(1..).unwrap_or_default();
    for place in 0..plan.lines.len().max(lines.len()) {
        let expected = plan.lines.get(place).zip(acks.seqs.get(place));
        let expected = expected.map(|(planned, seq)| (planned.text.clone(), *seq, planned.speaker));
        let found = lines.get(place).map(|entry| as_line(speakers, entry));
        compared.compared += 1;
        if expected != found {
            let show = |side: Option<(String, Seq, usize)>| {
                side.map_or("nothing".to_owned(), |(text, seq, _)| format!("{seq} {text:?}"))
            };
            compared.add(Difference { line: place + 1, expected: show(expected), found: show(found) });
        }
    }
    compared
}

/// The line that an entry stands for, its place, and who says it.
fn as_line(speakers: &Speakers, entry: &Entry) -> (String, Seq, usize) {
    let event = &entry.event;
    let speaker = speakers.users.get(&event.from).copied();
    let nick = speaker.map_or("somebody else", |speaker| speakers.nicks[speaker].as_str());
    let text = match &event.kind {
        EventKind::Message => Line::of_body(&event.body, nick).map_or("no line".to_owned(), |line| line.to_string()),
        kind => format!("no message but {}", kind.as_str()),
    };
    (text, entry.seq, speaker.unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]
    use hdrhistogram::Histogram;
    use tidings_protocol::{Body, Event, Timestamp, UserId};

    use super::*;

    const LOG: &str = "=== a has joined\n[01:00] <a> x\n[01:00]  * b waves\n";

    fn user(speaker: usize) -> UserId {
        UserId::from_token("test", &speaker.to_string())
    }

    fn entry(seq: Seq, kind: EventKind, from: UserId, body: Body) -> Entry {
        Entry { seq, prev: None, n: None, event: Event::new(kind, from, None, Timestamp(0), body) }
    }

    /// What a right server answers, changed by `change`, compared with the file.
    fn differences(change: impl FnOnce(&mut Vec<Entry>)) -> u64 {
        let plan = Plan::of(LOG);
        let users = (0..plan.nicks.len()).map(|speaker| (user(speaker), speaker)).collect();
        let speakers = Speakers { users, nicks: plan.nicks.clone() };
        let acks = Acks { seqs: vec![5, 7, 8], latency_us: Histogram::new(3).unwrap() };
        let mut entries = vec![entry(2, EventKind::Created, user(0), Body::of(&serde_json::json!({})).unwrap())];
        for (planned, seq) in plan.lines.iter().zip(&acks.seqs) {
            entries.push(entry(*seq, EventKind::Message, user(planned.speaker), planned.line.body().unwrap()));
        }
        change(&mut entries);
        compare("history", &plan, &speakers, &acks, &entries).differences
    }

    #[test]
    fn the_file_equals_itself() {
        assert_eq!(differences(|_| {}), 0);
    }

    #[test]
    fn whatever_is_missing_double_swapped_or_changed_is_a_difference() {
        assert!(differences(Vec::clear) > 0);
        assert!(differences(|entries| drop(entries.remove(0))) > 0);
        assert!(differences(|entries| drop(entries.remove(2))) > 0);
        assert!(differences(|entries| drop(entries.pop())) > 0);
        assert!(differences(|entries| entries.push(entries[3].clone())) > 0);
        assert!(differences(|entries| entries.swap(2, 3)) > 0);
        assert!(differences(|entries| entries[2].seq = 6) > 0);
        assert!(differences(|entries| entries[2].event.from = user(2)) > 0);
        assert!(differences(|entries| entries[2].event.from = user(9)) > 0);
        assert!(differences(|entries| entries[2].event.kind = EventKind::Unreadable) > 0);
        let other = Body::of(&serde_json::json!({"text": "x ", "at": "01:00"})).unwrap();
        assert!(differences(|entries| entries[2].event.body = other) > 0);
    }
}
