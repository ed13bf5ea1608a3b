//! The public port's connections.
//!
//! A connection costs an open file and memory before it has said who it is, so: a fixed number of them, a bounded time
//! for each head of a request (who sends a byte a minute is gone), a bounded size of it, and a slot that a socket made
//! of the connection keeps ([`ConnectionSlot`]), so that sockets count too. One connection too many is told so (503,
//! Retry-After) instead of left hanging; the tellers are few, and when they are busy too it is just closed.
//!
//! A stop lets requests under way finish until the deadline, then cuts them. Sockets are not waited for here: they
//! belong to the sessions, which drain by themselves.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::HeaderValue;
use axum::http::Request;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_protocol::{ErrorCode, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::HttpSettings;
use super::problem::{Problem, finish};

/// Connections too many that are told so at the same time.
const REFUSALS_AT_ONCE: usize = 64;
/// How long telling one may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// What one too many is told to wait.
const REFUSAL_RETRY_AFTER_MS: u64 = 2_000;
/// The pause after an accept that failed (no open files left): others may close meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection's place among `connections_max`, in the extensions of each of its requests. A socket made of the
/// connection keeps it as long as it is open: dropped, the place is free for another.
#[derive(Clone, Debug)]
pub struct ConnectionSlot {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// How serving ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Served {
    /// Connections that were cut because they were not done by the deadline.
    pub cut: usize,
}

/// Serves `router` on `listener` until `stop`, then lets what is under way finish for at most `drain`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &HttpSettings,
    stop: CancellationToken,
    drain: Duration,
) -> Served {
    let port = Port {
        router,
        refusal: refusal_router(),
        http: builder(settings),
        slots: Arc::new(Semaphore::new(settings.connections_max)),
        tellers: Arc::new(Semaphore::new(REFUSALS_AT_ONCE)),
        open: TaskTracker::new(),
        stop: stop.clone(),
        cut: CancellationToken::new(),
    };
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => port.take(stream, peer),
            // The other side was gone again; nothing is wrong here.
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    port.drain(drain).await
}

/// What all connections of the port share.
struct Port {
    router: Router,
    refusal: Router,
    http: http1::Builder,
    slots: Arc<Semaphore>,
    tellers: Arc<Semaphore>,
    /// Every connection that is no socket yet.
    open: TaskTracker,
    stop: CancellationToken,
    /// Ends what is still open at the deadline.
    cut: CancellationToken,
}

impl Port {
    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        // A frame is written whole: waiting to fill a packet only delays it. A socket that is gone already says so later.
        let _ = stream.set_nodelay(true);
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            let slot = ConnectionSlot { _permit: Arc::new(permit) };
            let connection = connection(&self.http, stream, self.router.clone(), (ConnectInfo(peer), slot));
            self.open.spawn(run(connection, self.stop.clone(), self.cut.clone()));
        } else if let Ok(teller) = Arc::clone(&self.tellers).try_acquire_owned() {
            let connection = connection(&self.http, stream, self.refusal.clone(), (ConnectInfo(peer), ()));
            let (stop, cut) = (self.stop.clone(), self.cut.clone());
            self.open.spawn(async move {
                // What was not told in time is closed.
                let _ = tokio::time::timeout(REFUSAL_TIMEOUT, run(connection, stop, cut)).await;
                drop(teller);
            });
        }
    }

    async fn drain(self, drain: Duration) -> Served {
        let deadline = Instant::now() + drain;
        self.open.close();
        if tokio::time::timeout_at(deadline, self.open.wait()).await.is_ok() {
            return Served { cut: 0 };
        }
        let cut = self.open.len();
        self.cut.cancel();
        self.open.wait().await;
        Served { cut }
    }
}

fn builder(settings: &HttpSettings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(settings.header_bytes_max)
        .max_header_size(settings.header_bytes_max);
    http
}

type Connection<S> = http1::UpgradeableConnection<TokioIo<TcpStream>, S>;

/// A connection whose requests go to `router`, each with `about` the connection in its extensions.
fn connection<A: Clone + Send + Sync + 'static>(
    http: &http1::Builder,
    stream: TcpStream,
    router: Router,
    about: (ConnectInfo<SocketAddr>, A),
) -> Connection<
    impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + Send + use<A>,
> {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(about.0);
        request.extensions_mut().insert(about.1.clone());
        // A router is always ready.
        router.clone().call(request)
    });
    http.serve_connection(TokioIo::new(stream), service).with_upgrades()
}

/// Until the other side is done, became a socket, broke the rules, or the port stops.
async fn run<S>(connection: Connection<S>, stop: CancellationToken, cut: CancellationToken)
where
    S: hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + Send,
{
    let mut connection = std::pin::pin!(connection);
    let work = async {
        tokio::select! {
            done = connection.as_mut() => return done,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    // Broken connections are everyday: who was there sees it, nobody here can do anything.
    if let Some(Err(error)) = cut.run_until_cancelled(work).await {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Answers everything with "full", and closes.
fn refusal_router() -> Router {
    let full = || async {
        let refusal = Refusal::new(ErrorCode::Overloaded, "too many connections");
        let mut response: Response = Problem(refusal.after_ms(REFUSAL_RETRY_AFTER_MS)).into_response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    };
    Router::new().fallback(full).layer(axum::middleware::from_fn(finish))
}

fn is_of_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
