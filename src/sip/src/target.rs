//! Where a request goes: RFC 3263, from a URI to an ordered list of addresses, as a walk that asks
//! one question of the name system at a time.

use core::net::SocketAddr;
use std::collections::VecDeque;

use offhook_types::Rng;

use crate::agent::{Question, Record, Transport};
use crate::uri::{Host, SipUri};

/// One address to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub remote: SocketAddr,
    /// What a certificate must be for: the name that was looked up (RFC 5922 §7.2).
    pub name: Option<String>,
}

/// What the walk needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An answer to this.
    Ask(Question),
    /// Nothing: these are to be tried in this order. May be empty.
    Done(Vec<Target>),
}

/// A walk from a URI to addresses.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Which transports there are doors for, the preferred first.
    usable: Vec<Transport>,
    host: String,
    secure: bool,
    /// What is still to be asked, in order of preference.
    pending: VecDeque<Pending>,
    found: Vec<Target>,
}

#[derive(Debug, Clone)]
enum Pending {
    Naptr,
    Srv { transport: Transport, name: String },
    Host { transport: Transport, name: String, port: u16 },
}

/// Beyond this many addresses a request has failed long ago.
const MOST_TARGETS: usize = 16;
/// A zone that answers with more names than this is not a carrier's.
const MOST_QUESTIONS: usize = 16;

impl Walk {
    /// Sets out from `uri` (RFC 3263 §4). `usable` are the transports there are doors for, the
    /// preferred first.
    pub fn new(uri: &SipUri, usable: Vec<Transport>) -> Self {
        let named = uri.transport().and_then(|name| Transport::from_name(&name));
        let secure = uri.secure || named == Some(Transport::Tls);
        let maddr = uri.param("maddr").flatten().and_then(|value| Host::parse(value.as_bytes()));
        let host = maddr.unwrap_or_else(|| uri.at.host.clone());
        let fixed = if secure { Some(Transport::Tls) } else { named };
        let mut walk = Self {
            usable,
            host: host.name().unwrap_or_default().to_owned(),
            secure,
            pending: VecDeque::new(),
            found: Vec::new(),
        };
        let plain = fixed.unwrap_or(Transport::Udp);
        let port = uri.at.port.unwrap_or(plain.port());
        if let Some(ip) = host.ip() {
            let remote = SocketAddr::new(ip, port);
            walk.found.push(Target { transport: plain, remote, name: None });
        } else if uri.at.port.is_some() {
            walk.pending.push_back(Pending::Host {
                transport: plain,
                name: walk.host.clone(),
                port,
            });
        } else if let Some(transport) = fixed {
            walk.srv(transport);
            walk.plain(transport);
        } else {
            walk.pending.push_back(Pending::Naptr);
        }
        walk
    }

    /// A walk that is over before it begins: a URI that is no SIP URI and has no proxy.
    pub const fn nowhere() -> Self {
        Self {
            usable: Vec::new(),
            host: String::new(),
            secure: false,
            pending: VecDeque::new(),
            found: Vec::new(),
        }
    }

    /// What is needed next.
    pub fn step(&self) -> Step {
        let enough = self.found.len() >= MOST_TARGETS;
        match self.pending.front() {
            Some(pending) if !enough => Step::Ask(match pending {
                Pending::Naptr => Question::Naptr(self.host.clone()),
                Pending::Srv { name, .. } => Question::Srv(name.clone()),
                Pending::Host { name, .. } => Question::Address(name.clone()),
            }),
            _ => Step::Done(self.found.clone()),
        }
    }

    /// The answer to what was asked last.
    pub fn handle_records(&mut self, records: Vec<Record>, rng: &mut Rng) {
        match self.pending.pop_front() {
            Some(Pending::Naptr) => self.naptr(records),
            Some(Pending::Srv { transport, .. }) => self.services(transport, records, rng),
            Some(Pending::Host { transport, port, .. }) => self.addresses(transport, port, records),
            None => {}
        }
    }

