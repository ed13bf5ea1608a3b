//! A WebSocket server that answers each frame with as many bytes as an ack has, and does nothing else.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;

/// An ack of this size, with the mark that the load looks for.
const ACK: &str = r#"{"type":"sent","re":0,"chat":"00000000-0000-0000-0000-000000000000","client_id":"00000000-0000-0000-0000-000000000000","seq":1234567,"at":"2026-01-01T00:00:00.000Z","duplicate":false}"#;

/// Serves on a free port and prints it.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let upgrade = |upgrade: WebSocketUpgrade| async {
        upgrade.protocols(["tidings.v1"]).read_buffer_size(1_024).write_buffer_size(0).on_upgrade(echo)
    };
    axum::serve(listener, Router::new().route("/v1/ws", get(upgrade))).await?;
    Ok(())
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        // The number of the request, as the load counts on it.
        let number =
            text.split_once("\"id\":").and_then(|(_, rest)| rest.split_once(',')).map_or("0", |(number, _)| number);
        let answer = ACK.replacen("\"re\":0", &format!("\"re\":{number}"), 1);
        if socket.send(Message::text(answer)).await.is_err() {
            return;
        }
    }
}
