//! Everybody of a log, connected: one client and one view each, and the chat they are in.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tidings_client::{Api, Client, ClientConfig, DevTokens, Events, Http, OfflineReason};
use tidings_protocol::{ChatId, ClientId, UserId};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::view::{Watcher, watch};
use super::{Patience, Plan, ReplayError, plan};

/// Connections made at once.
const CONNECTING: usize = 32;
/// How long the first connection may take: nobody waits two minutes to hear that the address is wrong.
const FIRST_CONNECTION: Duration = Duration::from_secs(20);
/// Between two attempts of a call that was refused for now.
const CALL_AGAIN: Duration = Duration::from_millis(500);

/// One speaker.
pub(super) struct Person {
    pub(super) client: Client,
    pub(super) user: UserId,
    pub(super) watcher: Arc<Watcher>,
}

/// Who is who.
#[derive(Debug)]
pub(super) struct Speakers {
    /// As in [`Plan::nicks`].
    pub(super) nicks: Vec<String>,
    /// Places in `nicks`.
    pub(super) users: HashMap<UserId, usize>,
}

/// See the module.
pub(super) struct People {
    /// In the order of [`Plan::nicks`].
    pub(super) all: Vec<Person>,
    pub(super) speakers: Speakers,
    pub(super) chat: ChatId,
    pub(super) patience: Patience,
    cut: Arc<Cut>,
    watching: JoinSet<()>,
}

/// The first connection that broke when none may.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub(super) seen: CancellationToken,
    pub(super) first: OnceLock<(String, OfflineReason)>,
}

impl People {
    /// Connects everybody, makes the chat with all of them in it, and waits until each has heard of it.
    pub(super) async fn connect(
        plan: &Plan,
        title: &str,
        url: &str,
        tokens: &DevTokens,
        patience: Patience,
    ) -> Result<Self, ReplayError> {
        let api = Http::new(url).with_token(tokens.source(plan.subject(plan::CHANNEL), plan.name(plan::CHANNEL)));
        let connect = |speaker: usize| {
            let source = tokens.source(plan.subject(speaker), plan.name(speaker));
            let api: Api = api.with_token(source.clone());
            Client::connect_sharing(ClientConfig::new(url, source), api)
        };
        let within = if patience.away < FIRST_CONNECTION { patience.away } else { FIRST_CONNECTION };
        let (owner, owner_events) = connect(plan::CHANNEL);
        let (owner, owner_events, owner_id) = online(plan, plan::CHANNEL, owner, owner_events, within).await?;
        let others = stream::iter(1..plan.nicks.len()).map(|speaker| {
            let (client, events) = connect(speaker);
            online(plan, speaker, client, events, patience.away)
        });
        let others: Vec<(Client, Events, UserId)> = others.buffered(CONNECTING).try_collect().await?;

        let run = ClientId::generate();
        let chat = ChatId::group(owner_id, run);
        let cut = Arc::new(Cut::default());
        let mut people = Self {
            all: Vec::with_capacity(plan.nicks.len()),
            speakers: Speakers { nicks: plan.nicks.clone(), users: HashMap::new() },
            chat,
            patience,
            cut,
            watching: JoinSet::new(),
        };
        for (client, events, user) in std::iter::once((owner, owner_events, owner_id)).chain(others) {
            people.add(client, events, user);
        }
        people.make_chat(title, run).await?;
        people.all_told().await?;
        Ok(people)
    }

    fn add(&mut self, client: Client, events: Events, user: UserId) {
        let speaker = self.all.len();
        let watcher = Arc::new(Watcher::default());
        let strict = (!self.patience.resume_on_cut).then(|| (self.cut.clone(), self.speakers.nicks[speaker].clone()));
        self.watching.spawn(watch(self.chat, events, watcher.clone(), strict));
        self.speakers.users.insert(user, speaker);
        self.all.push(Person { client, user, watcher });
    }

    async fn make_chat(&self, title: &str, run: ClientId) -> Result<(), ReplayError> {
        let members: Vec<UserId> = self.all.iter().skip(1).map(|person| person.user).collect();
        let title: String = format!("{run} {title}").chars().take(100).collect();
        let until = Instant::now() + self.patience.away;
        loop {
            match self.all[plan::CHANNEL].client.create_group(run, &title, &members).await {
                Ok(_) => return Ok(()),
                Err(error) if is_final(&error) || Instant::now() >= until => return Err(ReplayError::Create(error)),
                Err(_) => tokio::time::sleep(CALL_AGAIN).await,
            }
        }
    }

    async fn all_told(&self) -> Result<(), ReplayError> {
        let until = Instant::now() + self.patience.away;
        for (person, nick) in self.all.iter().zip(&self.speakers.nicks) {
            if timeout_at(until, person.watcher.told_of_chat()).await.is_err() {
                return Err(ReplayError::NotTold { who: nick.clone() });
            }
        }
        Ok(())
    }

    /// Waits for `work`, but not when a connection breaks that may not.
    pub(super) async fn unless_cut<F: Future>(&self, work: F) -> Result<F::Output, ReplayError> {
        tokio::select! {
            biased;
            () = self.cut.seen.cancelled() => Err(self.cut_error()),
            done = work => Ok(done),
        }
    }

    fn cut_error(&self) -> ReplayError {
        let (who, reason) = self.cut.first.get().cloned().unwrap_or(("somebody".to_owned(), OfflineReason::Silent));
        ReplayError::Cut { who, reason }
    }

    /// Connections made again.
    pub(super) fn reconnects(&self) -> u64 {
        self.all.iter().map(|person| person.watcher.reconnects()).sum()
    }

    /// Ends all clients and waits for those who watch them.
    pub(super) async fn close(mut self) {
        stream::iter(self.all.drain(..))
            .for_each_concurrent(CONNECTING, |person| async {
                let _ = person.client.close().await;
            })
            .await;
        while self.watching.join_next().await.is_some() {}
    }
}

/// A refusal that will be the same next time.
pub(super) fn is_final(error: &tidings_client::HttpError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.code.retry() == tidings_protocol::Retry::Never)
}

async fn online(
    plan: &Plan,
    speaker: usize,
    client: Client,
    mut events: Events,
    within: Duration,
) -> Result<(Client, Events, UserId), ReplayError> {
    let who = || plan.nicks[speaker].clone();
    match timeout(within, client.online()).await {
        Ok(Ok(user)) => Ok((client, events, user.id)),
        Ok(Err(reason)) => Err(ReplayError::Connect { who: who(), reason }),
        Err(_) => {
            let mut last = OfflineReason::Connect("no answer in time".to_owned());
            while let Some(event) = events.try_recv() {
                if let tidings_client::ClientEvent::Offline { reason, .. } = event {
                    last = reason;
                }
            }
            Err(ReplayError::Connect { who: who(), reason: last })
        }
    }
}
