//! The servers one may connect to: those of the settings and those a server has told of.

use rand::seq::SliceRandom;

use super::error::LiveError;

const DEFAULT_PORT: u16 = 4222;
/// Most addresses learned from a server; further ones are not kept.
const MAX_LEARNED_SERVERS: usize = 64;

/// Host and port of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads `host`, `host:port` or either with `nats://` before it; the error says what is wrong, never the text.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = match text.split_once("://") {
            None => text,
            Some(("nats", rest)) => rest.trim_end_matches('/'),
            Some(("tls", _)) => return Err("asks for tls, which the live reader does not support"),
            Some(_) => return Err("has an unknown scheme: nats:// is meant"),
        };
        if rest.contains('@') {
            return Err("holds credentials: they belong in user, password or token");
        }
        let (host, port) = match rest.rsplit_once(':') {
            // An IPv6 address without a port: its colons are inside the brackets.
            Some((_, after)) if after.ends_with(']') => (rest, DEFAULT_PORT),
            Some((host, port)) => (host, port.parse().map_err(|_| "has a bad port")?),
            None => (rest, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("has no host");
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// All known servers and the one used last.
#[derive(Debug)]
pub(super) struct Servers {
    configured: Vec<Address>,
    /// Replaced by whatever the newest `INFO` lists.
    learned: Vec<Address>,
    last: Option<Address>,
}

impl Servers {
    pub(super) fn parse(servers: &[String]) -> Result<Self, LiveError> {
        if servers.is_empty() {
            return Err(LiveError::ServerAddress { number: 1, reason: "is missing" });
        }
        let configured = servers
            .iter()
            .enumerate()
            .map(|(at, text)| {
                Address::parse(text).map_err(|reason| LiveError::ServerAddress { number: at + 1, reason })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { configured, learned: Vec::new(), last: None })
    }

    /// Takes over the addresses a server listed; those that cannot be read are left out.
    pub(super) fn learn(&mut self, listed: &[String]) {
        if listed.is_empty() {
            return;
        }
        self.learned.clear();
        for address in listed.iter().filter_map(|text| Address::parse(text).ok()) {
            if self.learned.len() < MAX_LEARNED_SERVERS
                && !self.configured.contains(&address)
                && !self.learned.contains(&address)
            {
                self.learned.push(address);
            }
        }
    }

    /// This one is connected to now.
    pub(super) fn used(&mut self, address: &Address) {
        self.last = Some(address.clone());
    }

    /// Whether there is a server besides the one used now.
    pub(super) fn has_another(&self) -> bool {
        self.all().any(|address| Some(address) != self.last.as_ref())
    }

    /// Every server once, in random order, so that many readers spread; the one just lost comes last.
    pub(super) fn round(&self) -> Vec<Address> {
        let mut round: Vec<Address> = self.all().cloned().collect();
        round.shuffle(&mut rand::rng());
        if let Some(last) = &self.last
            && let Some(at) = round.iter().position(|address| address == last)
        {
            let last = round.remove(at);
            round.push(last);
        }
        round
    }

    fn all(&self) -> impl Iterator<Item = &Address> {
        self.configured.iter().chain(&self.learned)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn servers(texts: &[&str]) -> Result<Servers, LiveError> {
        Servers::parse(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn reads_the_usual_forms() {
        for (text, host, port) in [
            ("nats://a.example:4333", "a.example", 4333),
            ("nats://a.example/", "a.example", 4222),
            ("a.example", "a.example", 4222),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:4222", "::1", 4222),
            ("nats://[::1]", "::1", 4222),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_being_shown() {
        for text in ["tls://a", "http://a", "nats://user:hunter2@a", "a:port", "a:70000", "", ":4222"] {
            let refused = servers(&["nats://good", text]).unwrap_err().to_string();
            assert!(refused.starts_with("server address number 2 "), "{refused}");
            assert!(!refused.contains("hunter2"));
        }
        assert!(servers(&[]).is_err());
    }

    #[test]
    fn a_round_has_every_server_once_and_the_lost_one_last() {
        let mut servers = servers(&["a", "b"]).unwrap();
        servers.learn(&["c:4222".to_owned(), "a:4222".to_owned(), "b@d".to_owned()]);
        let b = Address::parse("b").unwrap();
        servers.used(&b);
        for _ in 0..20 {
            let round = servers.round();
            assert_eq!(round.len(), 3);
            assert_eq!(round.last(), Some(&b));
        }
        assert!(servers.has_another());
    }

    #[test]
    fn what_is_learned_is_bounded_and_replaced() {
        let mut servers = servers(&["a"]).unwrap();
        servers.used(&Address::parse("a").unwrap());
        assert!(!servers.has_another());
        let many: Vec<String> = (0..1_000).map(|n| format!("host-{n}:1")).collect();
        servers.learn(&many);
        assert_eq!(servers.round().len(), 1 + MAX_LEARNED_SERVERS);
        servers.learn(&["b:1".to_owned()]);
        assert_eq!(servers.round().len(), 2);
        servers.learn(&[]);
        assert_eq!(servers.round().len(), 2, "no list is no news");
    }
}
