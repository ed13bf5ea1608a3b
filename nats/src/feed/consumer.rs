//! One ephemeral consumer and its pull requests.
//!
//! The consumer numbers what it delivers from 1 without a hole, so a lost delivery shows. Pull requests die with the
//! server that holds them, so each has an end and heartbeats, and silence means begin anew.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tidings_protocol::Seq;
use uuid::Uuid;

use super::FeedEvent;
use crate::headers;
use crate::log::{Log, LogError, number};
use crate::subjects::StreamName;

/// Most events of one pull request: what may wait in memory.
const PULL_EVENTS: usize = 1_000;
/// Most bytes of one pull request.
const PULL_BYTES: usize = 8 * 1024 * 1024;
/// How long one pull request stands.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// How often a server with nothing to give says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Silence for this long means that nobody is there.
const SILENCE: Duration = Duration::from_millis(2_500);
/// The server forgets a consumer that nobody asks for this long.
const INACTIVE: Duration = Duration::from_secs(30);
/// How often the connection is looked at while waiting.
const TICK: Duration = Duration::from_millis(100);

/// It cannot be trusted any more: begin anew.
#[derive(Debug)]
pub(super) struct Broken;

#[derive(Debug)]
pub(super) struct Consumer {
    log: Log,
    stream: StreamName,
    name: String,
    inbox: String,
    messages: Subscriber,
    /// The number of the last delivery.
    delivered: u64,
    /// What the open pull request may still give.
    asked: usize,
    /// How long we have waited since anything came.
    silent: Duration,
    /// How often the client had connected when this began: a reconnect ends it.
    connects: u64,
}

/// What one message says.
enum Said {
    Event(Place),
    /// The pull request has ended.
    Ended,
    Nothing,
}

/// Where an event stands, from the reply subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    seq: Seq,
    delivery: u64,
    time_ms: u64,
}

impl Consumer {
    pub(super) async fn open(log: &Log, stream: StreamName, start: Seq) -> Result<Self, LogError> {
        let connects = connects(log);
        let name = format!("feed-{}", Uuid::new_v4().simple());
        let inbox = log.client().new_inbox();
        // Asked for first: without a connection nothing is tried.
        let body = json!({
            "stream_name": stream.to_string(),
            "action": "create",
            "config": {
                "name": name,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": start,
                "ack_policy": "none",
                "replay_policy": "instant",
                "mem_storage": true,
                "num_replicas": 1,
                "inactive_threshold": nanos(INACTIVE),
            },
        });
        let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.{name}");
        log.api_at::<Value>(stream, subject, &body).await?;
        let messages = log.subscribe(stream, inbox.clone()).await?;
        Ok(Self {
            log: log.clone(),
            stream,
            name,
            inbox,
            messages,
            delivered: 0,
            asked: 0,
            silent: Duration::ZERO,
            connects,
        })
    }

