//! The configuration file: every setting with its default. `config/offhook.toml` says the same with
//! comments, and a test holds
//! the two equal. A key that is not known here stops the start and is named with its line.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

mod phone;

pub use phone::Phone;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The public listener.
    pub http: Http,
    /// The operators' listener.
    pub admin: Admin,
    /// The media node.
    pub media: Media,
    /// Native clients.
    pub quic: Quic,
    /// Where records are kept.
    pub store: Store,
    /// Sign-up.
    pub accounts: Accounts,
    /// Ringing.
    pub calls: Calls,
    /// Media sessions.
    pub rooms: Rooms,
    /// Wake-up of devices that are not connected.
    pub push: Push,
    /// The phone network.
    pub phone: Phone,
    /// Going down.
    pub shutdown: Shutdown,
    /// What is logged and how.
    pub log: Log,
    /// API key to secret.
    pub api_keys: BTreeMap<String, Secret>,
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Deserialize, Default)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub listen: SocketAddr,
    pub media_url: String,
    pub allowed_origins: Vec<String>,
    pub trusted_proxies: Vec<IpAddr>,
    pub max_connections: usize,
    pub connections_per_address: usize,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    pub listen: SocketAddr,
    pub token: Secret,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    pub bind: IpAddr,
    pub udp_port: u16,
    pub tcp_ports: Vec<u16>,
    pub tcp_only: bool,
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    pub turn_host: String,
    pub workers: u16,
    pub pin: bool,
    pub advertise: Vec<IpAddr>,
    pub handshake_threads: u16,
    pub socket_buffer_bytes: usize,
    pub legs_per_worker: usize,
    pub tracks_per_leg: usize,
    pub receivers_per_leg: usize,
    pub voices: usize,
    pub packets_per_second: u32,
    pub bits_per_second: u64,
    pub handshakes: usize,
    pub streams: usize,
    pub streams_per_address: u32,
    pub slots: usize,
    pub message_bytes: usize,
    pub linger_us: u64,
    pub setup_timeout_ms: u64,
    pub consent_timeout_ms: u64,
    pub start_bitrate: u64,
    pub min_bitrate: u64,
    pub max_bitrate: u64,
}

/// `[quic]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quic {
    pub enabled: bool,
    pub udp_port: u16,
    pub certificate: String,
    pub key: String,
    pub connections: usize,
    pub connections_per_address: usize,
    pub idle_timeout_ms: u64,
    pub join_timeout_ms: u64,
    pub send_delay_ms: u64,
}

impl Default for Quic {
    fn default() -> Self {
        Self {
            enabled: true,
            udp_port: 7982,
            certificate: String::new(),
            key: String::new(),
            connections: 2000,
            connections_per_address: 100,
            idle_timeout_ms: 15_000,
            join_timeout_ms: 10_000,
            send_delay_ms: 50,
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    pub path: PathBuf,
}

/// How one-time codes reach their number.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeDelivery {
    /// Into the log: development only.
    Log,
    /// To an SMS provider.
    Webhook,
    /// Nobody can sign up.
    None,
}

/// `[accounts]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    pub code_delivery: CodeDelivery,
    pub code_webhook_url: String,
    pub code_webhook_secret: Secret,
    pub fixed_code: String,
    pub code_expires_s: u64,
    pub code_attempts: u32,
    pub codes_per_number_per_hour: u32,
    pub codes_per_address_per_hour: u32,
    pub codes_per_minute: u32,
    pub access_token_s: u64,
    pub refresh_token_s: u64,
    pub devices_per_user: u32,
}

/// `[calls]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calls {
    pub no_answer_ms: u64,
    pub ring_ack_ms: u64,
    pub join_ms: u64,
    pub reconnect_ms: u64,
    pub resume_window_ms: u64,
    pub longest_s: u64,
    pub max_calls: usize,
    pub places_per_minute: u32,
}

/// `[rooms]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rooms {
    pub max_rooms: usize,
    pub participants_per_room: usize,
    pub tracks_per_participant: usize,
    pub metadata_bytes: usize,
    pub message_bytes: usize,
    pub messages_per_second: u32,
    pub empty_timeout_s: u64,
    pub departure_timeout_s: u64,
    pub resume_ms: u64,
}

/// `[push]`
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    pub webhook_url: String,
    pub webhook_secret: Secret,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    pub grace_s: u64,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 7880).into(),
            media_url: String::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            max_connections: 20_000,
            connections_per_address: 1000,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 7890).into(), token: Secret::default() }
    }
}

