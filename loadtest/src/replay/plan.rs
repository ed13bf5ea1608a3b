//! What is replayed: the lines, who says each, and what it is sent as.

use std::collections::BTreeMap;

use crate::line::{Line, lines};

/// Who says what is no message.
pub(crate) const CHANNEL: usize = 0;
/// The name under which they say it.
pub(crate) const CHANNEL_NICK: &str = "channel";

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lines in the order of the file.
    pub lines: Vec<Planned>,
    /// Who speaks; the first is the channel itself, which owns the chat.
    pub nicks: Vec<String>,
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// As in the file.
    pub text: String,
    /// What it is.
    pub line: Line,
    /// Place of the speaker in [`Plan::nicks`].
    pub speaker: usize,
}

impl Plan {
    /// Of a log's text.
    pub fn of(text: &str) -> Self {
        let mut nicks = vec![CHANNEL_NICK.to_owned()];
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let planned = lines(text).map(|text| {
            let line = Line::parse(text);
            let speaker = line.nick().map_or(CHANNEL, |nick| {
                *places.entry(nick.to_owned()).or_insert_with(|| {
                    nicks.push(nick.to_owned());
                    nicks.len() - 1
                })
            });
            Planned { text: text.to_owned(), line, speaker }
        });
        let lines = planned.collect();
        Self { lines, nicks }
    }

    /// The `sub` of a speaker's tokens: no account can have it as a handle, and "channel" is no nick.
    pub(crate) fn subject(&self, speaker: usize) -> String {
        match speaker {
            CHANNEL => "replay/channel".to_owned(),
            _ => {
                // Long ones are told apart by their hash; the server takes 256 bytes.
                let hash = xxhash_rust::xxh3::xxh3_64(self.nicks[speaker].as_bytes());
                let start: String = self.nicks[speaker].chars().take(40).collect();
                format!("replay/nick/{hash:016x}/{start}")
            }
        }
    }

    /// The name that others see: the nick, as far as a name may look like that.
    pub(crate) fn name(&self, speaker: usize) -> String {
        let name: String = self.nicks[speaker].chars().filter(|letter| !letter.is_control()).take(100).collect();
        if name.trim().is_empty() { "nameless".to_owned() } else { name.trim().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nick_speaks_for_itself_and_the_channel_for_the_rest() {
        let plan =
            Plan::of("[01:00] <a> x\n=== a is now known as b\n[01:01] <b> y\n[01:01] <a> z\n[01:01] <channel> w\n");
        let speakers: Vec<usize> = plan.lines.iter().map(|line| line.speaker).collect();
        assert_eq!(speakers, [1, CHANNEL, 2, 1, 3]);
        assert_eq!(plan.nicks, ["channel", "a", "b", "channel"]);
        assert_ne!(plan.subject(CHANNEL), plan.subject(3));
    }

    #[test]
    fn subjects_and_names_are_taken_by_the_server() {
        let long = format!("[01:00] <{}> x\n[01:00] <{}!> y\n[01:00] <\u{7f} > z\n", "ü".repeat(300), "ü".repeat(300));
        let plan = Plan::of(&long);
        assert_eq!(plan.nicks.len(), 4);
        assert_ne!(plan.subject(1), plan.subject(2));
        assert!((0..4).all(|speaker| plan.subject(speaker).len() <= 256));
        assert_eq!((plan.name(1).chars().count(), plan.name(3).as_str()), (100, "nameless"));
    }
}
