//! A trunk as operators set it up: where the carrier is, how it is spoken to, what it may be used for.
//! Kept in the store as JSON, checked before it gets there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_billing::deck::Tier;
use offhook_billing::number::Format;
use offhook_billing::route::{CallerPolicy, Caps, Trunk as Way};
use offhook_sip::agent::{self, Gate, PeerId, Refresh, Reliable};
use offhook_sip::auth::{Algorithm, Credentials};
use offhook_sip::uri::{SipUri, Uri};
use offhook_store::StoredTrunk;
use offhook_types::TrunkId;
use serde::{Deserialize, Serialize};

/// Everything about a trunk but its id, name, deck and whether it is in use. Every field but `proxy` has
/// a default.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where requests are sent: `sip:carrier.example`, `sip:203.0.113.7:5060;transport=tcp`, `sips:…`.
    pub proxy: String,
    /// The domain in request URIs and registrations, where it is not the proxy's host.
    #[serde(default)]
    pub domain: String,
    /// For digest challenges; empty where the carrier knows us by our address.
    #[serde(default)]
    pub username: String,
    /// Its password.
    #[serde(default)]
    pub password: String,
    /// Whom the carrier has to log in as for each call that it brings: a digest challenge. Empty where its
    /// address is enough.
    #[serde(default)]
    pub challenge_username: String,
    /// Its password.
    #[serde(default)]
    pub challenge_password: String,
    /// How it may show the password.
    #[serde(default)]
    pub challenge_digest: Digest,
    /// Register, so that calls come in, and keep registered for this long at a time; 0 does not.
    #[serde(default)]
    pub register_s: u32,
    /// Where calls may come from besides the proxy's own addresses: `203.0.113.0/24`, `198.51.100.7`,
    /// `198.51.100.7:5080`.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Look with OPTIONS whether the carrier answers, so often; 0 does not.
    #[serde(default = "thirty")]
    pub ping_s: u32,
    /// In order of preference.
    #[serde(default = "codecs")]
    pub codecs: Vec<Codec>,
    /// Milliseconds of sound in a packet.
    #[serde(default = "twenty")]
    pub ptime_ms: u8,
    /// Whether media is encrypted (RFC 4568).
    #[serde(default)]
    pub srtp: Srtp,
    /// How the source of media is bound: `strict`, or `signaled_ip` for carriers behind NAT.
    #[serde(default)]
    pub latch: Latch,
    /// How keys are sent.
    #[serde(default)]
    pub dtmf: Dtmf,
    /// Session timers (RFC 4028): refresh so often; 0 leaves them to the carrier.
    #[serde(default = "half_an_hour")]
    pub session_timer_s: u32,
    /// Reliable provisional responses (RFC 3262).
    #[serde(default)]
    pub reliable: ReliableProgress,
    /// Whether the carrier may redirect a call of ours to another number (3xx). It is priced and routed
    /// anew either way.
    #[serde(default)]
    pub redirects: bool,
    /// Whether the carrier may transfer a call to another number (REFER), at our account's cost.
    #[serde(default)]
    pub transfers: bool,
    /// Lower ones are tried first, whatever they cost.
    #[serde(default)]
    pub priority: u16,
    /// How often it comes first among those of one priority and cost.
    #[serde(default)]
    pub weight: u16,
    /// Calls that may begin in one second.
    #[serde(default)]
    pub calls_per_second: Option<u32>,
    /// Calls at one time.
    #[serde(default)]
    pub channels: Option<u32>,
    /// How numbers are written: rules of [`Format`].
    #[serde(default)]
    pub numbers: String,
    /// Which number the carrier is told: a [`CallerPolicy`].
    #[serde(default)]
    pub caller_id: String,
    /// The riskiest destinations that it may be used for; empty is the standard tier.
    #[serde(default)]
    pub tier: String,
    /// Whether the carrier takes emergency calls.
    #[serde(default)]
    pub emergency: bool,
}

/// Holds passwords.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted trunk settings]")
    }
}

/// What a trunk may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// Opus.
    Opus,
}

/// Whether media is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// Never.
    #[default]
    Off,
    /// Always; calls without it fail.
    Required,
}

