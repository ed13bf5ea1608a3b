//! Examples in documents, as tests: fenced blocks that say in their first line that they are executed.
//!
//! `json exchange NAME` and `http exchange NAME` have the form that docs/protocol.md describes; `sh test` is a script.
//! It protects documents from saying what is not so: what an answer has and the example has not is as wrong as what it
//! lacks. A question that only reads is asked again for a while when the answer does not fit, because rows follow the
//! log a moment later; nothing else is tried twice.

use std::collections::HashMap;

use serde_json::Value;

use crate::wait::until;
use crate::{Wire, http};

/// Times a reading question is asked before its answer is taken as it is.
const ASKED_MAX: u32 = 100;

/// A fenced block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// The line of the document where its content begins, from 1.
    pub line: usize,
    /// What stands behind the fence.
    pub info: String,
    /// The content.
    pub lines: Vec<String>,
}

/// The fenced blocks of a Markdown text whose first line begins with one of `infos`.
pub fn blocks(text: &str, infos: &[&str]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block { line: number + 2, info: info.trim().to_owned(), lines: Vec::new() });
            }
            (Some(block), None) => block.lines.push(line.to_owned()),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, None) => {}
        }
    }
    blocks.retain(|block: &Block| infos.iter().any(|info| block.info.starts_with(info)));
    blocks
}

/// Executes exchanges against one server, from top to bottom.
#[derive(Debug)]
pub struct Exchanges {
    url: String,
    sessions: HashMap<String, Wire>,
    values: Values,
}

/// What placeholders stand for.
type Values = HashMap<String, Value>;

impl Exchanges {
    /// Against the server at `url`.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), sessions: HashMap::new(), values: Values::new() }
    }

    /// Executes one block; what is not as it says fails, with its line.
    pub async fn execute(&mut self, block: &Block) {
        match block.info.split_once(" exchange ") {
            Some(("json", name)) => self.session(name, block).await,
            Some(("http", _)) => self.call(block).await,
            _ => unreachable!("line {}: {} is no exchange", block.line, block.info),
        }
    }

    async fn session(&mut self, name: &str, block: &Block) {
        let mut asked = None;
        for (number, line) in (block.line..).zip(&block.lines) {
            if line.starts_with("# session ") {
                let wire = Wire::connect(&self.url).await.unwrap();
                assert!(self.sessions.insert(name.to_owned(), wire).is_none(), "line {number}: {name} is open");
                continue;
            }
            let wire = self.sessions.get_mut(name).unwrap_or_else(|| unreachable!("line {number}: no session {name}"));
            let (way, frame) = document(number, line);
            if way == '>' {
                let frame = filled(&frame, &self.values);
                wire.text(&frame.to_string()).await;
                asked = Some(frame);
            } else {
                answered(wire, &frame, asked.take(), &mut self.values, number).await;
            }
        }
    }

    async fn call(&mut self, block: &Block) {
        let mut user = None;
        let (mut said, mut expected) = (Vec::new(), Vec::new());
        for line in &block.lines {
            match line.split_once(' ') {
                Some(("#", rest)) => user = rest.strip_prefix("as "),
                Some((">", rest)) => said.push(rest),
                Some(("<", rest)) => expected.push(rest),
                _ => unreachable!("line {}: {line}", block.line),
            }
        }
        let (method, path) = said[0].split_once(' ').unwrap();
        let path = filled_path(path, &self.values);
        let token = user.map(|user| self.values[&format!("{user}_token")].as_str().unwrap().to_owned());
        let body = said.get(1).map(|text| filled(&serde_json::from_str(text).unwrap(), &self.values).to_string());
        let status: u16 = expected[0].parse().unwrap();
        let document: Value = serde_json::from_str(expected[1]).unwrap();
        let mut left = if method == "GET" { ASKED_MAX } else { 1 };
        until("the answer of an example", async || {
            let body = body.as_ref().map(String::as_bytes);
            let answer = http::call(&self.url, method, &path, token.as_deref(), body).await.unwrap();
            left -= 1;
            let fits = fit(&document, &answer.body, &self.values);
            match fits {
                Ok(values) if answer.status == status => self.values = values,
                _ if left > 0 => return None,
                Ok(_) => unreachable!("line {}: status {} with {}", block.line, answer.status, answer.body),
                Err(why) => unreachable!("line {}: {why} in {}", block.line, answer.body),
            }
            Some(())
        })
        .await;
    }
}

