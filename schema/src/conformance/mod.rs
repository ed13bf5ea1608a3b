//! The suite that every store must pass, whatever it is made of.
//!
//! It protects R10 and R11: rows are functions of the log, so permuted, repeated and overlapping writes, a worker that
//! goes back, and two workers at once all end in equal rows; progress never speaks of rows that are not there. What is
//! random is made from a seed that a failure prints. It looks at stores through their traits only and never at their
//! files or tables.

mod directory;
mod dump;
mod folds;
mod history;
mod log;
mod model;
mod user_chats;

use std::sync::Arc;

use async_trait::async_trait;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::{DirectoryStore, HistoryStore, ProgressStore, StoreError, UserChatsStore};

pub use dump::history as dump_history;
pub use log::{LoggedEvent, chats, random_log, users};
pub use model::{Model, model_of};

/// Everything that a store does.
pub trait Store: HistoryStore + UserChatsStore + DirectoryStore + ProgressStore {}
impl<T: HistoryStore + UserChatsStore + DirectoryStore + ProgressStore> Store for T {}

/// Makes stores for the suite.
#[async_trait]
pub trait Factory: Send + Sync {
    /// A store without any rows.
    async fn empty(&self) -> Result<Arc<dyn Store>, StoreError>;
}

/// Runs the whole suite, `seeds` times with other random logs.
///
/// # Errors
/// When the store fails.
///
/// # Panics
/// When the store does not do what it must: the message names the check and the seed.
pub async fn run(factory: &dyn Factory, seeds: u64) -> Result<(), StoreError> {
    history::empty_store_knows_nothing(&*factory.empty().await?).await?;
    history::pages_meet_without_hole_or_repeat(&*factory.empty().await?).await?;
    history::members_page_by_user(&*factory.empty().await?).await?;
    history::progress_moves_up_with_the_rows(&*factory.empty().await?).await?;
    history::a_failed_write_moves_no_progress(&*factory.empty().await?).await?;
    user_chats::late_older_pointer_changes_nothing(&*factory.empty().await?).await?;
    user_chats::read_before_the_first_pointer_is_kept(&*factory.empty().await?).await?;
    user_chats::list_pages_through_equal_places(&*factory.empty().await?).await?;
    directory::accounts(&*factory.empty().await?).await?;
    directory::users_of_tokens(&*factory.empty().await?).await?;
    directory::one_handle_among_many_at_once(factory.empty().await?).await?;
    directory::refresh_tokens_are_used_once(factory.empty().await?).await?;
    directory::a_new_password_ends_all_log_ins(&*factory.empty().await?).await?;
    for seed in 0..seeds {
        let rng = || StdRng::seed_from_u64(seed);
        folds::fold_equals_model(&*factory.empty().await?, rng(), seed).await?;
        folds::any_rewind_gives_the_same(&*factory.empty().await?, rng(), seed).await?;
        folds::two_workers_at_once(&*factory.empty().await?, rng(), seed).await?;
        folds::any_order_gives_the_same(factory, rng(), seed).await?;
        user_chats::any_order_gives_the_same(factory, rng(), seed).await?;
    }
    Ok(())
}