/// How the source of media is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latch {
    /// The signaled address and port.
    #[default]
    Strict,
    /// The signaled address, any port, bound by the first consistent stream.
    SignaledIp,
}

/// How keys are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtmf {
    /// Telephone events (RFC 4733) where the carrier has them, tones in the sound otherwise.
    #[default]
    Auto,
    /// SIP INFO.
    Info,
    /// Tones in the sound, always.
    Inband,
}

/// Reliable provisional responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReliableProgress {
    /// Not even supported.
    Off,
    /// Where the other side wants them.
    #[default]
    Supported,
    /// Always.
    Required,
}

/// How a carrier may show its password (RFC 8760).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// SHA-256 is offered first, then MD5.
    #[default]
    Any,
    /// Only MD5 is offered, for carriers that look at the first challenge alone.
    Md5,
    /// Only SHA-256 is offered.
    Sha256,
}

/// What is wrong with a trunk's settings.
#[derive(Debug, thiserror::Error)]
pub enum BadTrunk {
    /// A name that cannot be told from others, or nothing.
    #[error("name: 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name,
    /// Not JSON of the right shape.
    #[error("settings: {0}")]
    Json(#[from] serde_json::Error),
    /// One field.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// A trunk, ready for use.
#[derive(Debug, Clone)]
pub struct Trunk {
    /// What routing knows.
    pub way: Arc<Way>,
    /// As it was set up.
    pub settings: Settings,
    /// Where requests are sent.
    pub proxy: SipUri,
    /// Whose packets are read.
    pub sources: Vec<agent::Peer>,
}

impl Trunk {
    /// Check what is stored, or is to be.
    ///
    /// # Errors
    /// Which field is wrong, and why.
    pub fn read(stored: &StoredTrunk) -> Result<Self, BadTrunk> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=64).contains(&stored.name.len()) || !stored.name.bytes().all(plain) {
            return Err(BadTrunk::Name);
        }
        let settings: Settings = serde_json::from_str(&stored.settings)?;
        let proxy = match Uri::parse(settings.proxy.as_bytes()) {
            Ok(Uri::Sip(uri)) => uri,
            _ => return Err(wrong("proxy", "write a SIP URI such as sip:carrier.example")),
        };
        if !settings.domain.is_empty() && Uri::parse(address(&settings.domain).as_bytes()).is_err()
        {
            return Err(wrong("domain", "write a host name or an address"));
        }
        if settings.register_s != 0 && settings.username.is_empty() {
            return Err(wrong("register_s", "registering needs a username"));
        }
        if settings.challenge_username.is_empty() != settings.challenge_password.is_empty() {
            return Err(wrong(
                "challenge_password",
                "give both a username and a password, or none",
            ));
        }
        let named = proxy.transport().is_some_and(|name| name.eq_ignore_ascii_case("tls"));
        if settings.srtp == Srtp::Required && !proxy.secure && !named {
            // RFC 4568 §7.3: whoever reads the messages has the keys.
            return Err(wrong(
                "srtp",
                "its keys are in SIP: write ;transport=tls or sips: in proxy",
            ));
        }
        if settings.codecs.is_empty() {
            return Err(wrong("codecs", "name at least one of pcmu, pcma, g722, opus"));
        }
        if !matches!(settings.ptime_ms, 10 | 20 | 30 | 40 | 50 | 60) {
            return Err(wrong("ptime_ms", "10, 20, 30, 40, 50 or 60"));
        }
        if (1..90).contains(&settings.session_timer_s) {
            return Err(wrong("session_timer_s", "0, or 90 and more (RFC 4028 §4)"));
        }
        let peer = peer(stored.id);
        let sources = settings.sources.iter().map(|text| source(peer, text));
        let sources = sources.collect::<Option<Vec<_>>>().ok_or_else(|| {
            wrong("sources", "write addresses such as 203.0.113.0/24 or 198.51.100.7:5080")
        })?;
        let way = Arc::new(way(stored, &settings)?);
        Ok(Self { way, settings, proxy, sources })
    }

    /// Which.
    pub fn id(&self) -> TrunkId {
        self.way.id
    }