    /// Adds what is there to `events`, at most `max`, waiting for the first one up to `until`; `next` moves along.
    pub(super) async fn take(
        &mut self,
        events: &mut Vec<FeedEvent>,
        next: &mut Seq,
        max: usize,
        until: Instant,
    ) -> Result<(), Broken> {
        while events.len() < max {
            if self.asked == 0 {
                // Never waits with events in hand: a caller that goes away then would lose them.
                if !events.is_empty() {
                    return Ok(());
                }
                self.pull().await?;
            }
            let message = match events.is_empty() {
                true => self.wait_until(until).await,
                false => self.messages.next().now_or_never(),
            };
            match message {
                Some(Some(message)) => events.extend(self.read(message, next)?),
                Some(None) => return Err(Broken),
                None if !events.is_empty() => return Ok(()),
                None => {
                    self.must_be_alive()?;
                    if Instant::now() >= until {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    async fn wait_until(&mut self, until: Instant) -> Option<Option<Message>> {
        let left = until.saturating_duration_since(Instant::now()).min(TICK);
        let came = tokio::time::timeout(left, self.messages.next()).await.ok();
        if came.is_none() {
            self.silent += left;
        }
        came
    }

    fn must_be_alive(&self) -> Result<(), Broken> {
        match self.silent < SILENCE && self.connects == connects(&self.log) {
            true => Ok(()),
            false => Err(Broken),
        }
    }

    async fn pull(&mut self) -> Result<(), Broken> {
        let body = json!({
            "batch": PULL_EVENTS,
            "max_bytes": PULL_BYTES,
            "expires": nanos(PULL_EXPIRES),
            "idle_heartbeat": nanos(HEARTBEAT),
        });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.name);
        let client = self.log.client();
        let asking = client.publish_with_reply(subject, self.inbox.clone(), body.to_string().into());
        match tokio::time::timeout(SILENCE, asking).await {
            Ok(Ok(())) => {
                self.asked = PULL_EVENTS;
                Ok(())
            }
            _ => Err(Broken),
        }
    }

    fn read(&mut self, message: Message, next: &mut Seq) -> Result<Option<FeedEvent>, Broken> {
        self.silent = Duration::ZERO;
        let place = match said(&message)? {
            Said::Nothing => return Ok(None),
            Said::Ended => {
                self.asked = 0;
                return Ok(None);
            }
            Said::Event(place) => place,
        };
        if place.delivery != self.delivered + 1 || place.seq < *next {
            return Err(Broken);
        }
        self.delivered = place.delivery;
        self.asked = self.asked.saturating_sub(1);
        if place.seq > *next {
            // Streams of the log lose events by age only.
            tracing::error!(stream = %self.stream, from = *next, to = place.seq, "events expired before they were read");
        }
        *next = place.seq + 1;
        self.log.clock().observe(place.time_ms);
        let Ok(subject) = message.subject.parse() else {
            tracing::warn!(stream = %self.stream, seq = place.seq, "event on an unknown subject passed over");
            return Ok(None);
        };
        let given = message.headers.as_ref();
        let deadline = given.and_then(|given| number(given, headers::DEADLINE));
        Ok(Some(FeedEvent {
            subject,
            seq: place.seq,
            time_ms: place.time_ms,
            void: headers::is_void(deadline, place.time_ms),
            payload: message.payload,
        }))
    }
}

fn said(message: &Message) -> Result<Said, Broken> {
    match message.status.map(|status| status.as_u16()) {
        None => {
            let reply = message.reply.as_ref().ok_or(Broken)?;
            place_of(reply.as_str()).map(Said::Event).ok_or(Broken)
        }
        // A heartbeat.
        Some(100) => Ok(Said::Nothing),
        // Nothing there, or the request's time is over.
        Some(404 | 408) => Ok(Said::Ended),
        Some(409) => {
            let text = message.description.as_deref().unwrap_or_default().to_lowercase();
            // Its bound is reached: the rest with the next request. Anything else is the end of the consumer.
            match text.contains("maxbytes") || text.contains("batch completed") {
                true => Ok(Said::Ended),
                false => Err(Broken),
            }
        }
        Some(_) => Err(Broken),
    }
}

/// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<delivery>.<time>.<pending>`, or the newer form with domain and
/// account before the stream.
fn place_of(reply: &str) -> Option<Place> {
    let parts: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let from = match parts.len() {
        7 => 3,
        9.. => 5,
        _ => return None,
    };
    let part = |n: usize| parts.get(from + n)?.parse::<u64>().ok();
    Some(Place { seq: part(0)?, delivery: part(1)?, time_ms: part(2)? / 1_000_000 })
}

fn connects(log: &Log) -> u64 {
    log.client().statistics().connects.load(Ordering::Relaxed)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_reply_give_the_place() {
        let place = Some(Place { seq: 42, delivery: 7, time_ms: 1_795_227_069_123 });
        assert_eq!(place_of("$JS.ACK.CHAT_0.feed-1.1.42.7.1795227069123456789.0"), place);
        assert_eq!(place_of("$JS.ACK._.hash.CHAT_0.feed-1.1.42.7.1795227069123456789.0.rnd"), place);
        assert_eq!(place_of("$JS.ACK._.hash.CHAT_0.feed-1.1.42.7.1795227069123456789.0"), place);
        for strange in ["_INBOX.1", "$JS.ACK.CHAT_0.feed", "$JS.ACK.a.b.c.d.e.f.g"] {
            assert_eq!(place_of(strange), None);
        }
    }
}
