//! Lines of a user's list of chats: the rows as of the last pointers, the user's inbox after them, and each moved chat's
//! log after its pointer (R13).

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tidings_nats::Subject;
use tidings_protocol::cursor::ChatsCursor;
use tidings_protocol::{ChatId, ChatSummary, ErrorCode, Newest, Pointer, Refusal, UserId};
use tidings_schema::user_chats::{ListPlace, UserChatRow};

use super::fold::Line;
use super::inbox::{InboxNews, Overlay};
use super::{Reads, event_of, log_refusal, store_refusal};

/// Chats of one answer whose logs are read at once.
const CHATS_AT_ONCE: usize = 8;

/// Clocks and delays between a window's end and its pointer in the log.
const WINDOW_SLACK_MS: u64 = 5_000;

/// A page of a list.
#[derive(Debug)]
pub(crate) struct ListPage {
    /// Newest first.
    pub(crate) chats: Vec<ChatSummary>,
    /// Leads to the rest.
    pub(crate) more: Option<String>,
    /// The log could not be read.
    pub(crate) stale: bool,
    /// Chats with events so new that a pointer may still be waiting for the end of its window (R15).
    pub(crate) moving: HashSet<ChatId>,
}

impl Reads {
    /// One line.
    ///
    /// # Errors
    /// `no_such_chat`, `not_member`; `store_unavailable`, `log_unavailable`.
    pub(crate) async fn summary(&self, user: UserId, chat: ChatId) -> Result<ChatSummary, Refusal> {
        Ok(self.line(user, chat).await?.summary())
    }

    /// One line with what it is made of.
    pub(super) async fn line(&self, user: UserId, chat: ChatId) -> Result<Line, Refusal> {
        let watermark = self.inbox_watermark(user).await?;
        let overlay = self.overlay(user, watermark).await?;
        let mut lines = self.lines(user, &[chat], &overlay).await?;
        match lines.pop() {
            Some(line) => Ok(line),
            None => self.line_from_history(user, chat, overlay.get(&chat)).await,
        }
    }

    /// The lines of these chats, brought to the end of the log; chats that are not in the user's list yet are left out.
    pub(crate) async fn lines(&self, user: UserId, chats: &[ChatId], overlay: &Overlay) -> Result<Vec<Line>, Refusal> {
        let rows = self.user_chats().user_chats(user, chats).await.map_err(store_refusal)?;
        let seeds = chats.iter().zip(rows).filter_map(|(chat, row)| seed(user, row, overlay.get(chat)));
        Ok(self.complete(seeds.collect()).await?.0)
    }