    /// How the agent reaches it.
    pub fn reach(&self) -> agent::Trunk {
        let credentials = Credentials {
            realm: None,
            user: self.settings.username.clone(),
            password: self.settings.password.clone(),
        };
        agent::Trunk {
            peer: peer(self.id()),
            proxy: Some(self.proxy.clone().into()),
            credentials: (!self.settings.username.is_empty())
                .then_some(credentials)
                .into_iter()
                .collect(),
        }
    }

    /// Whom the carrier has to log in as for each call that it brings.
    pub fn gate(&self) -> Option<Gate> {
        let Settings { challenge_username, challenge_password, challenge_digest, .. } =
            &self.settings;
        let algorithms = match challenge_digest {
            Digest::Any => Algorithm::OFFERED.to_vec(),
            Digest::Md5 => vec![Algorithm::Md5],
            Digest::Sha256 => vec![Algorithm::Sha256],
        };
        let (user, password) = (challenge_username.clone(), challenge_password.clone());
        let credentials = Credentials { realm: None, user, password };
        (!challenge_username.is_empty()).then_some(Gate { credentials, algorithms })
    }

    /// The URI of a subscriber behind the carrier.
    pub fn uri(&self, user: Option<&str>) -> Uri {
        let domain = Uri::parse(address(&self.settings.domain).as_bytes());
        let at = match domain {
            Ok(Uri::Sip(uri)) if !self.settings.domain.is_empty() => uri.at,
            _ => self.proxy.at.clone(),
        };
        let mut uri = SipUri::new(user, at);
        uri.secure = self.proxy.secure;
        uri.into()
    }

    /// Session timers as the agent wants them.
    pub fn refresh(&self) -> Option<Refresh> {
        let interval = Duration::from_secs(self.settings.session_timer_s.into());
        (!interval.is_zero()).then_some(Refresh { interval, shortest: SHORTEST_REFRESH })
    }

    /// Reliable provisional responses as the agent wants them.
    pub fn reliable(&self) -> Reliable {
        match self.settings.reliable {
            ReliableProgress::Off => Reliable::Off,
            ReliableProgress::Supported => Reliable::Supported,
            ReliableProgress::Required => Reliable::Required,
        }
    }
}

/// RFC 4028 §4.
const SHORTEST_REFRESH: Duration = Duration::from_secs(90);

/// A trunk as the agent numbers it.
pub fn peer(trunk: TrunkId) -> PeerId {
    PeerId(trunk.0)
}

/// The trunk of a peer.
pub fn trunk_of(peer: PeerId) -> TrunkId {
    TrunkId(peer.0)
}

fn address(domain: &str) -> String {
    format!("sip:{domain}")
}

fn way(stored: &StoredTrunk, settings: &Settings) -> Result<Way, BadTrunk> {
    let numbers = match settings.numbers.as_str() {
        "" => Format::default(),
        text => text.parse().map_err(|error| wrong("numbers", error))?,
    };
    let caller = match settings.caller_id.as_str() {
        "" => CallerPolicy::default(),
        text => text.parse().map_err(|error| wrong("caller_id", error))?,
    };
    let tier = match settings.tier.as_str() {
        "" => Tier::Standard,
        text => text.parse().map_err(|error| wrong("tier", error))?,
    };
    Ok(Way {
        id: stored.id,
        name: stored.name.as_str().into(),
        priority: settings.priority,
        weight: settings.weight,
        deck: stored.deck.as_deref().unwrap_or_default().into(),
        caps: Caps { per_second: settings.calls_per_second, channels: settings.channels },
        format: numbers,
        caller,
        tier,
        emergency: settings.emergency,
        enabled: stored.enabled,
    })
}

