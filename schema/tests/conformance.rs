//! The suite of all stores, on SQLite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tidings_schema::conformance::{self, Factory, Store};
use tidings_schema::{SqliteStore, StoreError};

struct Files {
    folder: tempfile::TempDir,
    next: AtomicU64,
}

#[async_trait]
impl Factory for Files {
    async fn empty(&self) -> Result<Arc<dyn Store>, StoreError> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("{n}.sqlite"));
        Ok(SqliteStore::open(&path)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_passes() -> Result<(), Box<dyn std::error::Error>> {
    let files = Files { folder: tempfile::tempdir()?, next: AtomicU64::new(0) };
    conformance::run(&files, 8).await?;
    Ok(())
}