impl Default for Media {
    fn default() -> Self {
        let node = offhook_media::Config::default();
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            bind: Ipv6Addr::UNSPECIFIED.into(),
            udp_port: node.base_port,
            tcp_ports: vec![7881],
            tcp_only: false,
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            turn_host: String::new(),
            workers: 0,
            pin: node.pin,
            advertise: Vec::new(),
            handshake_threads: node.handshake_threads,
            socket_buffer_bytes: node.receive_buffer,
            legs_per_worker: node.limits.legs_per_worker,
            tracks_per_leg: node.limits.ingress_per_leg,
            receivers_per_leg: node.limits.egress_per_leg,
            voices: node.voices,
            packets_per_second: node.limits.packets_per_second,
            bits_per_second: node.limits.bits_per_second,
            handshakes: node.limits.handshakes,
            streams: node.limits.streams,
            streams_per_address: node.limits.streams_per_address,
            slots: node.limits.slots,
            message_bytes: node.limits.message_bytes,
            linger_us: u64::try_from(node.timeouts.linger.as_micros()).unwrap_or(u64::MAX),
            setup_timeout_ms: millis(node.timeouts.setup),
            consent_timeout_ms: millis(node.timeouts.consent),
            start_bitrate: node.congestion.start,
            min_bitrate: node.congestion.min,
            max_bitrate: node.congestion.max,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { path: "data/offhook.db".into() }
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            code_delivery: CodeDelivery::None,
            code_webhook_url: String::new(),
            code_webhook_secret: Secret::default(),
            fixed_code: String::new(),
            code_expires_s: 300,
            code_attempts: 5,
            codes_per_number_per_hour: 5,
            codes_per_address_per_hour: 20,
            codes_per_minute: 60,
            access_token_s: 3600,
            refresh_token_s: 90 * 24 * 3600,
            devices_per_user: 10,
        }
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            no_answer_ms: 45_000,
            ring_ack_ms: 10_000,
            join_ms: 20_000,
            reconnect_ms: 60_000,
            resume_window_ms: 60_000,
            longest_s: 12 * 3600,
            max_calls: 50_000,
            places_per_minute: 20,
        }
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            participants_per_room: 500,
            tracks_per_participant: 16,
            metadata_bytes: 16 * 1024,
            message_bytes: 256 * 1024,
            messages_per_second: 100,
            empty_timeout_s: 300,
            departure_timeout_s: 20,
            resume_ms: 30_000,
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace_s: 30 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// Why a configuration cannot be used. The text names the file, the line and the key, never a value.
#[derive(Debug)]
pub struct BadConfig(String);

impl std::fmt::Display for BadConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadConfig {}

impl Config {
    /// Read and check a file.
    pub fn read(path: &Path) -> Result<Self, BadConfig> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| BadConfig(format!("{name}: {e}")))?;
        let config =
            Self::parse(&text).map_err(|BadConfig(why)| BadConfig(format!("{name}: {why}")))?;
        config.check().map_err(|why| BadConfig(format!("{name}: {why}")))?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, BadConfig> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text[..at].matches('\n').count() + 1;
            // The library's message names the key, but quotes the source only in its long form, which is not used: the
            // line may hold a secret.
            BadConfig(format!("line {line}: {}", error.message()))
        })
    }

    /// What the types cannot say.
    fn check(&self) -> Result<(), String> {
        let accounts = &self.accounts;
        if accounts.code_delivery == CodeDelivery::Webhook && accounts.code_webhook_url.is_empty() {
            return Err("[accounts] code_delivery = \"webhook\" needs code_webhook_url".into());
        }
        if !accounts.fixed_code.is_empty() && accounts.code_delivery != CodeDelivery::Log {
            return Err(
                "[accounts] fixed_code is for development: it needs code_delivery = \"log\"".into(),
            );
        }
        let (listen, token) = (self.admin.listen, &self.admin.token.0);
        if token.is_empty() && !listen.ip().to_canonical().is_loopback() {
            return Err(format!(
                "[admin] listen {listen} can be reached from other machines: set token, or listen \
                 on 127.0.0.1"
            ));
        }
        if !token.is_empty() && token.len() < 32 {
            return Err("[admin] token: at least 32 characters".into());
        }
        if self.quic.certificate.is_empty() != self.quic.key.is_empty() {
            return Err("[quic] certificate and key: both, or neither".into());
        }
        self.phone.check()?;
        if let Some((key, _)) = self.api_keys.iter().find(|(_, secret)| secret.0.len() < 32) {
            return Err(format!("[api_keys] {key}: a secret has at least 32 characters"));
        }
        if self.media.legs_per_worker == 0 || self.media.slots < 1024 {
            return Err("[media] legs_per_worker must not be 0, and slots not below 1024".into());
        }
        self.media.check()
    }
}