/// `address`, `address/bits`, `address:port`, `[v6]:port`.
fn source(id: PeerId, text: &str) -> Option<agent::Peer> {
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        let (net, port) = (socket.ip(), Some(socket.port()));
        return Some(agent::Peer { id, net, prefix: whole(net), port });
    }
    let (net, bits) = match text.split_once('/') {
        Some((net, bits)) => (net, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let net: IpAddr = net.parse().ok()?;
    let prefix = bits.unwrap_or(whole(net));
    // A network of half the world is a slip of the pen.
    (8..=whole(net)).contains(&prefix).then_some(agent::Peer { id, net, prefix, port: None })
}

fn whole(net: IpAddr) -> u8 {
    if net.is_ipv4() { 32 } else { 128 }
}

fn wrong(field: &'static str, why: impl ToString) -> BadTrunk {
    BadTrunk::Field { field, why: why.to_string() }
}

fn thirty() -> u32 {
    30
}

fn twenty() -> u8 {
    20
}

fn half_an_hour() -> u32 {
    1800
}

fn codecs() -> Vec<Codec> {
    vec![Codec::Pcma, Codec::Pcmu]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str, settings: &str) -> StoredTrunk {
        let (id, name, settings) = (TrunkId(7), name.into(), settings.into());
        StoredTrunk { id, name, deck: Some("carrier".into()), enabled: true, settings }
    }

    fn check(settings: &str, expect: Result<(), &str>) {
        let read = Trunk::read(&stored("carrier-a", settings)).map(|_| ());
        let said = read.as_ref().map_err(ToString::to_string);
        match expect {
            Ok(()) => assert!(read.is_ok(), "{settings}: {said:?}"),
            Err(field) => assert!(said.unwrap_err().starts_with(field), "{settings}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(r#"{"proxy": "sip:192.0.2.1"}"#, Ok(()));
        check(
            r#"{"proxy": "sip:carrier.example;transport=tcp", "sources": ["192.0.2.0/24"]}"#,
            Ok(()),
        );
        check(r#"{"proxy": "carrier.example"}"#, Err("proxy"));
        check(r#"{}"#, Err("settings"));
        check(r#"{"proxy": "sip:192.0.2.1", "prxy": 1}"#, Err("settings"));
        check(r#"{"proxy": "sip:192.0.2.1", "sources": ["192.0.2.0/33"]}"#, Err("sources"));
        check(r#"{"proxy": "sip:192.0.2.1", "sources": ["0.0.0.0/0"]}"#, Err("sources"));
        check(r#"{"proxy": "sip:192.0.2.1", "ptime_ms": 25}"#, Err("ptime_ms"));
        check(r#"{"proxy": "sip:192.0.2.1", "codecs": []}"#, Err("codecs"));
        check(r#"{"proxy": "sip:192.0.2.1", "session_timer_s": 60}"#, Err("session_timer_s"));
        check(r#"{"proxy": "sip:192.0.2.1", "register_s": 600}"#, Err("register_s"));
        check(r#"{"proxy": "sip:192.0.2.1", "srtp": "required"}"#, Err("srtp"));
        check(r#"{"proxy": "sip:h;transport=tls", "srtp": "required"}"#, Ok(()));
        check(r#"{"proxy": "sips:h", "srtp": "required"}"#, Ok(()));
        let alone = r#"{"proxy": "sip:192.0.2.1", "challenge_username": "them"}"#;
        check(alone, Err("challenge_password"));
        check(r#"{"proxy": "sip:192.0.2.1", "caller_id": "mine"}"#, Err("caller_id"));
        check(r#"{"proxy": "sip:192.0.2.1", "tier": "wild"}"#, Err("tier"));
        check(r#"{"proxy": "sip:192.0.2.1", "numbers": "x"}"#, Err("numbers"));
        assert!(matches!(Trunk::read(&stored("a b", "{}")), Err(BadTrunk::Name)));
    }

    #[test]
    fn sources_name_networks_addresses_and_ports() {
        for (text, net, prefix, port) in [
            ("192.0.2.0/24", "192.0.2.0", 24, None),
            ("192.0.2.9", "192.0.2.9", 32, None),
            ("192.0.2.9:5080", "192.0.2.9", 32, Some(5080)),
            ("[2001:db8::1]:5060", "2001:db8::1", 128, Some(5060)),
            ("2001:db8::/32", "2001:db8::", 32, None),
        ] {
            let found = source(PeerId(1), text).unwrap();
            assert_eq!((found.net, found.prefix, found.port), (net.parse().unwrap(), prefix, port));
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let json = r#"{"proxy": "sip:192.0.2.1", "username": "me", "password": "hunter2"}"#;
        let trunk = Trunk::read(&stored("a", json)).unwrap();
        assert!(!format!("{trunk:?}").contains("hunter2"));
    }
}
