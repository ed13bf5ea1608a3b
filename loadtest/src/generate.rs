//! A made-up channel log with every form of line that real ones have. The same seed makes the same log.

use std::fmt::Write;

/// Nicks as people choose them.
const NICKS: [&str; 16] = [
    "alice", "bob", "carol`", "[dave]", "e^ve", "f|rank", "g\\race", "heidi-", "iv an", " judy", "[FiDo] ", "mallory_",
    "Oo[N] Oo", "ünal", "x", "zoë2",
];
/// Words, odd ones among them.
const WORDS: [&str; 20] = [
    "sudo",
    "apt-get",
    "the",
    "and",
    "<b>",
    ">",
    "http://example.org/?a=1&b=2",
    "\u{8}",
    "\u{7f}",
    "\t",
    "\"quoted\"",
    "\\",
    "naïve",
    "🦀",
    "  ",
    "*",
    "===",
    "{\"json\":null}",
    "not",
    "found:",
];

/// A log of `lines` lines, with a line feed after each.
pub fn text(lines: usize, seed: u64) -> String {
    let mut random = Random(seed);
    let mut text = String::with_capacity(lines * 64);
    let mut minutes = random.below(60);
    for _ in 0..lines {
        minutes += random.below(8) / 7;
        line(&mut text, minutes, &mut random);
        text.push('\n');
    }
    text
}

fn line(text: &mut String, minutes: usize, random: &mut Random) {
    let (nick, other) = (random.of(&NICKS), random.of(&NICKS));
    let at = format!("[{:02}:{:02}]", minutes / 60 % 24, minutes % 60);
    // Writing into a String cannot fail.
    let _ = match random.below(40) {
        0..=28 => write!(text, "{at} <{nick}> {}", words(random)),
        29 => write!(text, "{at} <{nick}>"),
        30 => write!(text, "{at} <{nick}> "),
        31 => write!(text, "{at}  * {} {}", nick.trim(), words(random)),
        32 => write!(text, "{at} * {} {}", nick.trim(), words(random)),
        33 | 34 => write!(text, "=== {nick} [~{}@host.example]  has joined #channel", nick.trim()),
        35 => write!(text, "=== {nick} [~{}@host.example]  has left #channel [{}]", nick.trim(), words(random)),
        36 => write!(text, "=== {nick} [~{}@host.example]  has quit [{}]", nick.trim(), words(random)),
        37 => write!(text, "=== {nick} is now known as {other}"),
        38 => write!(text, "=== mode/#channel [+o {nick}] by {other}"),
        _ => Ok(()),
    };
}

fn words(random: &mut Random) -> String {
    let words: Vec<&str> = (0..random.below(12)).map(|_| random.of(&WORDS)).collect();
    words.join(" ")
}

/// SplitMix64: the same everywhere and for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % bound as u64).unwrap_or_default()
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Line, lines};

    #[test]
    fn the_same_seed_makes_the_same_log_with_every_form() {
        let log = text(2_000, 7);
        assert_eq!(log, text(2_000, 7));
        assert_ne!(log, text(2_000, 8));
        let read: Vec<Line> = lines(&log).map(Line::parse).collect();
        assert_eq!(read.len(), 2_000);
        let count = |wanted: fn(&Line) -> bool| read.iter().filter(|line| wanted(line)).count();
        assert!(count(|line| matches!(line, Line::Said(said) if !said.body.action)) > 1_000);
        assert!(count(|line| matches!(line, Line::Said(said) if said.body.action)) > 50);
        assert!(count(|line| matches!(line, Line::Said(said) if said.body.bare)) > 20);
        assert!(count(|line| matches!(line, Line::Said(said) if said.nick.trim() != said.nick)) > 50);
        assert!(count(|line| matches!(line, Line::System(text) if text.contains("is now known as"))) > 20);
        assert!(count(|line| matches!(line, Line::System(text) if text.is_empty())) > 20);
    }
}
