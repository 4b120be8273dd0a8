//! A TURN server for one client that came over a stream (RFC 8656 over TCP or TLS), which relays to
//! nobody but the media node that it is part of: browsers reach TLS on port 443 in no other way.
//!
//! It lends an address in words only. Whoever drives it keeps a way to each peer, that is to each
//! worker's port; [`Turn`] says which packet goes where and how what comes back is wrapped. A
//! request for any other peer is forbidden, so it is no open relay. Credentials are made by
//! [`Authority`], last for a while, and are checked by computing them again (the "REST API" scheme:
//! the user name says when it ends, the password is its HMAC).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use offhook_types::counted;
use offhook_types::time::Time;
use offhook_wire::stream::CHANNEL_HEADER;
use offhook_wire::stun::{self, Builder, Class, IntegrityKey, Message, attribute, turn};

counted! {
    /// Why a TURN client's message had no effect.
    pub enum Drop {
        /// Does not parse, or is not for a server.
        Malformed = "malformed",
        /// Wrong credentials, or none where they are needed.
        Unauthenticated = "unauthenticated",
        /// About a peer that is not ours, or one without permission.
        Forbidden = "forbidden",
        /// Data before there is an allocation.
        NoAllocation = "no_allocation",
        /// An answer did not fit.
        NoSpace = "no_space",
    }
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Send `reply[..len]` to the client.
    Reply {
        /// Length of the answer.
        len: usize,
        /// It is the client's due now to be treated as known.
        authentic: bool,
    },
    /// Hand this to a peer.
    Relay {
        /// One of the peers that were allowed.
        peer: SocketAddr,
        /// The packet.
        payload: &'a [u8],
    },
    /// The client is done: send `reply[..len]` and close.
    Over {
        /// Length of the answer.
        len: usize,
    },
    /// Nothing.
    Drop(Drop),
}

/// Makes and checks credentials.
pub struct Authority {
    secret: hmac::Key,
    realm: String,
}

/// What a client is told.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// When it ends, in seconds of the node's time, and who asked.
    pub username: String,
    /// Its HMAC.
    pub password: String,
}

impl core::fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted TURN credentials]")
    }
}

/// How long an allocation lasts unless refreshed (RFC 8656 §3.2).
const LIFETIME: Duration = Duration::from_secs(600);
/// Peers of one client: the addresses of one worker, and of a second while a leg moves.
pub const MAX_PEERS: usize = 4;
/// UDP in REQUESTED-TRANSPORT.
const UDP: u8 = 17;
/// Channel numbers (RFC 8656 §12).
const CHANNELS: core::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

impl Authority {
    /// `secret` is drawn at start and known to nobody else; `realm` is shown to clients.
    pub fn new(secret: &[u8], realm: &str) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
        Self { secret, realm: realm.to_owned() }
    }

    /// Credentials that are good until `ends`.
    pub fn issue(&self, ends: Time, name: &str) -> TurnCredentials {
        let username = format!("{}:{name}", ends.as_micros() / 1_000_000);
        let password = self.password(&username);
        TurnCredentials { username, password }
    }

    fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.secret, username.as_bytes()))
    }

    /// The key of a user whose time is not over (RFC 8489 §9.2.2: the MD5 of name, realm and
    /// password).
    fn key(&self, now: Time, username: &[u8]) -> Option<IntegrityKey> {
        let username = core::str::from_utf8(username).ok()?;
        let (ends, _) = username.split_once(':')?;
        if ends.parse::<u64>().ok()? < now.as_micros() / 1_000_000 {
            return None;
        }
        let password = self.password(username);
        let key = Md5::digest(format!("{username}:{}:{password}", self.realm));
        Some(IntegrityKey::new(&key))
    }
}

