//! A text that must not be seen: it prints as `[hidden]`, whoever prints it, also inside a settings error.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};
use serde::{Serialize, Serializer};

/// A password or key. `Debug` hides it; [`Secret::reveal`] is the one way to its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text` from here on.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the call that needs it. Never for a log line or an error.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("[hidden]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Serde's own error for a wrong type quotes the value, so any type is taken here and refused without it.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Other(IgnoredAny),
        }
        match Given::deserialize(from)? {
            Given::Text(text) => Ok(Self(text)),
            Given::Other(_) => Err(D::Error::custom("must be a text: put it in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let secret: Secret = serde_json::from_str("\"hush-hush\"").unwrap();
        assert_eq!(secret.reveal(), "hush-hush");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[hidden]\"");
        for wrong in ["71717171", "[71717171]", "{\"a\":71717171}", "true"] {
            let said = serde_json::from_str::<Secret>(wrong).unwrap_err().to_string();
            assert!(said.contains("must be a text") && !said.contains("7171"), "{said}");
        }
    }
}
