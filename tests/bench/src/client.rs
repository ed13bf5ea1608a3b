//! A client with as little in it as will do: it measures the server, not itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tidings_protocol::{ChatId, ClientId, DeviceId, UserId};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How long one answer may take before the run fails.
const ANSWER: Duration = Duration::from_secs(30);

/// One socket.
pub(crate) struct Socket {
    ws: WebSocketStream<TcpStream>,
    /// Frames of the last message that nobody has read yet.
    rest: VecDeque<String>,
}

impl Socket {
    /// Connects to any WebSocket.
    pub(crate) async fn open(address: &str, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("could not connect")?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "tidings.v1".parse()?);
        let config = WebSocketConfig::default().read_buffer_size(2_048).write_buffer_size(0);
        let (ws, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { ws, rest: VecDeque::new() })
    }

    /// Connects and says hello; gives the welcome.
    pub(crate) async fn hello(
        address: &str,
        token: &str,
        since: Option<&str>,
    ) -> anyhow::Result<(Self, serde_json::Value)> {
        let mut socket = Self::open(address, "/v1/ws").await?;
        let hello = serde_json::json!({"id": 1, "type": "hello", "token": token, "device": DeviceId::generate(), "since": since});
        socket.write(hello.to_string()).await?;
        let welcome = socket.until("\"type\":\"welcome\"").await?;
        Ok((socket, serde_json::from_str(&welcome)?))
    }

    pub(crate) async fn write(&mut self, text: String) -> anyhow::Result<()> {
        self.ws.send(Message::text(text)).await.context("could not write")
    }

    /// The next text message, pings answered.
    pub(crate) async fn read(&mut self) -> anyhow::Result<String> {
        loop {
            match self.ws.next().await.context("the socket ended")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// Reads until a frame holds `mark`; gives that frame. An error frame before it fails the run.
    pub(crate) async fn until(&mut self, mark: &str) -> anyhow::Result<String> {
        let wait = async {
            loop {
                while let Some(frame) = self.rest.pop_front() {
                    if frame.contains(mark) {
                        return Ok(frame);
                    }
                    if frame.contains("\"type\":\"error\"") {
                        bail!("refused: {frame}");
                    }
                }
                let message = self.read().await?;
                self.rest.extend(message.split('\n').map(str::to_owned));
            }
        };
        tokio::time::timeout(ANSWER, wait).await.context("no answer in time")?
    }

    /// Sends one message and waits for its ack. Gives how long it took, or `None` for a refusal that passes.
    pub(crate) async fn send(&mut self, id: u64, chat: ChatId, text: &str) -> anyhow::Result<Option<Duration>> {
        let client_id = ClientId::generate();
        let frame = format!(
            r#"{{"id":{id},"type":"send","chat":"{chat}","client_id":"{client_id}","body":{{"text":"{text}"}}}}"#
        );
        let began = Instant::now();
        self.write(frame).await?;
        let mark = format!("{{\"type\":\"sent\",\"re\":{id},");
        let refused = format!("{{\"type\":\"error\",\"re\":{id},");
        let wait = async {
            loop {
                let message = self.read().await?;
                for frame in message.split('\n') {
                    if frame.starts_with(&mark) {
                        return Ok(Some(began.elapsed()));
                    }
                    if frame.starts_with(&refused) {
                        return Ok(None);
                    }
                }
            }
        };
        tokio::time::timeout(ANSWER, wait).await.context("no ack in time")?
    }
}

/// Calls over HTTP.
#[derive(Clone)]
pub(crate) struct Http {
    client: HttpClient<HttpConnector, Full<bytes::Bytes>>,
    address: String,
}

impl Http {
    pub(crate) fn new(address: &str) -> Self {
        Self { client: HttpClient::builder(TokioExecutor::new()).build_http(), address: address.to_owned() }
    }

    /// A page that is no JSON.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let request = hyper::Request::get(format!("http://{}{path}", self.address)).body(Full::default())?;
        let bytes = self.client.request(request).await?.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(bytes.into())?)
    }

    /// One call; anything but success fails the run.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<serde_json::Value> {
        let mut request = hyper::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(bytes::Bytes::new, |body| body.to_string().into());
        let response = self.client.request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{method} {path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

/// The id that the user of a development token has.
pub(crate) fn user_id(name: &str) -> UserId {
    UserId::from_token("tidings-dev", name)
}
