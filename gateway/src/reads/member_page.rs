//! A page of a chat's members: rows at the watermark, corrected by the log after it.

use std::collections::BTreeMap;

use tidings_nats::Subject;
use tidings_protocol::chat::MemberCard;
use tidings_protocol::{ChatId, Event, EventKind, Refusal, Seq, UserId};

use super::{Membership, Reads, event_of, store_refusal};

/// Rows read at once.
const STEP_ROWS: usize = 1_000;

impl Reads {
    /// Up to `limit` members with a user id greater than `after`, in order of user id.
    ///
    /// # Errors
    /// `store_unavailable`, `log_unavailable`.
    pub(crate) async fn member_page(
        &self,
        chat: ChatId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<MemberCard>, Refusal> {
        let changes = self.changes_after_watermark(chat).await?;
        let mut changed = self.changed_members(chat, &changes).await?;
        changed.retain(|user, _| after.is_none_or(|after| *user > after));
        let mut members = Vec::new();
        let mut place = after;
        loop {
            let rows = self.history().members(chat, place, STEP_ROWS).await.map_err(store_refusal)?;
            let end = rows.last().map(|row| row.user).filter(|_| rows.len() == STEP_ROWS);
            let mut step: BTreeMap<UserId, MemberCard> = rows
                .into_iter()
                .filter_map(|row| {
                    Some((row.user, MemberCard { user: row.user, role: row.role?, joined_seq: row.joined_seq }))
                })
                .collect();
            let later = end.map_or_else(BTreeMap::new, |end| {
                let mut later = changed.split_off(&end);
                // `split_off` takes the end itself along; it belongs to this step.
                if let Some(now) = later.remove(&end) {
                    changed.insert(end, now);
                }
                later
            });
            for (user, now) in std::mem::replace(&mut changed, later) {
                match now.role {
                    Some(role) => step.insert(user, MemberCard { user, role, joined_seq: now.joined_seq }),
                    None => step.remove(&user),
                };
            }
            members.extend(step.into_values());
            place = end;
            if place.is_none() || members.len() >= limit {
                members.truncate(limit);
                return Ok(members);
            }
        }
    }

    async fn changes_after_watermark(&self, chat: ChatId) -> Result<Vec<(Seq, Event)>, Refusal> {
        let watermark = self.watermark(chat).await?;
        let mut changes = Vec::new();
        let scan = self.each_after(Subject::chat(chat), watermark, |event| {
            let decoded = event_of(event.time_ms, &event.payload);
            if decoded.kind.changes_chat() && decoded.kind != EventKind::Renamed {
                changes.push((event.seq, decoded));
            }
            true
        });
        scan.await?;
        Ok(changes)
    }

    /// The standing, as of the end of the log, of everybody whom the changes are about.
    async fn changed_members(
        &self,
        chat: ChatId,
        changes: &[(Seq, Event)],
    ) -> Result<BTreeMap<UserId, Membership>, Refusal> {
        let heads = self.history().heads(&[chat]).await.map_err(store_refusal)?;
        let kind = heads.into_iter().next().flatten().map(|head| head.kind);
        let mut about = std::collections::BTreeSet::new();
        for (_, event) in changes {
            about.extend(event.created().into_iter().flat_map(|created| created.members));
            about.extend(event.member_change().map(|change| change.user));
        }
        let mut changed = BTreeMap::new();
        for user in about {
            let row = self.history().member(chat, user).await.map_err(store_refusal)?;
            let mut membership = Membership::of_row(kind, row.as_ref());
            for (seq, event) in changes {
                membership.apply(user, *seq, event);
            }
            changed.insert(user, membership);
        }
        Ok(changed)
    }
}