/// What a server is made of.
pub struct Setup {
    /// Who may use it.
    pub authority: Arc<Authority>,
    /// Every address that may be a peer: the node's own candidates.
    pub peers: Arc<[SocketAddr]>,
    /// Where the client is seen to come from.
    pub client: SocketAddr,
    /// The address that it is lent.
    pub relayed: SocketAddr,
    /// Nobody guesses it.
    pub nonce: [u8; 16],
}

/// One client's server.
pub struct Turn {
    setup: Setup,
    nonce: String,
    /// Who it turned out to be; nobody else may go on in its place.
    user: Option<(Vec<u8>, IntegrityKey)>,
    allocated_until: Option<Time>,
    /// Whom it may exchange packets with. It lasts as long as the allocation: it leads to nobody but us, so it
    /// does no harm that it outlives the five minutes of RFC 8656 §9.
    permitted: Vec<IpAddr>,
    channels: Vec<(SocketAddr, u16)>,
}

impl Turn {
    /// Nobody yet.
    pub fn new(setup: Setup) -> Self {
        let nonce = setup.nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            setup,
            nonce,
            user: None,
            allocated_until: None,
            permitted: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Whether there is an allocation.
    pub fn is_allocated(&self, now: Time) -> bool {
        self.allocated_until.is_some_and(|until| now < until)
    }

    /// Take one message of the client and write the answer, if there is one, to `reply`.
    pub fn handle<'a>(&mut self, now: Time, message: &'a [u8], reply: &mut [u8]) -> Outcome<'a> {
        let taken = match message.first() {
            Some(0x40..=0x4f) => self.channel_data(now, message),
            _ => self.message(now, message, reply),
        };
        taken.unwrap_or_else(Outcome::Drop)
    }

    fn channel_data<'a>(&self, now: Time, message: &'a [u8]) -> Result<Outcome<'a>, Drop> {
        if !self.is_allocated(now) {
            return Err(Drop::NoAllocation);
        }
        let (header, payload) = message.split_at_checked(CHANNEL_HEADER).ok_or(Drop::Malformed)?;
        let number = header.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        let bound = self.channels.iter().find(|(_, channel)| Some(*channel) == number);
        let (peer, _) = *bound.ok_or(Drop::Forbidden)?;
        Ok(Outcome::Relay { peer, payload })
    }

    fn message<'a>(
        &mut self,
        now: Time,
        bytes: &'a [u8],
        reply: &mut [u8],
    ) -> Result<Outcome<'a>, Drop> {
        let message = Message::parse(bytes).map_err(|_| Drop::Malformed)?;
        match (message.class, message.method) {
            (Class::Indication, turn::SEND) => {
                if !self.is_allocated(now) {
                    return Err(Drop::NoAllocation);
                }
                let peer = message.xor_address(attribute::XOR_PEER_ADDRESS);
                let peer = peer.ok_or(Drop::Malformed)?;
                let payload = message.attribute(attribute::DATA).ok_or(Drop::Malformed)?;
                if !self.permitted.contains(&peer.ip()) || !self.setup.peers.contains(&peer) {
                    return Err(Drop::Forbidden);
                }
                Ok(Outcome::Relay { peer, payload })
            }
            (Class::Request, stun::BINDING) => {
                let builder =
                    Builder::new(reply, Class::Success, stun::BINDING, message.transaction);
                let len = builder.xor_mapped_address(self.setup.client).fingerprint().finish();
                Ok(Outcome::Reply { len: len.ok_or(Drop::NoSpace)?, authentic: false })
            }
            (Class::Request, _) => self.request(now, &message, reply),
            _ => Err(Drop::Malformed),
        }
    }

    /// A request that needs credentials.
    fn request<'a>(
        &mut self,
        now: Time,
        message: &Message<'a>,
        reply: &mut [u8],
    ) -> Result<Outcome<'a>, Drop> {
        let key = match self.authenticate(now, message) {
            Ok(key) => key,
            Err(code) => return self.challenge(message, code, reply),
        };
        let answer = self.act(now, message);
        let class = if answer.is_ok() { Class::Success } else { Class::Error };
        let mut builder = Builder::new(reply, class, message.method, message.transaction);
        match answer {
            Err((code, reason)) => builder = builder.error_code(code, reason),
            Ok(Answer::Allocated(lifetime)) => {
                builder = builder
                    .xor_address(attribute::XOR_RELAYED_ADDRESS, self.setup.relayed)
                    .xor_mapped_address(self.setup.client)
                    .attribute(attribute::LIFETIME, &seconds(lifetime));
            }
            Ok(Answer::Refreshed(lifetime)) => {
                builder = builder.attribute(attribute::LIFETIME, &seconds(lifetime));
            }
            Ok(Answer::Done) => {}
        }
        let len = builder.integrity(&key).fingerprint().finish().ok_or(Drop::NoSpace)?;
        if matches!(answer, Ok(Answer::Refreshed(Duration::ZERO))) {
            return Ok(Outcome::Over { len });
        }
        Ok(Outcome::Reply { len, authentic: self.is_allocated(now) })
    }

    /// The key under which a request is authentic, or the error code that says it is not.
    fn authenticate(&mut self, now: Time, message: &Message<'_>) -> Result<IntegrityKey, u16> {
        let username = message.username().ok_or(401u16)?;
        if !message.has_integrity() {
            return Err(401);
        }
        if message.attribute(attribute::NONCE) != Some(self.nonce.as_bytes()) {
            return Err(438);
        }
        let key = match &self.user {
            Some((known, key)) if known == username => key.clone(),
            Some(_) => return Err(441),
            None => self.setup.authority.key(now, username).ok_or(401u16)?,
        };
        if !message.verify_integrity(&key) {
            return Err(401);
        }
        if self.user.is_none() {
            self.user = Some((username.to_vec(), key.clone()));
        }
        Ok(key)
    }

    fn challenge<'a>(
        &self,
        message: &Message<'a>,
        code: u16,
        reply: &mut [u8],
    ) -> Result<Outcome<'a>, Drop> {
        let reason = match code {
            438 => "Stale Nonce",
            441 => "Wrong Credentials",
            _ => "Unauthorized",
        };
        let len = Builder::new(reply, Class::Error, message.method, message.transaction)
            .error_code(code, reason)
            .attribute(attribute::REALM, self.setup.authority.realm.as_bytes())
            .attribute(attribute::NONCE, self.nonce.as_bytes())
            .fingerprint()
            .finish();
        Ok(Outcome::Reply { len: len.ok_or(Drop::NoSpace)?, authentic: false })
    }

    fn act(&mut self, now: Time, message: &Message<'_>) -> Result<Answer, Refusal> {
        let lifetime = || {
            let asked = message.attribute(attribute::LIFETIME).and_then(|v| v.try_into().ok());
            asked.map(|v| Duration::from_secs(u64::from(u32::from_be_bytes(v))))
        };
        match message.method {
            turn::ALLOCATE if self.is_allocated(now) => Err((437, "Allocation Mismatch")),
            turn::ALLOCATE => {
                let wanted = message.attribute(attribute::REQUESTED_TRANSPORT);
                if wanted.and_then(<[u8]>::first) != Some(&UDP) {
                    return Err((442, "Unsupported Transport Protocol"));
                }
                let family = if self.setup.relayed.is_ipv4() { 1 } else { 2 };
                let asked = message.attribute(attribute::REQUESTED_ADDRESS_FAMILY);
                if asked.is_some_and(|asked| asked.first() != Some(&family)) {
                    return Err((440, "Address Family not Supported"));
                }
                self.permitted.clear();
                self.channels.clear();
                self.allocated_until = Some(now + LIFETIME);
                Ok(Answer::Allocated(LIFETIME))
            }
            _ if !self.is_allocated(now) => Err((437, "Allocation Mismatch")),
            turn::REFRESH => {
                let lifetime = lifetime().unwrap_or(LIFETIME).min(LIFETIME);
                self.allocated_until = Some(now + lifetime);
                Ok(Answer::Refreshed(lifetime))
            }
            turn::CREATE_PERMISSION => {
                let mut peers = message.xor_addresses(attribute::XOR_PEER_ADDRESS).peekable();
                if peers.peek().is_none() {
                    return Err((400, "Bad Request"));
                }
                peers.try_for_each(|peer| self.permit(peer.ip())).map(|()| Answer::Done)
            }
            turn::CHANNEL_BIND => self.bind(message).map(|()| Answer::Done),
            _ => Err((400, "Bad Request")),
        }
    }

    /// Permissions are for an address with any port (RFC 8656 §9).
    fn permit(&mut self, peer: IpAddr) -> Result<(), Refusal> {
        if self.permitted.contains(&peer) {
            return Ok(());
        }
        if !self.setup.peers.iter().any(|ours| ours.ip() == peer) {
            return Err((403, "Forbidden"));
        }
        if self.permitted.len() >= MAX_PEERS {
            return Err((508, "Insufficient Capacity"));
        }
        self.permitted.push(peer);
        Ok(())
    }

    fn bind(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let peer = message.xor_address(attribute::XOR_PEER_ADDRESS);
        let number = message.attribute(attribute::CHANNEL_NUMBER);
        let number = number.and_then(<[u8]>::first_chunk).map(|v| u16::from_be_bytes(*v));
        let number = number.filter(|number| CHANNELS.contains(number));
        let (Some(peer), Some(number)) = (peer, number) else { return Err((400, "Bad Request")) };
        if !self.setup.peers.contains(&peer) {
            return Err((403, "Forbidden"));
        }
        // A channel stays with its peer and a peer with its channel; binding both again is a refresh.
        let conflicts =
            |&(known, channel): &(SocketAddr, u16)| (known == peer) != (channel == number);
        if self.channels.iter().any(conflicts) {
            return Err((400, "Bad Request"));
        }
        self.permit(peer.ip())?;
        if !self.channels.contains(&(peer, number)) {
            if self.channels.len() >= MAX_PEERS {
                return Err((508, "Insufficient Capacity"));
            }
            self.channels.push((peer, number));
        }
        Ok(())
    }

    /// Write what goes in front of a packet of a peer to the client, for the packet to follow with
    /// padding to four bytes. `None` without an allocation or permission.
    pub fn wrap<'h>(
        &self,
        now: Time,
        (peer, payload): (SocketAddr, usize),
        header: &'h mut [u8; WRAP],
    ) -> Option<&'h [u8]> {
        if !self.is_allocated(now) || !self.permitted.contains(&peer.ip()) {
            return None;
        }
        let len = u16::try_from(payload).ok()?;
        let bound = self.channels.iter().find(|(known, _)| *known == peer);
        let Some((_, channel)) = bound else {
            let id = stun::TransactionId(*self.setup.nonce.first_chunk()?);
            let builder = Builder::new(header, Class::Indication, turn::DATA, id);
            let builder = builder.xor_address(attribute::XOR_PEER_ADDRESS, peer);
            let used = builder.attribute_ahead(attribute::DATA, len).finish()?;
            return header.get(..used);
        };
        let ([high, low], [first, second]) = (channel.to_be_bytes(), len.to_be_bytes());
        *header.first_chunk_mut::<CHANNEL_HEADER>()? = [high, low, first, second];
        header.get(..CHANNEL_HEADER)
    }
}

/// Longest that goes in front of a relayed packet: a STUN header, an IPv6 address and the attribute's own header.
pub const WRAP: usize = 20 + 24 + 4;

type Refusal = (u16, &'static str);

#[derive(Clone, Copy)]
enum Answer {
    Allocated(Duration),
    Refreshed(Duration),
    Done,
}

fn seconds(span: Duration) -> [u8; 4] {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;
