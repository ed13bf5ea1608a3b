//! `idle_memory_spine`: memory of the gateway per idle session after hello.

use crate::proc::resident_bytes;
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::setup;

const SESSIONS: usize = 5_000;
/// Made before the first look, so that what grows once (pools, tables) is not counted per session.
const WARM_UP: usize = 500;

pub(super) async fn measure() -> anyhow::Result<Row> {
    let server = Server::start(&[]).await?;
    let names = setup::users(&server, "idle", WARM_UP + SESSIONS).await?;
    let _first = setup::sockets(&server, &names[..WARM_UP]).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = resident_bytes(server.pid()?)?;
    let _all = setup::sockets(&server, &names[WARM_UP..]).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let after = resident_bytes(server.pid()?)?;
    server.stop().await?;
    let per_session = after.saturating_sub(before) as f64 / SESSIONS as f64 / 1024.0;
    Ok(Row {
        name: "idle_memory_spine",
        value: per_session,
        unit: "KiB",
        bar: Bar::AtMost(16.0),
        shape: format!(
            "{SESSIONS} idle sessions of as many users after hello, resident memory of the whole process (gateway, workers, SQLite)"
        ),
        detail: format!("{} MiB before, {} MiB after", before >> 20, after >> 20),
    })
}
