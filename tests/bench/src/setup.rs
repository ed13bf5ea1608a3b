//! Users and chats for a run.

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use tidings_protocol::{ChatId, ClientId};

use crate::client::{Http, Socket, user_id};
use crate::server::Server;

/// Calls of the set-up under way at once.
const AT_ONCE: usize = 32;

/// Names `prefix0` and so on, each a user that is there.
pub(crate) async fn users(server: &Server, prefix: &str, count: usize) -> anyhow::Result<Vec<String>> {
    let http = Http::new(&server.address);
    let names: Vec<String> = (0..count).map(|at| format!("{prefix}{at}")).collect();
    stream::iter(names.iter())
        .map(|name| {
            let http = http.clone();
            async move { http.call("GET", "/v1/me", &server.token(name)?, None).await.map(drop) }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(names)
}

/// One direct chat per user, with the next user in the ring: the sender of one chat is the receiver of another.
pub(crate) async fn ring_of_direct_chats(server: &Server, names: &[String]) -> anyhow::Result<Vec<ChatId>> {
    let pairs = (0..names.len()).map(|at| (names[at].clone(), names[(at + 1) % names.len()].clone()));
    direct_chats(server, pairs.collect()).await
}

/// A direct chat for each pair.
pub(crate) async fn direct_chats(server: &Server, pairs: Vec<(String, String)>) -> anyhow::Result<Vec<ChatId>> {
    let http = Http::new(&server.address);
    stream::iter(pairs)
        .map(|(one, other)| {
            let http = http.clone();
            async move {
                let body = serde_json::json!({"kind": "direct", "with": user_id(&other)});
                let chat = http.call("POST", "/v1/chats", &server.token(&one)?, Some(body)).await?;
                chat["id"].as_str().context("a chat without id")?.parse::<ChatId>().context("a chat's id")
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// A group with everybody in `names`, made by the first.
pub(crate) async fn group(server: &Server, names: &[String]) -> anyhow::Result<ChatId> {
    let members: Vec<_> = names[1..].iter().map(|name| user_id(name)).collect();
    let body =
        serde_json::json!({"kind": "group", "client_id": ClientId::generate(), "title": "bench", "members": members});
    let chat = Http::new(&server.address).call("POST", "/v1/chats", &server.token(&names[0])?, Some(body)).await?;
    chat["id"].as_str().context("a chat without id")?.parse::<ChatId>().context("a chat's id")
}

/// A socket for each user.
pub(crate) async fn sockets(server: &Server, names: &[String]) -> anyhow::Result<Vec<Socket>> {
    stream::iter(names)
        .map(|name| async move { Ok(Socket::hello(&server.address, &server.token(name)?, None).await?.0) })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
