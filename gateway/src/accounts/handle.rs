//! Handles: unique names of users, in one form only.

use std::fmt;

use tidings_protocol::Refusal;
use tidings_protocol::limits::HANDLE_CHARS;

/// A handle in its one form: lower case, without `@`, of `a-z 0-9 _ . -`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Handle(String);

impl Handle {
    /// Brings a text into the one form: a leading `@` is dropped, ASCII letters become lower case.
    ///
    /// # Errors
    /// `bad_field` for anything that is no handle then.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.strip_prefix('@').unwrap_or(text);
        // The characters are all ASCII, so bytes are characters once this has passed.
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !text.bytes().all(known) {
            return Err(Refusal::bad_field("handle", "only a-z, 0-9, '_', '.' and '-'"));
        }
        if !HANDLE_CHARS.contains(&text.len()) {
            let (least, most) = (HANDLE_CHARS.start(), HANDLE_CHARS.end());
            return Err(Refusal::bad_field("handle", &format!("{least} to {most} characters")));
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(Refusal::bad_field("handle", "begins with a letter or digit"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The text, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_form() {
        let form = |text: &str| Handle::parse(text).map(|handle| handle.0).ok();
        assert_eq!(form("alice"), Some("alice".to_owned()));
        assert_eq!(form("@Alice.B-2_x"), Some("alice.b-2_x".to_owned()));
        assert_eq!(form("ab"), Some("ab".to_owned()));
        assert_eq!(form(&"a".repeat(32)), Some("a".repeat(32)));
        for bad in ["", "a", "@", "@@ab", ".ab", "-ab", "a b", "älice", "a\u{130}", &"a".repeat(33)] {
            assert_eq!(form(bad), None, "{bad}");
        }
    }
}
