//! What the HTTP calls make of answers, refusals and nonsense.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use tidings_client::protocol::client_frame::Send;
use tidings_client::protocol::{Body, ChatId, ClientId, ErrorCode};
use tidings_client::{Http, HttpError, TokenSource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers one call and gives what was asked.
async fn answering(status: &str, body: &str) -> (Http, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = Http::new(&format!("http://{}/", listener.local_addr().unwrap()));
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        let mut part = [0u8; 4096];
        loop {
            let count = stream.read(&mut part).await.unwrap();
            asked.extend_from_slice(&part[..count]);
            let text = String::from_utf8_lossy(&asked);
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    (http, asked)
}

fn token() -> TokenSource {
    TokenSource::Fixed("secret".to_owned())
}

#[tokio::test]
async fn a_message_goes_out_byte_for_byte_and_marked_when_it_is_a_retry() {
    let answer = r#"{"seq":42,"at":"2026-01-01T00:00:00.000Z","duplicate":true}"#;
    let (http, asked) = answering("200 OK", answer).await;
    let (chat, client_id) = (ChatId(uuid::Uuid::from_u128(1)), ClientId(uuid::Uuid::from_u128(2)));
    let body: Body = serde_json::from_str(r#"{"z":1.50,"a":"\u00e9"}"#).unwrap();
    let send = Send { chat, client_id, body, retry: true, after_seq: Some(7) };
    let stored = http.with_token(token()).put_message(&send).await.unwrap();
    assert_eq!((stored.seq, stored.duplicate, stored.client_id), (42, true, client_id));
    let asked = asked.await.unwrap();
    assert!(asked.starts_with(&format!("PUT /v1/chats/{chat}/messages/{client_id} HTTP/1.1\r\n")), "{asked}");
    assert!(asked.contains("authorization: Bearer secret\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"body":{"z":1.50,"a":"\u00e9"},"retry":true,"after_seq":7}"#), "{asked}");
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_wait() {
    let problem = r#"{"type":"about:blank","title":"x","status":429,"detail":"slow down","code":"rate_limited",
        "retry":"backoff","retry_after_ms":1500,"request_id":"r"}"#;
    let (http, asked) = answering("429 Too Many Requests", problem).await;
    let error = http.login("alice", "wrong wrong").await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.code, refusal.message.as_str()), (ErrorCode::RateLimited, "slow down"));
    assert_eq!(refusal.retry_after_ms, Some(1_500));
    assert!(!format!("{error:?}").contains("wrong wrong"));
    assert!(asked.await.unwrap().starts_with("POST /v1/auth/login "));
}

#[tokio::test]
async fn nonsense_and_nobody_are_told_apart() {
    let (http, _asked) = answering("502 Bad Gateway", "<html>").await;
    let error = http.with_token(token()).me().await.unwrap_err();
    assert!(matches!(error, HttpError::Form { status: 502, .. }), "{error:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Http::new(&format!("http://{nobody}")).with_token(token()).me().await.unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
}
