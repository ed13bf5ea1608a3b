//! `connect_cost`: hello of a user with 5 chats and of one with 2,000: the same subscriptions, the same time, no store read
//! when nothing moved.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::client::{Http, Socket};
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::setup;
use crate::windows::{list, median_ratio};

const FEW: usize = 5;
const MANY: usize = 2_000;
const HELLOS: usize = 200;
const PAIRS: usize = 3;

pub(super) async fn measure() -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&[]).await?;
    let names = setup::users(&server, "user", MANY + 2).await?;
    let (few, many, others) = (&names[0], &names[1], &names[2..]);
    let pairs = |one: &String, count: usize| others[..count].iter().map(|other| (one.clone(), other.clone())).collect();
    setup::direct_chats(&server, pairs(few, FEW)).await?;
    setup::direct_chats(&server, pairs(many, MANY)).await?;
    until_listed(&server, many, MANY).await?;

    let few_since = token_of(&server, few).await?;
    let many_since = token_of(&server, many).await?;
    let subscriptions =
        (subscriptions_of(&server, few, &few_since).await?, subscriptions_of(&server, many, &many_since).await?);
    let (mut fews, mut manys, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let reads_before = server.metric("tidings_store_reads_total").await?;
    for _ in 0..PAIRS {
        fews.push(p99_ms(&server, few, Some(&few_since)).await?);
        manys.push(p99_ms(&server, many, Some(&many_since)).await?);
    }
    let reads = server.metric("tidings_store_reads_total").await? - reads_before;
    for name in [few, many] {
        fresh.push(p99_ms(&server, name, None).await?);
    }
    server.stop().await?;
    // One rule, three parts: the row's value is the ratio of times only when the other two hold.
    let same = subscriptions.0 == subscriptions.1 && reads == 0.0;
    Ok(vec![Row {
        name: "connect_cost",
        value: if same { median_ratio(&manys, &fews) } else { f64::INFINITY },
        unit: "times",
        bar: Bar::AtMost(1.5),
        shape: format!(
            "hello with a token, user with {MANY} chats against one with {FEW}, nothing moved, {HELLOS} hellos a window, {PAIRS} pairs, SQLite"
        ),
        detail: format!(
            "p99 ms many: {}; few: {}; subscriptions {} and {}; store reads {reads}; without a token p99 ms few, many: {}",
            list(&manys),
            list(&fews),
            subscriptions.1,
            subscriptions.0,
            list(&fresh)
        ),
    }])
}

/// Waits until the workers have written the whole list, and its pointers are older than the longest window, so that
/// nothing counts as moving.
async fn until_listed(server: &Server, name: &str, count: usize) -> anyhow::Result<()> {
    let (http, token) = (Http::new(&server.address), server.token(name)?);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (mut listed, mut cursor) = (0, String::new());
        loop {
            let page = http.call("GET", &format!("/v1/chats?limit=100{cursor}"), &token, None).await?;
            listed += page["chats"].as_array().map_or(0, Vec::len);
            match page["more"].as_str() {
                Some(more) => cursor = format!("&cursor={more}"),
                None => break,
            }
        }
        if listed >= count {
            break;
        }
        ensure!(Instant::now() < deadline, "the list has {listed} of {count} chats");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(70)).await;
    Ok(())
}

async fn token_of(server: &Server, name: &str) -> anyhow::Result<String> {
    let (_socket, welcome) = Socket::hello(&server.address, &server.token(name)?, None).await?;
    Ok(welcome["since"].as_str().context("no token")?.to_owned())
}

async fn subscriptions_of(server: &Server, name: &str, since: &str) -> anyhow::Result<i64> {
    let before = subscriptions(server).await?;
    let _socket = Socket::hello(&server.address, &server.token(name)?, Some(since)).await?;
    Ok(subscriptions(server).await? - before)
}

async fn subscriptions(server: &Server) -> anyhow::Result<i64> {
    // What an earlier session left is gone a moment later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stats = Http::new(&server.nats_monitor()?).call("GET", "/subsz", "", None).await?;
    stats["num_subscriptions"].as_i64().context("no num_subscriptions")
}

async fn p99_ms(server: &Server, name: &str, since: Option<&str>) -> anyhow::Result<f64> {
    let token = server.token(name)?;
    let mut times = Vec::with_capacity(HELLOS);
    for _ in 0..HELLOS {
        let began = Instant::now();
        let (_socket, welcome) = Socket::hello(&server.address, &token, since).await?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        ensure!(welcome["resumed"].as_bool() == Some(since.is_some()), "not resumed as asked: {welcome}");
    }
    times.sort_by(f64::total_cmp);
    Ok(times[HELLOS * 99 / 100])
}
