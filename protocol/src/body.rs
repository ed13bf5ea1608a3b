//! The body of an event: a JSON object, kept as the text it came in.
//!
//! The server carries bodies, it does not understand them: unknown fields survive, and what a member reads is byte for
//! byte what the sender wrote (white space between tokens aside, which is dropped once, on the way in).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON object as compact text.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct Body(Box<RawValue>);

impl Body {
    /// A body from anything that serialises to a JSON object.
    ///
    /// # Errors
    /// When `value` does not serialise.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Length of the JSON text in bytes.
    pub fn len(&self) -> usize {
        self.as_str().len()
    }

    /// Whether the text is empty (it never is: the smallest body is `{}`).
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// Whether this is a JSON object.
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Reads the body as `T`.
    ///
    /// # Errors
    /// When the body is not of that shape.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// The `text` of a message body, when it has one.
    pub fn text(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Text {
            text: Option<String>,
        }
        self.read::<Text>().ok().and_then(|body| body.text)
    }
}

impl PartialEq for Body {
    /// Equal as JSON values: field order and white space do not make another body (R6 compares bodies).
    fn eq(&self, other: &Self) -> bool {
        if self.as_str() == other.as_str() {
            return true;
        }
        let value = |body: &Self| serde_json::from_str::<serde_json::Value>(body.as_str()).ok();
        value(self).is_some_and(|mine| value(other) == Some(mine))
    }
}
