//! From errors of SQLite to the three a caller can act on. The one place where they are told apart.

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// What a call does and which table it is about, for its errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// What is being done: "reading entries".
    pub(super) doing: &'static str,
    /// The table whose rows it reads or writes.
    pub(super) table: &'static str,
}

impl Step {
    /// Opening the file.
    pub(super) const OPEN: Self = Self::new("opening the database", "sqlite");

    /// A step.
    pub(super) const fn new(doing: &'static str, table: &'static str) -> Self {
        Self { doing, table }
    }

    /// SQLite refused. Damage is told apart from an outage: asking again helps only with the latter.
    pub(super) fn failed(self, source: Error) -> StoreError {
        if is_damage(&source) {
            return StoreError::Damaged { table: self.table, why: source.to_string() };
        }
        self.unavailable(source)
    }

    /// The store did not do it in time, or cannot.
    pub(super) fn unavailable(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        StoreError::Unavailable { step: self.doing, source: source.into() }
    }
}

fn is_damage(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        Error::ToSqlConversionFailure(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::InvalidColumnType(..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn of(code: i32) -> StoreError {
        Step::OPEN.failed(Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn outages_and_damage_are_told_apart() {
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_READONLY,
        ] {
            assert!(matches!(of(code), StoreError::Unavailable { .. }), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CORRUPT_INDEX] {
            assert!(matches!(of(code), StoreError::Damaged { .. }), "{code}");
        }
    }
}
