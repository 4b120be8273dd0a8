//! STUN messages (RFC 8489) with the attributes that ICE adds (RFC 8445 §7.1), as an ICE-lite agent
//! needs them.
//!
//! Reading: [`Message::parse`], the typed attributes, [`Message::verify_integrity`]. Writing:
//! [`Builder`]. Attributes after MESSAGE-INTEGRITY, FINGERPRINT apart, do not exist for a reader
//! (RFC 8489 §14.5).

mod crc;
mod write;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aws_lc_rs::hmac;

pub use write::Builder;

use crate::cursor::Reader;
use crate::{Malformed, Parsed};

const MAGIC: u32 = 0x2112_a442;
const HEADER: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// Length of an HMAC-SHA1.
const INTEGRITY: usize = 20;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §20.1, RFC 8656 §18).
pub mod attribute {
    #![expect(missing_docs, reason = "the names are the registry's")]
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const CHANNEL_NUMBER: u16 = 0x000c;
    pub const LIFETIME: u16 = 0x000d;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const SOFTWARE: u16 = 0x8022;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802a;
    /// Goog nomination: which of several nominations is the newest.
    pub const NOMINATION: u16 = 0xc001;
}

/// What a message is for (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The good answer.
    Success,
    /// The bad answer.
    Error,
}

/// The method that every message of ICE uses.
pub const BINDING: u16 = 1;

/// The methods of TURN (RFC 8656 §17).
pub mod turn {
    #![expect(missing_docs, reason = "the names are the registry's")]
    pub const ALLOCATE: u16 = 3;
    pub const REFRESH: u16 = 4;
    pub const SEND: u16 = 6;
    pub const DATA: u16 = 7;
    pub const CREATE_PERMISSION: u16 = 8;
    pub const CHANNEL_BIND: u16 = 9;
}

/// Matches answers to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// A key for MESSAGE-INTEGRITY with short-term credentials (RFC 8489 §9.1), made once per password.
#[derive(Clone)]
pub struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// The key of a password. ICE passwords are plain ASCII, on which OpaqueString preparation
    /// changes nothing.
    pub fn new(password: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password))
    }

    /// HMAC-SHA1 over a message whose length field is taken to be `length`.
    fn tag(&self, message: &[u8], length: u16) -> Option<[u8; INTEGRITY]> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(message.get(..2)?);
        context.update(&length.to_be_bytes());
        context.update(message.get(4..)?);
        context.sign().as_ref().try_into().ok()
    }
}

impl core::fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted key]")
    }
}

/// A well-formed message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What it is for.
    pub class: Class,
    /// [`BINDING`] for everything in ICE.
    pub method: u16,
    /// Matches answers to requests.
    pub transaction: TransactionId,
    bytes: &'a [u8],
    /// Where MESSAGE-INTEGRITY starts.
    integrity_at: Option<usize>,
    /// Where FINGERPRINT starts.
    fingerprint_at: Option<usize>,
}

impl<'a> Message<'a> {
    /// Read one message that fills `bytes`. All attributes are walked, so a message that parses is
    /// whole.
    pub fn parse(bytes: &'a [u8]) -> Parsed<Self> {
        let mut reader = Reader::new(bytes);
        let message_type = reader.u16()?;
        let length = usize::from(reader.u16()?);
        if message_type & 0xc000 != 0 || reader.u32()? != MAGIC {
            return Err(Malformed::Version);
        }
        let transaction = TransactionId(reader.array()?);
        if length != reader.len() || !length.is_multiple_of(4) {
            return Err(Malformed::Length);
        }
        let class = match (message_type >> 7 & 2) | (message_type >> 4 & 1) {
            0 => Class::Request,
            1 => Class::Indication,
            2 => Class::Success,
            _ => Class::Error,
        };
        let method =
            (message_type & 0xf) | (message_type >> 1 & 0x70) | (message_type >> 2 & 0xf80);
        let mut message =
            Self { class, method, transaction, bytes, integrity_at: None, fingerprint_at: None };
        message.walk()?;
        Ok(message)
    }

    /// Check every attribute's length and note where integrity and fingerprint are.
    fn walk(&mut self) -> Parsed<()> {
        let mut at = HEADER;
        while at < self.bytes.len() {
            if self.fingerprint_at.is_some() {
                // RFC 8489 §14.7: FINGERPRINT is the last attribute.
                return Err(Malformed::Value);
            }
            let mut reader = Reader::new(self.bytes.get(at..).unwrap_or_default());
            let kind = reader.u16()?;
            let len = usize::from(reader.u16()?);
            reader.take(len.next_multiple_of(4))?;
            match kind {
                attribute::MESSAGE_INTEGRITY if self.integrity_at.is_none() => {
                    if len != INTEGRITY {
                        return Err(Malformed::Length);
                    }
                    self.integrity_at = Some(at);
                }
                attribute::FINGERPRINT => {
                    if len != 4 {
                        return Err(Malformed::Length);
                    }
                    self.fingerprint_at = Some(at);
                }
                _ => {}
            }
            at += 4 + len.next_multiple_of(4);
        }
        Ok(())
    }

