//! The port's connections, over real sockets

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Extension};
use axum::routing::get;
use axum::{Router, body::Body};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http::{ConnectionSlot, HttpSettings, Served, serve};

/// A port with three calls: at once, waiting, and one that keeps its connection's slot.
struct Port {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<Served>,
    /// One permit lets one `/wait` end.
    go: Arc<Notify>,
    /// Told when a `/wait` begins.
    waits: Arc<Notify>,
    kept: Arc<Mutex<Vec<ConnectionSlot>>>,
}

async fn port(settings: HttpSettings, drain: Duration) -> Port {
    let (go, waits) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let kept: Arc<Mutex<Vec<ConnectionSlot>>> = Arc::default();
    let (wait_go, wait_waits, keep) = (go.clone(), waits.clone(), kept.clone());
    let wait = move || async move {
        wait_waits.notify_one();
        wait_go.notified().await;
        "done"
    };
    let keeping = move |Extension(slot): Extension<ConnectionSlot>| async move {
        keep.lock().push(slot);
        "kept"
    };
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    let router = Router::new().route("/peer", get(peer)).route("/wait", get(wait)).route("/keep", get(keeping));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let until = stop.clone();
    let served = tokio::spawn(async move { serve(listener, router, &settings, until, drain).await });
    Port { address, stop, served, go, waits, kept }
}

const LONG: Duration = Duration::from_secs(60);

impl Port {
    async fn open(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that comes in answer to `text`, until the other side closes.
    async fn say(&self, text: &str) -> String {
        let mut stream = self.open().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer is an end too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_request_knows_its_peer_and_a_stop_with_nothing_under_way_is_at_once() {
    let port = port(HttpSettings::default(), LONG).await;
    let answer = port.say(&request("/peer")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("127.0.0.1"), "{answer}");
    let mut idle = port.open().await;
    idle.write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0u8; 15];
    idle.read_exact(&mut first).await.unwrap();
    port.stop.cancel();
    assert_eq!(port.served.await.unwrap(), Served { cut: 0 });
    assert!(TcpStream::connect(port.address).await.is_err());
}

#[tokio::test]
async fn who_does_not_finish_a_head_is_gone() {
    let settings = HttpSettings { header_timeout: Duration::from_millis(50), ..HttpSettings::default() };
    let port = port(settings, LONG).await;
    for begun in ["", "GET /peer HT", "GET /peer HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let answer = port.say(begun).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // Idle after an answer counts too.
    let answer = port.say("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_head_has_a_bounded_size() {
    let port = port(HttpSettings { header_bytes_max: 8 * 1024, ..HttpSettings::default() }, LONG).await;
    let head = |bytes: usize| {
        format!("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(bytes))
    };
    assert!(port.say(&head(7 * 1024)).await.starts_with("HTTP/1.1 200"));
    assert!(port.say(&head(9 * 1024)).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_a_kept_slot_counts() {
    let port = port(HttpSettings { connections_max: 1, ..HttpSettings::default() }, LONG).await;
    let answer = port.say(&request("/keep")).await;
    assert!(answer.ends_with("kept"), "{answer}");
    let full = port.say(&request("/peer")).await;
    assert!(full.starts_with("HTTP/1.1 503"), "{full}");
    assert!(full.contains("retry-after: 2\r\n") && full.contains("\"code\":\"overloaded\""), "{full}");
    port.kept.lock().clear();
    // The slot of the connection itself goes with it, a moment after its last byte.
    while !port.say(&request("/peer")).await.starts_with("HTTP/1.1 200") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way() {
    let port = port(HttpSettings::default(), LONG).await;
    let mut stream = port.open().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    port.waits.notified().await;
    port.stop.cancel();
    // Nobody new is taken, who is under way still gets the answer, told that it is the last.
    while TcpStream::connect(port.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    port.go.notify_one();
    let answer = read_all(&mut stream).await;
    assert!(answer.ends_with("done") && answer.contains("connection: close"), "{answer}");
    assert_eq!(port.served.await.unwrap(), Served { cut: 0 });
}

#[tokio::test]
async fn a_stop_cuts_at_the_deadline() {
    let port = port(HttpSettings::default(), Duration::from_millis(50)).await;
    let mut stream = port.open().await;
    stream.write_all(request("/wait").as_bytes()).await.unwrap();
    port.waits.notified().await;
    port.stop.cancel();
    assert_eq!(port.served.await.unwrap(), Served { cut: 1 });
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let http = HttpSettings { body_timeout: Duration::from_millis(50), ..HttpSettings::default() };
    let world = super::world_with(crate::accounts::AuthSettings::default(), http).await;
    let never = futures_util::stream::pending::<Result<&[u8], std::io::Error>>();
    let got = world.call("POST", "/v1/auth/login", None, Body::from_stream(never)).await;
    assert_eq!(got.problem(), super::refused(tidings_protocol::ErrorCode::BadFrame));
    assert_eq!(got.json()["detail"], "the body did not arrive in time");
}
