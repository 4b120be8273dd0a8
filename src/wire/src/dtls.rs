//! Looking into a DTLS ClientHello before the handshake is started (RFC 6347 §4.2.2, RFC 9147 §5.3,
//! RFC 5764 §4.1): which versions and SRTP profiles the peer offers, so that we can choose settings
//! that end in a GCM profile.

use crate::cursor::Reader;
use crate::{Malformed, Parsed};

/// AES-CM with HMAC-SHA1, 80-bit tag (RFC 5764 §4.1.2).
pub const SRTP_AES128_CM_SHA1_80: u16 = 0x0001;
/// AES-GCM with 128-bit keys (RFC 7714 §14.2).
pub const SRTP_AEAD_AES_128_GCM: u16 = 0x0007;
/// AES-GCM with 256-bit keys (RFC 7714 §14.2).
pub const SRTP_AEAD_AES_256_GCM: u16 = 0x0008;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const DTLS_1_2: u16 = 0xfefd;
const DTLS_1_3: u16 = 0xfefc;
const USE_SRTP: u16 = 14;
const SUPPORTED_VERSIONS: u16 = 43;

/// What a datagram says about the peer's first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello<'a> {
    /// A whole ClientHello.
    Whole(ClientHello<'a>),
    /// A ClientHello cut into fragments of which the datagram does not hold all: feed it on and
    /// decide without.
    Fragmented,
    /// Some other DTLS record.
    Other,
}

/// What a peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// DTLS 1.2 is offered.
    pub offers_1_2: bool,
    /// DTLS 1.3 is offered.
    pub offers_1_3: bool,
    /// It answers a cookie: the peer's address is proven.
    pub has_cookie: bool,
    profiles: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// SRTP protection profiles in the peer's order.
    pub fn srtp_profiles(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        let mut reader = Reader::new(self.profiles);
        core::iter::from_fn(move || reader.u16().ok())
    }
}

/// Look at the first record of a datagram.
pub fn sniff(datagram: &[u8]) -> Parsed<Hello<'_>> {
    let mut reader = Reader::new(datagram);
    if reader.u8()? != HANDSHAKE {
        return Ok(Hello::Other);
    }
    // Version, epoch, sequence number: an encrypted record has a later epoch.
    let [_, _, epoch_high, epoch_low, _, _, _, _, _, _] = reader.array::<10>()?;
    if (epoch_high, epoch_low) != (0, 0) {
        return Ok(Hello::Other);
    }
    let len = usize::from(reader.u16()?);
    let mut record = Reader::new(reader.take(len)?);
    if record.u8()? != CLIENT_HELLO {
        return Ok(Hello::Other);
    }
    let whole = record.u24()?;
    let _message_sequence = record.u16()?;
    let (offset, len) = (record.u24()?, record.u24()?);
    if offset.checked_add(len).is_none_or(|end| end > whole) {
        return Err(Malformed::Length);
    }
    if (offset, len) != (0, whole) {
        return Ok(Hello::Fragmented);
    }
    client_hello(record.take(len as usize)?).map(Hello::Whole)
}

fn client_hello(body: &[u8]) -> Parsed<ClientHello<'_>> {
    let mut reader = Reader::new(body);
    let legacy_version = reader.u16()?;
    reader.take(32)?;
    let session = usize::from(reader.u8()?);
    reader.take(session)?;
    let cookie = usize::from(reader.u8()?);
    reader.take(cookie)?;
    let suites = usize::from(reader.u16()?);
    reader.take(suites)?;
    let compressions = usize::from(reader.u8()?);
    reader.take(compressions)?;
    let mut hello = ClientHello {
        // Versions count down: 1.2 is 0xfefd, 1.0 is 0xfeff.
        offers_1_2: legacy_version >> 8 == 0xfe && legacy_version <= DTLS_1_2,
        offers_1_3: false,
        has_cookie: cookie > 0,
        profiles: &[],
    };
    if reader.is_empty() {
        return Ok(hello);
    }
    let len = usize::from(reader.u16()?);
    let mut extensions = Reader::new(reader.take(len)?);
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let len = usize::from(extensions.u16()?);
        let mut value = Reader::new(extensions.take(len)?);
        match kind {
            USE_SRTP => {
                let len = usize::from(value.u16()?);
                hello.profiles = value.take(len)?;
                if !len.is_multiple_of(2) {
                    return Err(Malformed::Length);
                }
            }
            SUPPORTED_VERSIONS => {
                let len = usize::from(value.u8()?);
                let mut versions = Reader::new(value.take(len)?);
                hello.offers_1_2 = false;
                while let Ok(version) = versions.u16() {
                    hello.offers_1_2 |= version == DTLS_1_2;
                    hello.offers_1_3 |= version == DTLS_1_3;
                }
            }
            _ => {}
        }
    }
    Ok(hello)
}

#[cfg(test)]
mod tests;
