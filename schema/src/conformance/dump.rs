//! Everything that a store holds of the chats and users of a random log, read through its traits.

use tidings_protocol::ChatId;
use tidings_protocol::inbox::Position;

use super::Store;
use super::log::{chats, users};
use super::model::Model;
use crate::StoreError;
use crate::history::{EntryRow, MemberRow, Range};
use crate::user_chats::{ListPlace, UserChatRow};

/// Small and odd, so that pages begin and end everywhere.
const PAGE: usize = 7;

/// All rows of all chats of a random log, in the order of [`super::model_of`].
///
/// # Errors
/// Those of the store.
pub async fn history(store: &dyn Store) -> Result<Model, StoreError> {
    let mut chats = chats();
    chats.sort_unstable();
    let mut model = Model { heads: store.heads(&chats).await?.into_iter().flatten().collect(), ..Model::default() };
    for chat in chats {
        model.entries.extend(entries(store, chat).await?);
        model.members.extend(members(store, chat, PAGE).await?);
    }
    Ok(model)
}

/// All entries of a chat, page by page forwards.
pub(super) async fn entries(store: &dyn Store, chat: ChatId) -> Result<Vec<EntryRow>, StoreError> {
    let mut all: Vec<EntryRow> = Vec::new();
    loop {
        let after = Range::After(all.last().map_or(0, |row| row.seq));
        let page = store.entries(chat, after, PAGE).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// All memberships of a chat.
pub(super) async fn members(store: &dyn Store, chat: ChatId, page_rows: usize) -> Result<Vec<MemberRow>, StoreError> {
    let mut all: Vec<MemberRow> = Vec::new();
    loop {
        let after = all.last().map(|row| row.user);
        let page = store.members(chat, after, page_rows).await?;
        let last = page.len() < page_rows;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// A user's list, page by page.
pub(super) async fn list(
    store: &dyn Store,
    user: tidings_protocol::UserId,
    page_rows: usize,
) -> Result<Vec<UserChatRow>, StoreError> {
    let mut all: Vec<UserChatRow> = Vec::new();
    loop {
        let place = all.last().map(|row| ListPlace { newest_seq: row.pointer.newest.seq, chat: row.pointer.chat });
        let page = store.list(user, place, page_rows).await?;
        let last = page.len() < page_rows;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// All lists and read positions of all users of a random log.
#[derive(PartialEq, Debug)]
pub(super) struct Lists {
    rows: Vec<UserChatRow>,
    reads: Vec<Option<Position>>,
}

/// Reads them.
pub(super) async fn lists(store: &dyn Store) -> Result<Lists, StoreError> {
    let mut lists = Lists { rows: Vec::new(), reads: Vec::new() };
    for user in users() {
        lists.rows.extend(list(store, user, 2).await?);
        for chat in chats() {
            lists.reads.push(store.read_position(user, chat).await?);
        }
    }
    Ok(lists)
}