    /// Attributes up to MESSAGE-INTEGRITY or FINGERPRINT, as type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + Clone + 'a {
        let end = self.integrity_at.or(self.fingerprint_at).unwrap_or(self.bytes.len());
        let mut reader = Reader::new(self.bytes.get(HEADER..end).unwrap_or_default());
        core::iter::from_fn(move || {
            let kind = reader.u16().ok()?;
            let len = usize::from(reader.u16().ok()?);
            let padded = reader.take(len.next_multiple_of(4)).ok()?;
            Some((kind, padded.get(..len)?))
        })
    }

    /// The value of the first attribute of a type.
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find_map(|(found, value)| (found == kind).then_some(value))
    }

    /// USERNAME: in ICE `receiver's ufrag:sender's ufrag`.
    pub fn username(&self) -> Option<&'a [u8]> {
        self.attribute(attribute::USERNAME)
    }

    /// PRIORITY of the candidate that a check would create.
    pub fn priority(&self) -> Option<u32> {
        self.attribute(attribute::PRIORITY)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// USE-CANDIDATE: the controlling side nominates this pair.
    pub fn use_candidate(&self) -> bool {
        self.attribute(attribute::USE_CANDIDATE).is_some()
    }

    /// ICE-CONTROLLING with its tie breaker.
    pub fn ice_controlling(&self) -> Option<u64> {
        self.attribute(attribute::ICE_CONTROLLING)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// ICE-CONTROLLED with its tie breaker.
    pub fn ice_controlled(&self) -> Option<u64> {
        self.attribute(attribute::ICE_CONTROLLED)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// The code of ERROR-CODE, 300 to 699.
    pub fn error_code(&self) -> Option<u16> {
        let &[_, _, class, number, ..] = self.attribute(attribute::ERROR_CODE)? else {
            return None;
        };
        let (class, number) = (u16::from(class & 7), u16::from(number));
        ((3..=6).contains(&class) && number < 100).then_some(class * 100 + number)
    }

    /// XOR-MAPPED-ADDRESS: the sender of the request as its receiver saw it.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        self.xor_address(attribute::XOR_MAPPED_ADDRESS)
    }

    /// The first address of an attribute type that holds one combined with the magic cookie.
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        self.xor_addresses(kind).next()
    }

    /// All of them; what is no address is passed over.
    pub fn xor_addresses(&self, kind: u16) -> impl Iterator<Item = SocketAddr> + 'a {
        let transaction = self.transaction;
        let values = self.attributes().filter(move |(found, _)| *found == kind);
        values.filter_map(move |(_, value)| xor_address(value, transaction))
    }

    /// Attribute types that we must understand to go on and do not (RFC 8489 §6.3.1), in order.
    pub fn unknown_required(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        use attribute::{MAPPED_ADDRESS, PRIORITY, USE_CANDIDATE, XOR_MAPPED_ADDRESS};
        self.attributes().map(|(kind, _)| kind).filter(|&kind| {
            let known = matches!(
                kind,
                MAPPED_ADDRESS
                    | attribute::USERNAME
                    | attribute::MESSAGE_INTEGRITY
                    | attribute::ERROR_CODE
                    | attribute::UNKNOWN_ATTRIBUTES
                    | XOR_MAPPED_ADDRESS
                    | PRIORITY
                    | USE_CANDIDATE
            );
            kind < 0x8000 && !known
        })
    }

    /// There is a MESSAGE-INTEGRITY attribute.
    pub const fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// MESSAGE-INTEGRITY is there and made with this key. Compared in constant time.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        let check = || {
            let at = self.integrity_at?;
            let found = self.bytes.get(at + 4..at + 4 + INTEGRITY)?;
            // The length field counts up to and including MESSAGE-INTEGRITY (RFC 8489 §14.5).
            let length = u16::try_from(at + 4 + INTEGRITY - HEADER).ok()?;
            let tag = key.tag(self.bytes.get(..at)?, length)?;
            aws_lc_rs::constant_time::verify_slices_are_equal(&tag, found).ok()
        };
        check().is_some()
    }

    /// FINGERPRINT, when there is one, is right; `None` without one.
    pub fn verify_fingerprint(&self) -> Option<bool> {
        let at = self.fingerprint_at?;
        let found = self.bytes.get(at + 4..at + 8)?;
        let expected = crc::crc32(self.bytes.get(..at)?) ^ FINGERPRINT_XOR;
        Some(found == expected.to_be_bytes())
    }
}

fn xor_address(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let mut reader = Reader::new(value);
    reader.u8().ok()?;
    let family = reader.u8().ok()?;
    let port = reader.u16().ok()? ^ (MAGIC >> 16) as u16;
    let ip = match (family, reader.len()) {
        (1, 4) => IpAddr::V4(Ipv4Addr::from(reader.u32().ok()? ^ MAGIC)),
        (2, 16) => {
            let address = u128::from_be_bytes(reader.array().ok()?);
            IpAddr::V6(Ipv6Addr::from(address ^ xor_mask(transaction)))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// What an IPv6 address is combined with: magic cookie, then transaction (RFC 8489 §14.2).
fn xor_mask(transaction: TransactionId) -> u128 {
    let low = transaction.0.iter().fold(0u128, |mask, &byte| (mask << 8) | u128::from(byte));
    (u128::from(MAGIC) << 96) | low
}

#[cfg(test)]
mod tests;
