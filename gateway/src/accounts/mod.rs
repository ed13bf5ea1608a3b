//! People: accounts with a handle and a password, and who a token's bearer is.

pub mod handle;
pub mod user_ref;

pub use handle::Handle;
pub use user_ref::{BadUserRef, UserRef};

use tidings_protocol::{ErrorCode, Refusal};
use tidings_schema::StoreError;

/// How long a client waits before it asks a store again that could not be reached.
const STORE_RETRY_AFTER_MS: u64 = 1_000;

/// The one place where an error of the directory becomes a refusal; it is logged here.
pub(crate) fn store_refusal(error: StoreError) -> Refusal {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    tracing::warn!(%error, source, "directory store failed");
    match error {
        StoreError::Unavailable { .. } => {
            Refusal::new(ErrorCode::StoreUnavailable, "the store cannot be reached").after_ms(STORE_RETRY_AFTER_MS)
        }
        StoreError::Damaged { .. } | StoreError::Version { .. } => {
            Refusal::new(ErrorCode::Internal, "a stored row cannot be read")
        }
    }
}