/// Waits for the next frame, which must be this one.
async fn answered(wire: &mut Wire, expected: &Value, asked: Option<Value>, values: &mut Values, line: usize) {
    let only_reads = |asked: &Value| ["history", "chats", "sync", "ping"].iter().any(|kind| asked["type"] == *kind);
    let mut again = asked.filter(only_reads);
    let mut left = ASKED_MAX;
    until("the frame of an example", async || {
        let got = wire.take("a frame", |frame| frame["type"] != "tick" || expected["type"] == "tick").await;
        left -= 1;
        match fit(expected, &got, values) {
            Ok(now) => {
                *values = now;
                return Some(());
            }
            Err(why) if again.is_none() || left == 0 => unreachable!("line {line}: {why} in {got}"),
            Err(_) => {}
        }
        if let Some(asked) = &mut again {
            wire.text(&asked.to_string()).await;
        }
        None
    })
    .await;
}

/// `> {...}` or `< {...}`.
fn document(number: usize, line: &str) -> (char, Value) {
    let parts =
        line.split_once(' ').and_then(|(way, text)| Some((way.chars().next()?, serde_json::from_str(text).ok()?)));
    parts.unwrap_or_else(|| unreachable!("line {number}: {line}"))
}

/// Placeholders replaced by what they stand for.
fn filled(document: &Value, values: &Values) -> Value {
    match document {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => values.get(name).cloned().unwrap_or_else(|| unreachable!("${name} stands for nothing")),
            None => document.clone(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, values)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, values)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => document.clone(),
    }
}

fn filled_path(path: &str, values: &Values) -> String {
    let mut parts = path.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        match &values[name] {
            Value::String(text) => filled += text,
            value => filled += &value.to_string(),
        }
        filled += rest;
    }
    filled
}

/// The values with those that `got` gives to new placeholders, when it is what is expected; else the first place where
/// it is not.
fn fit(expected: &Value, got: &Value, values: &Values) -> Result<Values, String> {
    let mut values = values.clone();
    compare(expected, got, &mut values, "$").map(|()| values)
}

fn compare(expected: &Value, got: &Value, values: &mut Values, place: &str) -> Result<(), String> {
    let differs = |wanted: &Value| Err(format!("{place} is {got}, not {wanted},"));
    match (expected, got) {
        (Value::String(text), _) if text == "..." => Ok(()),
        (Value::String(text), _) if text.starts_with('$') => match values.get(&text[1..]) {
            Some(known) if known == got => Ok(()),
            Some(known) => differs(known),
            None => {
                values.insert(text[1..].to_owned(), got.clone());
                Ok(())
            }
        },
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            let pairs = wanted.iter().zip(items).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(at, (wanted, item))| compare(wanted, item, values, &format!("{place}[{at}]")))
        }
        (Value::Object(wanted), Value::Object(fields)) => {
            if let Some(extra) = fields.keys().find(|name| !wanted.contains_key(*name)) {
                return Err(format!("{place}.{extra} is not in the example"));
            }
            wanted.iter().try_for_each(|(name, wanted)| match fields.get(name) {
                Some(field) => compare(wanted, field, values, &format!("{place}.{name}")),
                None => Err(format!("{place}.{name} is missing")),
            })
        }
        _ if expected == got => Ok(()),
        _ => differs(expected),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_found_with_their_lines() {
        let text = "a\n```json exchange x\n> {}\n< {}\n```\n```sh\nno\n```\n```sh test\ntrue\n```\n";
        let found = blocks(text, &["json exchange", "sh test"]);
        let told: Vec<(usize, &str, usize)> =
            found.iter().map(|block| (block.line, block.info.as_str(), block.lines.len())).collect();
        assert_eq!(told, [(3, "json exchange x", 2), (10, "sh test", 1)]);
    }

    #[test]
    fn an_answer_fits_exactly_or_not_at_all() {
        let known = Values::from([("chat".to_owned(), json!("c"))]);
        let expected = json!({ "chat": "$chat", "seq": "$seq", "at": "...", "items": [1, "$seq"] });
        let fits = |got: Value| fit(&expected, &got, &known).map(|values| values["seq"].clone());
        assert_eq!(fits(json!({ "chat": "c", "seq": 7, "at": null, "items": [1, 7] })), Ok(json!(7)));
        for wrong in [
            json!({ "chat": "d", "seq": 7, "at": null, "items": [1, 7] }),
            json!({ "chat": "c", "seq": 7, "at": null, "items": [1, 8] }),
            json!({ "chat": "c", "seq": 7, "at": null, "items": [1] }),
            json!({ "chat": "c", "seq": 7, "items": [1, 7] }),
            json!({ "chat": "c", "seq": 7, "at": null, "items": [1, 7], "more": 1 }),
        ] {
            assert!(fits(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn placeholders_are_filled_in() {
        let values = Values::from([("chat".to_owned(), json!("c")), ("seq".to_owned(), json!(7))]);
        assert_eq!(filled(&json!({ "a": ["$chat", "$seq", "x"] }), &values), json!({ "a": ["c", 7, "x"] }));
        assert_eq!(filled_path("/v1/$chat/x?after=$seq&b=$chat", &values), "/v1/c/x?after=7&b=c");
    }
}