    /// RFC 3263 §4.1: services that we speak, in the order of the zone.
    fn naptr(&mut self, records: Vec<Record>) {
        let mut services: Vec<_> = records
            .into_iter()
            .filter_map(|record| match record {
                Record::Naptr { order, preference, flags, service, replacement }
                    if flags.eq_ignore_ascii_case("s") =>
                {
                    let transport = Transport::from_service(&service)?;
                    let usable = self.usable.contains(&transport);
                    usable.then_some((order, preference, transport, replacement))
                }
                _ => None,
            })
            .collect();
        services.sort_by_key(|&(order, preference, ..)| (order, preference));
        if services.is_empty() {
            for transport in self.usable.clone() {
                self.srv(transport);
            }
            let plain = if self.usable.contains(&Transport::Udp) || self.usable.is_empty() {
                Transport::Udp
            } else {
                self.usable.first().copied().unwrap_or(Transport::Udp)
            };
            self.plain(plain);
        }
        for (_, _, transport, name) in services.into_iter().take(MOST_QUESTIONS) {
            self.pending.push_back(Pending::Srv { transport, name });
        }
    }

    /// RFC 2782: by priority; within one, drawn by weight.
    fn services(&mut self, transport: Transport, records: Vec<Record>, rng: &mut Rng) {
        let mut services: Vec<_> = records
            .into_iter()
            .filter_map(|record| match record {
                Record::Srv { priority, weight, port, target } if target != "." => {
                    Some((priority, weight, port, target))
                }
                _ => None,
            })
            .collect();
        if services.is_empty() {
            return;
        }
        // Where SRV answers, the bare host is not asked (RFC 3263 §4.2).
        self.pending.retain(|pending| !pending.is_bare(&self.host));
        services.sort_by_key(|&(priority, weight, ..)| (priority, weight != 0));
        let mut hosts = Vec::new();
        while let Some(&(first, ..)) = services.first() {
            let group = services.iter().take_while(|(priority, ..)| *priority == first).count();
            let total: u32 = services.iter().take(group).map(|s| u32::from(s.1)).sum();
            let draw = rng.below(total.saturating_add(1));
            let mut sum = 0_u32;
            let chosen = services.iter().take(group).position(|service| {
                sum = sum.saturating_add(u32::from(service.1));
                sum >= draw
            });
            let (_, _, port, name) = services.remove(chosen.unwrap_or(0));
            hosts.push(Pending::Host { transport, name, port });
        }
        for host in hosts.into_iter().take(MOST_QUESTIONS).rev() {
            self.pending.push_front(host);
        }
    }

    fn addresses(&mut self, transport: Transport, port: u16, records: Vec<Record>) {
        let name = (transport == Transport::Tls).then(|| self.host.clone());
        for record in records {
            if let Record::Address(ip) = record {
                let target =
                    Target { transport, remote: SocketAddr::new(ip, port), name: name.clone() };
                if !self.found.contains(&target) && self.found.len() < MOST_TARGETS {
                    self.found.push(target);
                }
            }
        }
    }

    fn srv(&mut self, transport: Transport) {
        let service = match transport {
            Transport::Udp => "_sip._udp.",
            Transport::Tcp => "_sip._tcp.",
            Transport::Tls => "_sips._tcp.",
        };
        if !self.secure || transport == Transport::Tls {
            let name = format!("{service}{}", self.host);
            self.pending.push_back(Pending::Srv { transport, name });
        }
    }

    fn plain(&mut self, transport: Transport) {
        let (name, port) = (self.host.clone(), transport.port());
        self.pending.push_back(Pending::Host { transport, name, port });
    }
}

impl Pending {
    /// The last resort: addresses of the host itself.
    fn is_bare(&self, host: &str) -> bool {
        matches!(self, Self::Host { name, .. } if name == host)
    }
}

#[cfg(test)]
mod tests;