    /// A page of the list after `cursor`, newest first. Without the log: as of the rows, `stale`.
    ///
    /// # Errors
    /// `store_unavailable`; `overloaded` when the workers are too far behind.
    pub(crate) async fn list(
        &self,
        user: UserId,
        cursor: Option<ChatsCursor>,
        limit: usize,
    ) -> Result<ListPage, Refusal> {
        let watermark = self.inbox_watermark(user).await?;
        let overlay = match self.overlay(user, watermark).await {
            Ok(overlay) => Some(overlay),
            Err(refusal) if refusal.code == ErrorCode::LogUnavailable => None,
            Err(refusal) => return Err(refusal),
        };
        let place = cursor.map(|cursor| ListPlace { newest_seq: cursor.newest_seq, chat: cursor.chat });
        let mut rows = self.user_chats().list(user, place, limit + 1).await.map_err(store_refusal)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|row| (row.pointer.newest.seq, row.pointer.chat));
        let more = last.filter(|_| more).map(|(newest_seq, chat)| ChatsCursor { user, newest_seq, chat }.to_string());
        let empty = Overlay::new();
        let known = overlay.as_ref().unwrap_or(&empty);
        let mut listed: Vec<ChatId> = rows.iter().map(|row| row.pointer.chat).collect();
        let mut seeds: Vec<Line> = rows
            .into_iter()
            .filter_map(|row| {
                let chat = row.pointer.chat;
                seed(user, Some(row), known.get(&chat))
            })
            .collect();
        if cursor.is_none() {
            // Chats that the inbox knows of and the rows do not: new ones, or ones that moved up from later pages.
            listed.sort_unstable();
            let extra: Vec<ChatId> = known
                .iter()
                .filter(|(chat, news)| news.pointer.is_some() && listed.binary_search(chat).is_err())
                .map(|(chat, _)| *chat)
                .collect();
            let rows = self.user_chats().user_chats(user, &extra).await.map_err(store_refusal)?;
            seeds.extend(extra.iter().zip(rows).filter_map(|(chat, row)| seed(user, row, known.get(chat))));
        }
        let mut stale = overlay.is_none();
        let mut moving = HashSet::new();
        let lines = if stale {
            seeds
        } else {
            match self.complete(seeds.clone()).await {
                Ok((lines, newest)) => {
                    moving = newest;
                    lines
                }
                Err(refusal) if refusal.code == ErrorCode::LogUnavailable => {
                    stale = true;
                    seeds
                }
                Err(refusal) => return Err(refusal),
            }
        };
        let mut chats: Vec<ChatSummary> = lines.iter().map(Line::summary).collect();
        chats.sort_by_key(|chat| std::cmp::Reverse((chat.newest.seq, chat.id)));
        Ok(ListPage { chats, more, stale, moving })
    }

    /// Brings lines to the end of the log: one question for all tails, and a read for each chat that moved. Tells also
    /// which chats have events within the last two windows.
    async fn complete(&self, lines: Vec<Line>) -> Result<(Vec<Line>, HashSet<ChatId>), Refusal> {
        let subjects: Vec<Subject> = lines.iter().map(|line| Subject::chat(line.chat())).collect();
        let lasts = self.log.last(&subjects).await.map_err(log_refusal)?;
        let from_ms = self.log.clock().now_ms().unwrap_or(0).saturating_sub(2 * self.max_window_ms + WINDOW_SLACK_MS);
        let moving = lines.iter().zip(&lasts);
        let moving = moving.filter(|(_, last)| last.is_some_and(|last| last.time_ms >= from_ms));
        let moving = moving.map(|(line, _)| line.chat()).collect();
        let lines = stream::iter(lines.into_iter().zip(lasts))
            .map(|(line, last)| async move {
                let moved = last.is_some_and(|last| last.seq > line.seq()) && !line.has_left();
                if moved { self.follow(line).await } else { Ok(line) }
            })
            .buffered(CHATS_AT_ONCE)
            .try_collect()
            .await?;
        Ok((lines, moving))
    }

    async fn follow(&self, mut line: Line) -> Result<Line, Refusal> {
        let (chat, after) = (line.chat(), line.seq());
        let scan = self.each_after(Subject::chat(chat), after, |event| {
            line.apply(event.seq, &event_of(event.time_ms, &event.payload));
            true
        });
        scan.await?;
        Ok(line)
    }

    /// A line for a chat that no pointer has told of yet: from its first event, while the log holds it, else from the
    /// chat's head and membership.
    async fn line_from_history(&self, user: UserId, chat: ChatId, news: Option<&InboxNews>) -> Result<Line, Refusal> {
        let membership = self.membership(chat, user).await?;
        membership.require_reader()?;
        let mut begun: Option<Line> = None;
        let mut first = true;
        let scan = self.each_after(Subject::chat(chat), 0, |event| {
            let decoded = event_of(event.time_ms, &event.payload);
            match (&mut begun, first) {
                (None, true) => begun = Line::begin(user, chat, event.seq, &decoded),
                (Some(line), _) => line.apply(event.seq, &decoded),
                (None, false) => {}
            }
            first = false;
            begun.is_some()
        });
        scan.await?;
        let mut line = match begun {
            Some(line) => line,
            None => self.line_from_head(user, chat).await?,
        };
        let read = self.user_chats().read_position(user, chat).await.map_err(store_refusal)?;
        for position in read.into_iter().chain(news.map(|news| news.read)) {
            line.move_read(position);
        }
        Ok(line)
    }

    async fn line_from_head(&self, user: UserId, chat: ChatId) -> Result<Line, Refusal> {
        let heads = self.history().heads(&[chat]).await.map_err(store_refusal)?;
        let head = heads.into_iter().next().flatten();
        let row = self.history().member(chat, user).await.map_err(store_refusal)?;
        let (Some(head), Some(row)) = (head, row) else {
            return Err(Refusal::new(ErrorCode::NoSuchChat, "no such chat"));
        };
        let pointer = Pointer {
            chat,
            first: head.seq,
            seq: head.seq,
            chat_kind: head.kind,
            title: head.title,
            with: None,
            members: head.members,
            role: row.role,
            joined_seq: row.joined_seq,
            left_seq: row.left_seq,
            newest: Newest { seq: head.seq, n: head.n, at: head.at, preview: head.preview, from: head.from },
            own: None,
            chat_changed: false,
        };
        self.follow(Line::new(user, pointer, tidings_protocol::inbox::Position::default())).await
    }
}

/// The newer of a row's pointer and the inbox's, with the higher read position.
fn seed(user: UserId, row: Option<UserChatRow>, news: Option<&InboxNews>) -> Option<Line> {
    let told = news.and_then(|news| news.pointer.clone());
    let (stored, read) = row.map_or((None, None), |row| (Some(row.pointer), Some(row.read)));
    let pointer = match (stored, told) {
        (Some(stored), Some(told)) => {
            if told.seq >= stored.seq {
                told
            } else {
                stored
            }
        }
        (stored, told) => stored.or(told)?,
    };
    let mut line = Line::new(user, pointer, read.unwrap_or_default());
    if let Some(news) = news {
        line.move_read(news.read);
    }
    Some(line)
}
