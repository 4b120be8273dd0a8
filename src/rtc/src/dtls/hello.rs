//! The first flight, read before any engine exists, to choose the engine that ends in the cheapest
//! SRTP profile.
//!
//! A 1.2 engine takes the best profile that the client offers; a 1.3 engine takes the client's
//! first. Chromium offers AES-CM before AES-GCM, and GCM costs a fifth per packet. So a client that
//! would get something else from 1.3 gets 1.2, if it offers both.

use offhook_wire::dtls;

/// Which engine to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// DTLS 1.2 even if the client can do 1.3.
    Only12,
    /// Whatever the client prefers.
    Either,
}

/// A ClientHello that is being collected; it may come in fragments (RFC 6347 §4.2.3), post-quantum
/// key shares make it larger than a datagram.
#[derive(Default)]
pub(super) struct Hello {
    datagrams: Vec<Vec<u8>>,
    message_seq: u16,
    /// The message as if it had come whole in one record: [`HEADERS_LEN`] bytes, then the body.
    message: Vec<u8>,
    /// Which bytes of the body came.
    filled: Vec<bool>,
    last_was_used: bool,
}

impl Hello {
    /// Takes a datagram; the choice, once the message is complete.
    pub(super) fn add(&mut self, datagram: &[u8]) -> Option<Choice> {
        self.last_was_used = false;
        for record in Records(datagram) {
            let Some(fragment) = Fragment::read(record) else { continue };
            if fragment.total > MAX_LEN {
                continue;
            }
            if fragment.total != self.filled.len() || fragment.message_seq != self.message_seq {
                self.restart(&fragment);
            }
            self.last_was_used |= self.place(&fragment);
        }
        if !self.last_was_used {
            return None;
        }
        self.datagrams.push(datagram.to_vec());
        if !self.filled.iter().all(|&filled| filled) {
            if self.datagrams.len() >= MAX_DATAGRAMS {
                *self = Self::default();
            }
            return None;
        }
        let choice = choose(&self.message);
        if choice.is_none() {
            *self = Self::default();
        }
        choice
    }

    /// Whether the last datagram was a new part of a message that is still incomplete.
    pub(super) fn is_waiting_for_more(&self) -> bool {
        self.last_was_used
    }

    /// The datagrams of the complete message, for the engine.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.datagrams)
    }

    fn restart(&mut self, fragment: &Fragment<'_>) {
        self.datagrams.clear();
        self.message_seq = fragment.message_seq;
        self.message = headers(fragment.total, fragment.message_seq);
        self.message.resize(HEADERS_LEN + fragment.total, 0);
        self.filled = vec![false; fragment.total];
    }

    /// True if any byte was new.
    fn place(&mut self, fragment: &Fragment<'_>) -> bool {
        let range = fragment.offset..fragment.offset.saturating_add(fragment.bytes.len());
        let body = self.message.get_mut(HEADERS_LEN..).unwrap_or_default();
        let (Some(body), Some(filled)) = (body.get_mut(range.clone()), self.filled.get_mut(range))
        else {
            return false;
        };
        let is_new = filled.iter().any(|&filled| !filled);
        if is_new {
            body.copy_from_slice(fragment.bytes);
            filled.fill(true);
        }
        is_new
    }
}

/// A record header and the header of an unfragmented ClientHello (RFC 6347 §4.1, §4.2.2).
fn headers(total: usize, message_seq: u16) -> Vec<u8> {
    let record_len = (HANDSHAKE_HEADER_LEN + total).to_be_bytes();
    let [.., high, middle, low] = total.to_be_bytes();
    let mut headers = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    headers.extend(record_len.iter().skip(record_len.len() - 2));
    headers.extend([CLIENT_HELLO, high, middle, low]);
    headers.extend(message_seq.to_be_bytes());
    headers.extend([0, 0, 0, high, middle, low]);
    headers
}

/// Whether a datagram starts with what a server answers a ClientHello with: ServerHello or
/// HelloVerifyRequest.
pub(super) fn is_server_answer(datagram: &[u8]) -> bool {
    let first = Records(datagram).next().and_then(|record| record.first().copied());
    matches!(first, Some(SERVER_HELLO | HELLO_VERIFY_REQUEST))
}

/// The bodies of the plaintext handshake records of a datagram.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (header, rest) = self.0.split_at_checked(RECORD_HEADER_LEN)?;
        // Type, version, epoch 0; the sequence number does not matter.
        let &[HANDSHAKE, 0xfe, _, 0, 0, ..] = header else { return None };
        let (len, _) = header.get(11..)?.split_first_chunk()?;
        let (body, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        self.0 = rest;
        Some(body)
    }
}

/// A part of a ClientHello message.
struct Fragment<'a> {
    total: usize,
    message_seq: u16,
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn read(record: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(record);
        if reader.u8()? != CLIENT_HELLO {
            return None;
        }
        let total = reader.u24()?;
        let message_seq = reader.u16()?;
        let offset = reader.u24()?;
        let len = reader.u24()?;
        let bytes = reader.take(len)?;
        Some(Self { total, message_seq, offset, bytes })
    }
}

/// `message` is a whole ClientHello in one record. `None` when it is malformed.
fn choose(message: &[u8]) -> Option<Choice> {
    let Ok(dtls::Hello::Whole(hello)) = dtls::sniff(message) else { return None };
    let is_gcm =
        |profile: u16| matches!(profile, dtls::SRTP_AEAD_AES_128_GCM | dtls::SRTP_AEAD_AES_256_GCM);
    let mut known = hello
        .srtp_profiles()
        .filter(|&profile| is_gcm(profile) || profile == dtls::SRTP_AES128_CM_SHA1_80);
    let first_is_gcm = known.clone().next().is_some_and(is_gcm);
    let loses_gcm = hello.offers_1_3 && !first_is_gcm && known.any(is_gcm);
    Some(if loses_gcm && hello.offers_1_2 { Choice::Only12 } else { Choice::Either })
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u24(&mut self) -> Option<usize> {
        let &[a, b, c] = self.take(3)? else { return None };
        Some(u32::from_be_bytes([0, a, b, c]) as usize)
    }
}

const RECORD_HEADER_LEN: usize = 13;
const HANDSHAKE_HEADER_LEN: usize = 12;
const HEADERS_LEN: usize = RECORD_HEADER_LEN + HANDSHAKE_HEADER_LEN;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// A ClientHello with a post-quantum key share has about 1,500 bytes.
const MAX_LEN: usize = 8 << 10;
/// The engine reads at most this many before it gives up.
const MAX_DATAGRAMS: usize = 16;

#[cfg(test)]
mod tests;
