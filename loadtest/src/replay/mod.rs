//! Replay of a channel log as one group chat, and the verdict.
//!
//! Strict order: a line is sent when the one before it is acknowledged, whoever sends, so the file's order is the order
//! in which the server was asked. Then three things are compared with the file, line by line: history read backwards
//! over HTTP, history read forwards over a socket, and what every connected client saw live.

mod error;
mod history;
mod people;
mod plan;
mod report;
mod send;
mod view;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tidings_client::DevTokens;
use tokio::time::Instant;

pub use self::error::{ReplayError, one_line};
use self::people::People;
pub use self::plan::Plan;
pub use self::report::{Difference, Report};
use crate::cli::ReplayArgs;

/// How the server may behave before it counts as unavailable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How long it may be away, and views may be behind.
    pub(crate) away: Duration,
    /// Whether a connection that breaks ends the replay.
    pub(crate) resume_on_cut: bool,
}

/// Replays a file and compares.
///
/// # Errors
/// [`ReplayError`] when there is no verdict.
pub async fn run(args: &ReplayArgs) -> Result<Report, ReplayError> {
    let text =
        std::fs::read_to_string(&args.file).map_err(|source| ReplayError::File { path: args.file.clone(), source })?;
    let tokens = match &args.token_key {
        Some(path) => DevTokens::of_key_file(path),
        None => DevTokens::of_installation(&args.data),
    };
    let tokens = tokens.map_err(ReplayError::Tokens)?;
    let plan = Plan::of(&text);
    let patience = Patience { away: Duration::from_secs(args.patience), resume_on_cut: args.resume_on_cut };
    let title = args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    replay(&plan, &title, &args.url, &tokens, args.rate, patience).await
}

async fn replay(
    plan: &Plan,
    title: &str,
    url: &str,
    tokens: &DevTokens,
    rate: Option<u32>,
    patience: Patience,
) -> Result<Report, ReplayError> {
    let bar = bar(plan);
    bar.set_message("connecting");
    let people = People::connect(plan, title, url, tokens, patience).await?;
    bar.set_message("replaying");
    let began = Instant::now();
    let acks = send::all(plan, &people, rate, &bar).await?;
    let took = began.elapsed();
    bar.set_message("reading history");
    let mut report = Report::new(plan, &people, &acks, took);
    report.add(history::backwards(plan, &people, &acks, patience).await?);
    report.add(history::forwards(plan, &people, &acks, patience).await?);
    bar.set_message("comparing live views");
    view::compare_all(plan, &people, &acks, patience, &mut report).await?;
    bar.finish_and_clear();
    report.reconnects = people.reconnects();
    people.close().await;
    Ok(report)
}

/// On a terminal only: indicatif draws nothing elsewhere.
fn bar(plan: &Plan) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(plan.lines.len() as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
