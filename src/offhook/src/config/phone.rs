//! `[phone]`: the gateway to the phone network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use offhook_sip::uri::Host;
use offhook_types::{Currency, Micros};
use serde::Deserialize;

use super::Secret;

/// `[phone]`
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Phone {
    pub enabled: bool,
    pub sip: Sip,
    pub media: PhoneMedia,
    pub money: Money,
    pub calls: PhoneCalls,
    pub records: Records,
    pub webhook: CallWebhook,
}

/// `[phone.sip]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    pub tls: Vec<SocketAddr>,
    pub advertise: String,
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
    pub tls_authorities: PathBuf,
    pub connections: usize,
    pub connections_per_address: usize,
}

/// `[phone.media]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhoneMedia {
    pub bind: IpAddr,
    pub advertise: Option<IpAddr>,
    pub relay: IpAddr,
    pub first_port: u16,
    pub last_port: u16,
    pub workers: usize,
    pub bridges_per_worker: usize,
    pub silence_s: u64,
    pub announcements: PathBuf,
}

/// `[phone.money]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Money {
    pub plan: String,
    pub currency: String,
    pub initial_credit: String,
    pub slice_s: u64,
    pub least_s: u64,
    pub warning_s: u64,
    pub lead_s: u64,
    pub longest_s: u64,
    pub quote_valid_s: u64,
    pub check_s: u64,
}

/// `[phone.calls]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhoneCalls {
    pub legs: usize,
    pub attempts: u16,
    pub redirections: u8,
    pub ring_s: u64,
    pub pin_tries: u8,
    pub ladder_steps: u32,
}

/// `[phone.records]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    pub numbers_whole_days: u64,
    pub hidden_digits: u8,
    pub cdr_days: u64,
    pub ladder_days: u64,
    pub decision_days: u64,
    pub quality_days: u64,
    pub deck_versions: u32,
    pub visit_s: u64,
}

/// `[phone.webhook]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallWebhook {
    pub url: String,
    pub secret: Secret,
    pub give_up_days: u64,
}

impl Default for Sip {
    fn default() -> Self {
        let anywhere = |port| vec![(Ipv4Addr::UNSPECIFIED, port).into()];
        Self {
            udp: anywhere(5060),
            tcp: anywhere(5060),
            tls: anywhere(5061),
            advertise: String::new(),
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_authorities: PathBuf::new(),
            connections: 2000,
            connections_per_address: 32,
        }
    }
}

impl Default for PhoneMedia {
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::UNSPECIFIED.into(),
            advertise: None,
            relay: Ipv4Addr::LOCALHOST.into(),
            first_port: 30_000,
            last_port: 31_999,
            workers: 0,
            bridges_per_worker: 100,
            silence_s: 30,
            announcements: PathBuf::new(),
        }
    }
}

impl Default for Money {
    fn default() -> Self {
        Self {
            plan: "default".into(),
            currency: "USD".into(),
            initial_credit: "0".into(),
            slice_s: 60,
            least_s: 10,
            warning_s: 15,
            lead_s: 5,
            longest_s: 4 * 3600,
            quote_valid_s: 300,
            check_s: 3600,
        }
    }
}

impl Default for PhoneCalls {
    fn default() -> Self {
        let (attempts, redirections) = (4, 2);
        Self { legs: 10_000, attempts, redirections, ring_s: 120, pin_tries: 3, ladder_steps: 200 }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self {
            numbers_whole_days: 90,
            hidden_digits: 3,
            cdr_days: 730,
            ladder_days: 14,
            decision_days: 730,
            quality_days: 30,
            deck_versions: 20,
            visit_s: 3600,
        }
    }
}

impl Default for CallWebhook {
    fn default() -> Self {
        Self { url: String::new(), secret: Secret::default(), give_up_days: 3 }
    }
}

impl Phone {
    /// What the types cannot say: the key and what would be right.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.sip.advertise.is_empty() && self.sip.host().is_none() {
            return Err("[phone.sip] advertise: a name or an address, IPv6 in brackets".into());
        }
        self.money.check()?;
        self.records.check()?;
        if !self.webhook.url.is_empty() && self.webhook.secret.0.len() < 16 {
            return Err("[phone.webhook] secret: at least 16 characters".into());
        }
        let calls = &self.calls;
        if calls.attempts == 0 || calls.legs == 0 || calls.pin_tries == 0 {
            return Err("[phone.calls] attempts, legs and pin_tries: at least 1".into());
        }
        let media = &self.media;
        if media.first_port < 1024 || media.last_port <= media.first_port {
            return Err("[phone.media] first_port, last_port: a range above 1023".into());
        }
        // Nothing else matters until somebody switches it on.
        if self.enabled { self.check_enabled() } else { Ok(()) }
    }

    fn check_enabled(&self) -> Result<(), String> {
        let Sip { udp, tcp, tls, tls_certificate, tls_key, .. } = &self.sip;
        if udp.is_empty() && tcp.is_empty() && tls.is_empty() {
            return Err("[phone.sip] udp, tcp, tls: listen on one of them at least".into());
        }
        let certified = !tls_certificate.as_os_str().is_empty() && !tls_key.as_os_str().is_empty();
        if !tls.is_empty() && !certified {
            return Err("[phone.sip] tls needs tls_certificate and tls_key; or set tls = []".into());
        }
        if self.media.bind.is_unspecified() && self.media.advertise.is_none() {
            return Err("[phone.media] advertise: the address that carriers send media to, since \
                bind names none"
                .into());
        }
        Ok(())
    }
}

impl Sip {
    /// What carriers are told in place of a bound address.
    pub fn host(&self) -> Option<Host> {
        Host::parse(self.advertise.as_bytes())
    }
}

impl Money {
    /// What accounts count in.
    pub fn currency(&self) -> Currency {
        self.currency.parse().unwrap_or(Currency::USD)
    }

    /// What new accounts are given.
    pub fn initial_credit(&self) -> Micros {
        self.initial_credit.parse().unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        if let Err(error) = self.currency.parse::<Currency>() {
            return Err(format!("[phone.money] currency: {error}"));
        }
        match self.initial_credit.parse::<Micros>() {
            Err(error) => return Err(format!("[phone.money] initial_credit: {error}")),
            Ok(credit) if credit < Micros::ZERO => {
                return Err("[phone.money] initial_credit: zero or more".into());
            }
            Ok(_) => {}
        }
        if self.slice_s <= self.warning_s + self.lead_s {
            return Err("[phone.money] slice_s: longer than warning_s and lead_s together".into());
        }
        if self.longest_s < self.least_s || self.longest_s == 0 {
            return Err("[phone.money] longest_s: at least 1, and not below least_s".into());
        }
        Ok(())
    }
}

impl Records {
    fn check(&self) -> Result<(), String> {
        if self.cdr_days < self.numbers_whole_days {
            return Err("[phone.records] cdr_days: not below numbers_whole_days".into());
        }
        if self.hidden_digits > 15 {
            return Err("[phone.records] hidden_digits: 0 to 15".into());
        }
        if self.deck_versions == 0 {
            return Err("[phone.records] deck_versions: at least 1".into());
        }
        Ok(())
    }
}
