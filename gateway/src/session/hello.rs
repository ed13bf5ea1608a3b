//! Hello: who is it, what moved since, and from where does live delivery go on (R14).
//!
//! It protects "nothing between the welcome and the first live event": first the hub listens for the user and holds
//! what comes, then the inbox is read at least as far as it was delivered to the user's other sessions, then everything
//! else; the token names the inbox place taken first. With a token and nothing moved, the store is not read.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_nats::{LogEvent, ReadMax, Subject};
use tidings_protocol::client_frame::Hello;
use tidings_protocol::inbox::InboxKind;
use tidings_protocol::limits::{Limits, PAGE_BYTES, PAGE_DEFAULT_ITEMS};
use tidings_protocol::server_frame::{ServerFrame, UnreadSums, Welcome};
use tidings_protocol::{ChatId, ChatSummary, ErrorCode, InboxEvent, Refusal, Seq, SessionId, UserCard, UserId};
use tokio::sync::oneshot;

use super::queue::QueueBounds;
use super::shared::SessionShared;
use crate::core::Core;
use crate::fanout::hub::Command;
use crate::fanout::progress::InboxPlace;
use crate::reads::{Overlay, add_inbox_event};
use crate::tokens::Claims;

/// Inbox events that a resume reads at most; more is a fresh start.
const RESUME_EVENTS: usize = 10_000;
/// Chats that a resume tells of at most.
const RESUME_CHATS: usize = 200;
/// Inbox events read at once.
const STEP: ReadMax = ReadMax { events: 1_000, bytes: PAGE_BYTES };
/// Clocks and delays between a window's end and its pointer in the log.
const WINDOW_SLACK_MS: u64 = 5_000;

/// A session that has said hello.
pub(super) struct Greeted {
    pub(super) shared: Arc<SessionShared>,
    pub(super) claims: Claims,
}

/// What a welcome is made of.
struct News {
    place: InboxPlace,
    chats: Vec<ChatSummary>,
    more: Option<String>,
    resumed: bool,
    stale: bool,
    /// Chats that may be moving between two pointers, and from where.
    attach: Vec<(ChatId, Seq)>,
}

/// Answers hello: the welcome is in the session's queue and the hub delivers from there on.
pub(super) async fn greet(core: &Core, re: u64, hello: &Hello) -> Result<Greeted, Refusal> {
    let mut claims = core.verifier.verify_fresh(&hello.token).await?;
    let card = core.accounts.identify(&claims).await?;
    claims.user = card.id;
    let bounds = QueueBounds { frames: core.settings.queue_frames, bytes: core.settings.queue_bytes };
    let shared = Arc::new(SessionShared::new(SessionId::generate(), card.id, bounds));
    let result = welcome(core, re, hello, card, &shared).await;
    if let Err(refusal) = result {
        close(core, shared.id).await;
        return Err(refusal);
    }
    Ok(Greeted { shared, claims })
}

/// Tells the hub that a session is gone.
pub(super) async fn close(core: &Core, session: SessionId) {
    // A hub that is gone has no sessions.
    let _ = core.hub.send(Command::Close { session }).await;
}

async fn welcome(
    core: &Core,
    re: u64,
    hello: &Hello,
    user: UserCard,
    shared: &Arc<SessionShared>,
) -> Result<(), Refusal> {
    let stopping = || Refusal::new(ErrorCode::Overloaded, "the gateway is stopping").after_ms(1_000);
    let (reply, seen) = oneshot::channel();
    core.hub.send(Command::Register { shared: shared.clone(), reply }).await.map_err(|_| stopping())?;
    let seen = seen.await.map_err(|_| stopping())?;
    // Not confirmed: the log is away, and the answer below says `stale`; tails are checked when it is back.
    let listening = core.live.confirmed().await.is_ok();
    let news = read_news(core, user.id, hello.since.as_deref(), seen, listening).await?;
    let frame = ServerFrame::Welcome(Welcome {
        re,
        user,
        session: shared.id,
        server_time: crate::ops::now(),
        unread: sums(&news.chats),
        chats: news.chats,
        more: news.more,
        resumed: news.resumed,
        since: core.token(shared.user, news.place),
        limits: Limits::current(core.settings.ping_interval_ms),
        stale: news.stale,
    });
    if let Some(text) = super::answer::text_of(&frame) {
        shared.push(text);
    }
    let joined = Command::Joined { session: shared.id, place: news.place, attach: news.attach };
    core.hub.send(joined).await.map_err(|_| stopping())
}

fn sums(chats: &[ChatSummary]) -> UnreadSums {
    UnreadSums {
        chats: chats.iter().filter(|chat| chat.unread > 0).count() as u64,
        messages: chats.iter().map(|chat| chat.unread).sum(),
    }
}

async fn read_news(
    core: &Core,
    user: UserId,
    since: Option<&str>,
    seen: Seq,
    listening: bool,
) -> Result<News, Refusal> {
    let now_ms = core.log.clock().now_ms().unwrap_or(0);
    let since = since.and_then(|since| core.place_of(user, since, now_ms)).filter(|_| listening && now_ms > 0);
    if let Some(since) = since {
        match resume(core, user, since, seen, now_ms).await {
            Ok(Some(news)) => return Ok(news),
            Ok(None) => {}
            Err(refusal) if refusal.code == ErrorCode::LogUnavailable => {}
            Err(refusal) => return Err(refusal),
        }
    }
    start_afresh(core, user, now_ms).await
}

