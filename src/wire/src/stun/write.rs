//! Building messages.

use core::net::{IpAddr, SocketAddr};

use super::{
    Class, FINGERPRINT_XOR, HEADER, INTEGRITY, IntegrityKey, MAGIC, TransactionId, attribute, crc,
    xor_mask,
};
use crate::cursor::Writer;

/// Builds one message in a caller's buffer. What does not fit makes [`Builder::finish`] answer
/// `None`.
///
/// Order matters: attributes, then [`Builder::integrity`], then [`Builder::fingerprint`].
#[derive(Debug)]
pub struct Builder<'b> {
    out: Writer<'b>,
    transaction: TransactionId,
    whole: Option<()>,
    /// Bytes of the message that the caller puts behind what is built.
    ahead: usize,
}

impl<'b> Builder<'b> {
    /// Start a message.
    pub fn new(out: &'b mut [u8], class: Class, method: u16, transaction: TransactionId) -> Self {
        let class_bits = match class {
            Class::Request => 0,
            Class::Indication => 0x10,
            Class::Success => 0x100,
            Class::Error => 0x110,
        };
        let method_bits = (method & 0xf) | (method & 0x70) << 1 | (method & 0xf80) << 2;
        let mut this = Self { out: Writer::new(out), transaction, whole: Some(()), ahead: 0 };
        this.push(|out| {
            out.u16(method_bits | class_bits)?;
            out.u16(0)?;
            out.u32(MAGIC)?;
            out.put(&transaction.0)
        });
        this
    }

    /// Any attribute.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(|out| {
            out.u16(kind)?;
            out.u16(u16::try_from(value.len()).ok()?)?;
            out.put(value)?;
            out.pad4()
        });
        self
    }

    /// An attribute whose value comes in pieces.
    pub fn attribute_of<const N: usize>(mut self, kind: u16, pieces: [&[u8]; N]) -> Self {
        self.push(|out| {
            out.u16(kind)?;
            out.u16(u16::try_from(pieces.iter().map(|piece| piece.len()).sum::<usize>()).ok()?)?;
            pieces.iter().try_for_each(|piece| out.put(piece))?;
            out.pad4()
        });
        self
    }

    /// The header of an attribute, the message's last, whose value of `len` bytes follows what is
    /// built, padded to four bytes by the caller.
    pub fn attribute_ahead(mut self, kind: u16, len: u16) -> Self {
        self.push(|out| {
            out.u16(kind)?;
            out.u16(len)
        });
        self.ahead = usize::from(len).next_multiple_of(4);
        self
    }

    /// The sender of the request as we saw it.
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        self.xor_address(attribute::XOR_MAPPED_ADDRESS, address)
    }

    /// An address combined with the magic cookie.
    pub fn xor_address(self, kind: u16, address: SocketAddr) -> Self {
        let mut value = [0; 20];
        let mut out = Writer::new(&mut value);
        let port = address.port() ^ (MAGIC >> 16) as u16;
        let wrote = match address.ip() {
            IpAddr::V4(ip) => out
                .u16(1)
                .and_then(|()| out.u16(port))
                .and_then(|()| out.u32(u32::from(ip) ^ MAGIC)),
            IpAddr::V6(ip) => out.u16(2).and_then(|()| out.u16(port)).and_then(|()| {
                out.put(&(u128::from(ip) ^ xor_mask(self.transaction)).to_be_bytes())
            }),
        };
        let len = wrote.map_or(0, |()| out.len());
        let value = value.get(..len).unwrap_or_default();
        self.attribute(kind, value)
    }

    /// `code` is 300 to 699; `reason` at most 127 characters for people.
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let mut value = [0; 4 + 127];
        let mut out = Writer::new(&mut value);
        let numbers = [0, 0, (code / 100) as u8 & 7, (code % 100) as u8];
        let wrote = out.put(&numbers).and_then(|()| out.put(reason.as_bytes()));
        let len = if wrote.is_some() { out.len() } else { 4 };
        let value = value.get(..len).unwrap_or_default();
        self.attribute(attribute::ERROR_CODE, value)
    }

    /// Attribute types that were not understood; at most the first eight.
    pub fn unknown_attributes(self, kinds: impl Iterator<Item = u16>) -> Self {
        let mut value = [0; 16];
        let mut out = Writer::new(&mut value);
        for kind in kinds.take(8) {
            if out.u16(kind).is_none() {
                break;
            }
        }
        let len = out.len();
        let value = value.get(..len).unwrap_or_default();
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, value)
    }

    /// MESSAGE-INTEGRITY over all so far.
    pub fn integrity(mut self, key: &IntegrityKey) -> Self {
        let length = (self.out.len() + 4 + INTEGRITY).saturating_sub(HEADER);
        let tag = u16::try_from(length).ok().and_then(|length| key.tag(self.out.written(), length));
        match tag {
            Some(tag) => self.attribute(attribute::MESSAGE_INTEGRITY, &tag),
            None => {
                self.whole = None;
                self
            }
        }
    }

    /// FINGERPRINT over all so far; the last attribute.
    pub fn fingerprint(mut self) -> Self {
        let length = (self.out.len() + 8).saturating_sub(HEADER);
        self.push(|out| out.set_u16(2, u16::try_from(length).ok()?));
        let crc = crc::crc32(self.out.written()) ^ FINGERPRINT_XOR;
        self.attribute(attribute::FINGERPRINT, &crc.to_be_bytes())
    }

    /// Fill in the length; bytes written, or `None` when something did not fit.
    pub fn finish(mut self) -> Option<usize> {
        let length = self.out.len().saturating_sub(HEADER) + self.ahead;
        self.push(|out| out.set_u16(2, u16::try_from(length).ok()?));
        self.whole.map(|()| self.out.len())
    }

    fn push(&mut self, write: impl FnOnce(&mut Writer<'b>) -> Option<()>) {
        if self.whole.is_some() {
            self.whole = write(&mut self.out);
        }
    }
}