impl Media {
    fn check(&self) -> Result<(), String> {
        let (certificate, key) = (&self.tls_certificate, &self.tls_key);
        if certificate.as_os_str().is_empty() != key.as_os_str().is_empty() {
            return Err("[media] tls_certificate and tls_key belong together".into());
        }
        if !self.turn_host.is_empty() && certificate.as_os_str().is_empty() {
            return Err("[media] turn_host needs tls_certificate and tls_key".into());
        }
        if self.tcp_ports.is_empty() && (self.tcp_only || !self.turn_host.is_empty()) {
            return Err("[media] tcp_only and turn_host need tcp_ports".into());
        }
        if self.tcp_ports.len() > 16 {
            return Err("[media] tcp_ports: at most 16".into());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if !self.turn_host.chars().all(plain) {
            return Err("[media] turn_host is a name, without port or scheme".into());
        }
        let Self { start_bitrate, min_bitrate, max_bitrate, .. } = *self;
        if min_bitrate == 0 || start_bitrate < min_bitrate || max_bitrate < start_bitrate {
            return Err(
                "[media] min_bitrate, start_bitrate and max_bitrate must rise from 1".into()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let result = Config::parse(text).and_then(|c| c.check().map_err(BadConfig));
        let said = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(expect), "{said:?} does not say {expect:?}");
        assert!(expect.is_empty() == said.is_empty(), "{said}");
    }

    #[test]
    fn wrong_keys_are_named_with_their_line() {
        check("", "");
        check("[http]\nlisten = \"0.0.0.0:1\"\nlisen = 1\n", "line 3: unknown field `lisen`");
        check("[htp]\n", "line 1: unknown field `htp`");
        check("\n\n[media]\nudp_port = 70000\n", "line 4");
        check("[media]\nmax_bitrate = 1000\n", "max_bitrate");
        check("[media]\nadvertise = [\"nowhere\"]\n", "line 2");
        check("[media]\ntls_key = \"key.pem\"\n", "[media] tls_certificate and tls_key");
        check("[media]\nturn_host = \"turn.example.org\"\n", "[media] turn_host needs");
        check("[media]\ntcp_only = true\ntcp_ports = []\n", "[media] tcp_only and turn_host");
        check("[api_keys]\nshort = \"secret\"\n", "[api_keys] short");
        check("[accounts]\nfixed_code = \"000000\"\n", "fixed_code is for development");
        check("[admin]\nlisten = \"0.0.0.0:7890\"\n", "[admin] listen 0.0.0.0:7890");
        check("[admin]\ntoken = \"short\"\n", "[admin] token");
        check("[quic]\nkey = \"key.pem\"\n", "[quic] certificate and key");
    }

    #[test]
    fn wrong_phone_settings_are_named() {
        check("[phone.sip]\nudp = [\"carrier\"]\n", "line 2");
        check("[phone.sip]\nadvertise = \"a b\"\n", "[phone.sip] advertise");
        check("[phone.money]\ncurrency = \"usd\"\n", "[phone.money] currency");
        check("[phone.money]\ninitial_credit = \"a lot\"\n", "[phone.money] initial_credit");
        check("[phone.money]\nslice_s = 20\n", "[phone.money] slice_s");
        check("[phone.records]\ncdr_days = 1\n", "[phone.records] cdr_days");
        check("[phone.webhook]\nurl = \"http://h/\"\n", "[phone.webhook] secret");
        check("[phone.media]\nfirst_port = 80\n", "[phone.media] first_port");
        check("[phone]\nenabled = true\n", "[phone.sip] tls needs");
        check("[phone]\nenabled = true\nsip.tls = []\n", "[phone.media] advertise");
        check("[phone]\nenabled = true\nsip.tls = []\nmedia.advertise = \"192.0.2.1\"\n", "");
    }

    #[test]
    fn secrets_are_never_quoted() {
        let text = "[api_keys]\nkey = \"a-very-secret-thing\"\nkey = \"b\"\n";
        let said = Config::parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains("line") && !said.contains("very-secret"), "{said}");
    }

    #[test]
    fn the_commented_file_states_the_defaults() {
        let text = include_str!("../../../config/offhook.toml");
        assert_eq!(Config::parse(text).unwrap(), Config::default());
    }

    #[test]
    fn the_development_file_is_valid() {
        let config = Config::parse(include_str!("../../../config/dev.toml")).unwrap();
        assert_eq!(config.check(), Ok(()));
    }
}