/// Reads the inbox after the token. `None`: too much changed.
async fn resume(core: &Core, user: UserId, since: InboxPlace, seen: Seq, now_ms: u64) -> Result<Option<News>, Refusal> {
    let window_from = now_ms.saturating_sub(core.settings.max_window_ms + WINDOW_SLACK_MS);
    let look_from = look_from(core, user, since, window_from).await?;
    let mut overlay = Overlay::new();
    let mut recent: HashMap<ChatId, Seq> = HashMap::new();
    let mut place = InboxPlace { seq: since.seq, time_ms: now_ms };
    let mut take = |event: &LogEvent| {
        if event.seq > since.seq {
            add_inbox_event(&mut overlay, event);
            place.seq = event.seq;
        }
        if event.time_ms >= window_from
            && let Ok(InboxEvent { kind: InboxKind::Pointer(pointer), .. }) = InboxEvent::decode(&event.payload)
            && pointer.left_seq.is_none()
        {
            let known = recent.entry(pointer.chat).or_default();
            *known = pointer.seq.max(*known);
        }
    };
    let mut after = look_from;
    let mut taken = 0;
    loop {
        let run = core.log.read_after_at_least(&Subject::inbox(user), after, STEP, seen).await;
        let run = run.map_err(crate::reads::log_refusal)?;
        run.events.iter().for_each(&mut take);
        taken += run.events.len();
        after = after.max(run.reached);
        if run.complete {
            break;
        }
        if taken > RESUME_EVENTS {
            return Ok(None);
        }
    }
    if overlay.len() > RESUME_CHATS {
        return Ok(None);
    }
    let chats = changed(core, user, since.seq, overlay).await?;
    let attach = attach_at(&chats, recent);
    Ok(Some(News { place, chats, more: None, resumed: true, stale: false, attach }))
}

/// Chats pointed to shortly before the token may be moving as well: then the look begins earlier.
async fn look_from(core: &Core, user: UserId, since: InboxPlace, window_from: u64) -> Result<Seq, Refusal> {
    if since.time_ms < window_from {
        return Ok(since.seq);
    }
    let stream = core.log.shards().stream_of(&Subject::inbox(user));
    let first = core.log.seq_at(stream, window_from).await.map_err(crate::reads::log_refusal)?;
    Ok(since.seq.min(first.saturating_sub(1)))
}

/// The lines of the chats that moved. Nothing moved: nothing is read.
async fn changed(core: &Core, user: UserId, since: Seq, overlay: Overlay) -> Result<Vec<ChatSummary>, Refusal> {
    if overlay.is_empty() {
        return Ok(Vec::new());
    }
    let chats: Vec<ChatId> = overlay.keys().copied().collect();
    let watermark = core.reads.inbox_watermark(user).await?;
    let overlay = if watermark < since { core.reads.overlay(user, watermark).await? } else { overlay };
    let lines = core.reads.lines(user, &chats, &overlay).await?;
    Ok(newest_first(lines.iter().map(crate::reads::Line::summary).collect()))
}

/// No token, or none that can be resumed from: the newest chats.
async fn start_afresh(core: &Core, user: UserId, now_ms: u64) -> Result<News, Refusal> {
    let tail = core.log.last(&[Subject::inbox(user)]).await;
    let place = match tail {
        Ok(lasts) => {
            let seq = lasts.first().copied().flatten().map_or(0, |last| last.seq);
            InboxPlace { seq, time_ms: core.log.clock().now_ms().unwrap_or(now_ms) }
        }
        Err(_) => InboxPlace::default(),
    };
    let page = core.reads.list(user, None, PAGE_DEFAULT_ITEMS).await?;
    let known = |chat: &&ChatSummary| chat.left_seq.is_none();
    let attach = if page.stale {
        Vec::new()
    } else {
        page.chats
            .iter()
            .filter(known)
            .filter(|chat| page.moving.contains(&chat.id))
            .map(|chat| (chat.id, chat.newest.seq))
            .collect()
    };
    let stale = page.stale || place.time_ms == 0;
    Ok(News { place, chats: newest_first(page.chats), more: page.more, resumed: false, stale, attach })
}

fn newest_first(mut chats: Vec<ChatSummary>) -> Vec<ChatSummary> {
    chats.sort_by_key(|chat| std::cmp::Reverse((chat.newest.seq, chat.id)));
    chats
}

/// A chat that the welcome tells of is attached where its line ends; one that it does not, where its last pointer ends.
fn attach_at(chats: &[ChatSummary], recent: HashMap<ChatId, Seq>) -> Vec<(ChatId, Seq)> {
    let told: HashMap<ChatId, &ChatSummary> = chats.iter().map(|chat| (chat.id, chat)).collect();
    recent
        .into_iter()
        .filter_map(|(chat, pointed)| match told.get(&chat) {
            Some(summary) if summary.left_seq.is_some() => None,
            Some(summary) => Some((chat, summary.newest.seq)),
            None => Some((chat, pointed)),
        })
        .collect()
}
