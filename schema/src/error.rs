//! Errors of a store. An outage is never a normal answer: it is not "no such row".

/// A store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is too slow, or is full. Asking again later may help.
    #[error("store unavailable while {step}")]
    Unavailable {
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row does not read as what was written: damage or a newer version.
    #[error("row of {table} does not read: {why}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The schema is newer than this program, or a migration stopped half way.
    #[error("schema is at version {found}, this program knows {known}")]
    Version {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
}
