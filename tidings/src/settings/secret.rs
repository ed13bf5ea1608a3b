//! A text that must not be seen: it prints as `[hidden]`, whoever prints it.

use std::fmt;

use serde::Deserialize;

/// A password or key. `Debug` hides it; [`Secret::reveal`] is the one way to its text.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Hides `text` from here on.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the call that needs it. Never for a log line or an error.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("[hidden]")
    }
}
