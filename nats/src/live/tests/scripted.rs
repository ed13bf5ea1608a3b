//! What a real server does rarely, from scripted ones: TLS asked for, silence, lame duck, damage.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Reader, chat, live_settings, nats_settings};
use crate::live::{DialError, Interruption, LiveError, LiveItem, LiveSettings, LiveSubject};

/// A listener that speaks first as `info` says.
struct Scripted {
    listener: TcpListener,
    info: String,
}

/// A connection of the reader, after the greeting.
struct Accepted(BufReader<TcpStream>);

impl Scripted {
    async fn bind(info: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let info = info.to_owned();
        Self { listener, info }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    async fn greet(&self) -> Accepted {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut accepted = Accepted(BufReader::new(stream));
        accepted.say(&format!("INFO {}\r\n", self.info)).await;
        accepted
    }

    /// Greets and answers the first ping.
    async fn accept(&self) -> Accepted {
        let mut accepted = self.greet().await;
        assert!(accepted.line().await.starts_with("CONNECT {"));
        assert_eq!(accepted.line().await, "PING");
        accepted.say("PONG\r\n").await;
        accepted
    }
}

impl Accepted {
    async fn say(&mut self, text: &str) {
        // The reader may have left already, which the test then sees elsewhere.
        let _ = self.0.get_mut().write_all(text.as_bytes()).await;
    }

    /// The next line; empty at the end.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.0.read_line(&mut line).await;
        line.trim_end().to_owned()
    }

    /// Reads up to and with the next ping, answers it, returns the subjects subscribed meanwhile.
    async fn confirm(&mut self) -> Vec<String> {
        let mut subjects = Vec::new();
        loop {
            let line = self.line().await;
            assert_ne!(line, "", "the reader left");
            if line == "PING" {
                self.say("PONG\r\n").await;
                return subjects;
            }
            let mut words = line.split(' ');
            if words.next() == Some("SUB") {
                subjects.push(words.next().unwrap().to_owned());
            }
        }
    }
}

fn message(subject: LiveSubject, seq: u64) -> String {
    let headers = format!(
        "NATS/1.0\r\nNats-Stream: CHAT_0\r\nNats-Sequence: {seq}\r\nNats-Last-Sequence: 0\r\nNats-Time-Stamp: 2026-01-02T03:04:05Z\r\n\r\n"
    );
    format!("HMSG {subject} 2 {} {}\r\n{headers}body\r\n", headers.len(), headers.len() + 4)
}

const PLAIN: &str = r#"{"server_name":"s","headers":true}"#;

#[tokio::test]
async fn a_server_that_wants_tls_is_refused_by_name() {
    let server = Scripted::bind(r#"{"headers":true,"tls_required":true}"#).await;
    let settings = LiveSettings { confirm_timeout_ms: 300, ..live_settings() };
    let reader = Reader::start(&nats_settings(server.port()), settings);
    let serving = tokio::spawn(async move {
        loop {
            server.greet().await;
        }
    });
    let refused = reader.live.confirmed().await.unwrap_err();
    serving.abort();
    assert!(
        matches!(&refused, LiveError::Unavailable { source, .. } if matches!(**source, DialError::TlsRequired)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn subscriptions_come_before_the_ping_that_confirms_them() {
    let server = Scripted::bind(PLAIN).await;
    let reader = Reader::start(&nats_settings(server.port()), live_settings());
    reader.live.subscribe(chat(1)).unwrap();
    let mut accepted = server.accept().await;
    let advisory = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.>".to_owned();
    assert_eq!(accepted.confirm().await, [advisory, chat(1).to_string()]);
    reader.live.confirmed().await.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_left() {
    let server = Scripted::bind(PLAIN).await;
    let mut reader = Reader::start(&nats_settings(server.port()), live_settings());
    let mut first = server.accept().await;
    first.confirm().await;
    reader.live.confirmed().await.unwrap();
    // Nothing is answered from here on; the connection stays open.
    let mut second = server.accept().await;
    second.confirm().await;
    assert_eq!(reader.next().await, LiveItem::Interrupted(Interruption::Reconnected));
    assert_eq!(reader.live.stats().connections, 2);
    drop(first);
}

#[tokio::test]
async fn a_lame_duck_is_left_for_a_server_it_told_of() {
    let other = Scripted::bind(PLAIN).await;
    let told = format!(r#"{{"headers":true,"connect_urls":["127.0.0.1:{}"]}}"#, other.port());
    let first = Scripted::bind(&told).await;
    let mut reader = Reader::start(&nats_settings(first.port()), live_settings());
    reader.live.subscribe(chat(1)).unwrap();
    let mut on_first = first.accept().await;
    on_first.confirm().await;
    reader.live.confirmed().await.unwrap();
    on_first.say("INFO {\"headers\":true,\"ldm\":true}\r\n").await;
    let mut on_other = other.accept().await;
    assert!(on_other.confirm().await.contains(&chat(1).to_string()));
    assert_eq!(reader.next().await, LiveItem::Interrupted(Interruption::Reconnected));
    on_other.say(&message(chat(1), 3)).await;
    assert_eq!(reader.event().await.seq, 3);
}

#[tokio::test]
async fn a_lame_duck_that_is_alone_is_kept_until_it_stops() {
    let server = Scripted::bind(PLAIN).await;
    let mut reader = Reader::start(&nats_settings(server.port()), live_settings());
    let mut accepted = server.accept().await;
    accepted.confirm().await;
    accepted.say("INFO {\"headers\":true,\"ldm\":true}\r\n").await;
    accepted.say(&message(chat(1), 1)).await;
    assert_eq!(reader.event().await.seq, 1);
    assert_eq!(reader.live.stats().connections, 1);
}

#[tokio::test]
async fn damage_ends_the_connection_and_what_came_before_it_is_kept() {
    let server = Scripted::bind(PLAIN).await;
    let mut reader = Reader::start(&nats_settings(server.port()), live_settings());
    for damage in [
        "MSG live.chat.x 1 -5\r\n",
        "MSG live.chat.x 1 99999999999999999999\r\n",
        "nonsense\r\n",
        "MSG live.chat.x 1 2\r\nabcd\r\n",
    ] {
        let mut accepted = server.accept().await;
        accepted.confirm().await;
        accepted.say(&message(chat(1), 9)).await;
        accepted.say(damage).await;
        let mut item = reader.next().await;
        if item == LiveItem::Interrupted(Interruption::Reconnected) {
            item = reader.next().await;
        }
        assert!(matches!(item, LiveItem::Event(event) if event.seq == 9));
        while !accepted.line().await.is_empty() {}
    }
    server.accept().await.confirm().await;
    assert_eq!(reader.interruption().await, Interruption::Reconnected);
}

#[tokio::test]
async fn pings_are_answered() {
    let server = Scripted::bind(PLAIN).await;
    let _reader = Reader::start(&nats_settings(server.port()), live_settings());
    let mut accepted = server.accept().await;
    accepted.confirm().await;
    accepted.say("PING\r\nPING\r\n").await;
    let mut answers = 0;
    while answers < 2 {
        match accepted.line().await.as_str() {
            "PONG" => answers += 1,
            "PING" => accepted.say("PONG\r\n").await,
            other => unreachable!("{other}"),
        }
    }
}
