//! What the machine can do without us: bare counterparts, each a process of its own.

pub(crate) mod echo;
pub(crate) mod publisher;

use anyhow::ensure;

/// Makes a stream: file, fsync as the server is set, batches allowed.
pub(crate) async fn create_stream(
    client: &async_nats::Client,
    name: &str,
    more: serde_json::Value,
) -> anyhow::Result<()> {
    let mut config = serde_json::json!({
        "name": name,
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "num_replicas": 1,
        "duplicate_window": 120_000_000_000u64,
        "allow_atomic": true,
    });
    if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
        config.extend(more.clone());
    }
    let reply = client.request(format!("$JS.API.STREAM.CREATE.{name}"), config.to_string().into()).await?;
    let answer: serde_json::Value = serde_json::from_slice(&reply.payload)?;
    ensure!(answer["error"].is_null(), "stream {name}: {}", answer["error"]);
    Ok(())
}
