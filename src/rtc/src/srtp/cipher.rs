//! The two families of transforms under one set of verbs: AES-GCM (RFC 7714) and AES counter mode
//! with HMAC-SHA1 (RFC 3711 §4).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::cipher::{EncryptingKey, EncryptionContext};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::signer::Unsigned;
use super::{Drop, Payload, Protected, RTCP_CLEAR_LEN, RTCP_ENCRYPTED, RTCP_INDEX_LEN, lanes};

/// One session key with its salt; the key schedules are computed once.
pub(super) enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Apart, since it is a kilobyte: a relay walks over the ciphers of all its receivers, nearly all
    /// of which are the other kind.
    CounterMode(Box<CounterMode>),
    /// The transport below has encrypted and authenticated already.
    Plain,
}

pub(super) struct CounterMode {
    pub(super) key: EncryptingKey,
    pub(super) auth: hmac::Key,
    /// The same key, for tags made together.
    pub(super) lane: lanes::Key,
    pub(super) salt: [u8; 14],
    pub(super) tag_len: usize,
}

/// What makes a packet's initialization vector its own: its source and its index.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) ssrc: u32,
    pub(super) sequence: u64,
}

/// The parts of a protected RTCP packet.
pub(super) struct Sealed<'a> {
    clear: &'a [u8],
    encrypted: &'a [u8],
    tag: &'a [u8],
}

impl Cipher {
    #[inline]
    pub(super) fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG_LEN,
            Self::CounterMode(mode) => mode.tag_len,
            Self::Plain => 0,
        }
    }

    #[inline]
    pub(super) fn seal_rtp(
        &self,
        at: At,
        header_len: usize,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let len = header_len.checked_add(payload.len())?;
        match self {
            Self::Gcm { key, salt } => {
                let (header, rest) = out.split_at_mut_checked(header_len)?;
                let (sealed, rest) = rest.split_at_mut_checked(payload.len())?;
                let tag = rest.get_mut(..GCM_TAG_LEN)?;
                let nonce = rtp_nonce(salt, at);
                let aad = Aad::from(&*header);
                key.seal_out_of_place_scatter(nonce, aad, payload, sealed, &[], tag).ok()?;
                Some(len + GCM_TAG_LEN)
            }
            Self::CounterMode(_) | Self::Plain => {
                out.get_mut(header_len..len)?.copy_from_slice(payload);
                self.seal_rtp_in_place(at, header_len, len, out)
            }
        }
    }

    #[inline]
    pub(super) fn seal_rtp_in_place(
        &self,
        at: At,
        header_len: usize,
        len: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let (packet, rest) = out.split_at_mut_checked(len)?;
        let tag_out = rest.get_mut(..self.tag_len())?;
        let (header, payload) = packet.split_at_mut_checked(header_len)?;
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtp_nonce(salt, at);
                let aad = Aad::from(&*header);
                let tag = key.seal_in_place_separate_tag(nonce, aad, payload).ok()?;
                tag_out.copy_from_slice(tag.as_ref());
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, auth, salt, .. } = &**mode;
                counter(key, salt, at, payload)?;
                let tag = sign(auth, &[packet, &rollover(at.sequence)]);
                tag_out.copy_from_slice(tag.as_ref().get(..tag_out.len())?);
            }
            Self::Plain => {}
        }
        Some(len + self.tag_len())
    }

    /// Like the above, but in counter mode the tag is left to a [`super::Signer`].
    #[inline]
    pub(super) fn seal_rtp_unsigned(
        &self,
        at: At,
        (header_len, payload): (usize, Payload<'_>),
        out: &mut [u8],
    ) -> Option<Protected> {
        let Self::CounterMode(mode) = self else {
            let len = match payload {
                Payload::Apart(payload) => self.seal_rtp(at, header_len, payload, out),
                Payload::InPlace(len) => self.seal_rtp_in_place(at, header_len, len, out),
            };
            return Some(Protected { len: len?, unsigned: None });
        };
        let CounterMode { key, lane, salt, tag_len, .. } = &**mode;
        let len = match payload {
            Payload::Apart(payload) => {
                let len = header_len.checked_add(payload.len())?;
                out.get_mut(header_len..len)?.copy_from_slice(payload);
                len
            }
            Payload::InPlace(len) => len,
        };
        out.get(..len + tag_len)?;
        counter(key, salt, at, out.get_mut(header_len..len)?)?;
        let (key, tag_len) = (*lane, *tag_len);
        let unsigned = Unsigned { key, len, suffix: rollover(at.sequence), tag_len };
        Some(Protected { len: len + tag_len, unsigned: Some(unsigned) })
    }

    #[inline]
    pub(super) fn open_rtp(
        &self,
        at: At,
        header_len: usize,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Drop> {
        let len = packet.len().checked_sub(self.tag_len()).ok_or(Drop::Malformed)?;
        let (body, tag) = packet.split_at_checked(len).ok_or(Drop::Malformed)?;
        let (header, encrypted) = body.split_at_checked(header_len).ok_or(Drop::Malformed)?;
        let out = out.get_mut(..len).ok_or(Drop::NoSpace)?;
        let (header_out, payload_out) =
            out.split_at_mut_checked(header_len).ok_or(Drop::NoSpace)?;
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtp_nonce(salt, at);
                key.open_separate_gather(nonce, Aad::from(header), encrypted, tag, payload_out)
                    .map_err(|_| Drop::Unauthenticated)?;
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, auth, salt, .. } = &**mode;
                verify(auth, &[body, &rollover(at.sequence)], tag)?;
                payload_out.copy_from_slice(encrypted);
                counter(key, salt, at, payload_out).ok_or(Drop::Malformed)?;
            }
            Self::Plain => payload_out.copy_from_slice(encrypted),
        }
        header_out.copy_from_slice(header);
        Ok(len)
    }

    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        len: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let (packet, rest) = out.split_at_mut_checked(len)?;
        let trailer = rest.get_mut(..self.tag_len() + RTCP_INDEX_LEN)?;
        let (clear, payload) = packet.split_at_mut_checked(RTCP_CLEAR_LEN)?;
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let (tag_out, word_out) = trailer.split_at_mut_checked(GCM_TAG_LEN)?;
                let nonce = rtcp_nonce(salt, ssrc, index);
                let aad = Aad::from(rtcp_aad(clear, word)?);
                let tag = key.seal_in_place_separate_tag(nonce, aad, payload).ok()?;
                tag_out.copy_from_slice(tag.as_ref());
                word_out.copy_from_slice(&word);
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, auth, salt, .. } = &**mode;
                let (word_out, tag_out) = trailer.split_at_mut_checked(RTCP_INDEX_LEN)?;
                counter(key, salt, At { ssrc, sequence: index.into() }, payload)?;
                let tag = sign(auth, &[packet, &word]);
                tag_out.copy_from_slice(tag.as_ref().get(..tag_out.len())?);
                word_out.copy_from_slice(&word);
            }
            // Nothing is added to plain RTCP; the caller does not come here.
            Self::Plain => return Some(len),
        }
        Some(len + self.tag_len() + RTCP_INDEX_LEN)
    }

    /// The index with its E bit, and the parts. The tag comes before the index in GCM (RFC 7714
    /// §9.2) and after it otherwise (RFC 3711 §3.4).
    pub(super) fn split_rtcp<'a>(&self, packet: &'a [u8]) -> Option<(u32, Sealed<'a>)> {
        let trailer = self.tag_len() + RTCP_INDEX_LEN;
        let (body, trailer) = packet.split_at_checked(packet.len().checked_sub(trailer)?)?;
        let (tag, word) = match self {
            Self::Gcm { .. } => trailer.split_at_checked(GCM_TAG_LEN)?,
            Self::CounterMode(_) | Self::Plain => {
                let (word, tag) = trailer.split_at_checked(RTCP_INDEX_LEN)?;
                (tag, word)
            }
        };
        let (clear, encrypted) = body.split_at_checked(RTCP_CLEAR_LEN)?;
        let word = u32::from_be_bytes(word.try_into().ok()?);
        Some((word, Sealed { clear, encrypted, tag }))
    }

    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        sealed: Sealed<'_>,
        out: &mut [u8],
    ) -> Result<usize, Drop> {
        let Sealed { clear, encrypted, tag } = sealed;
        let len = clear.len() + encrypted.len();
        let out = out.get_mut(..len).ok_or(Drop::NoSpace)?;
        let (clear_out, payload_out) =
            out.split_at_mut_checked(clear.len()).ok_or(Drop::NoSpace)?;
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtcp_nonce(salt, ssrc, index);
                let aad = Aad::from(rtcp_aad(clear, word).ok_or(Drop::Malformed)?);
                key.open_separate_gather(nonce, aad, encrypted, tag, payload_out)
                    .map_err(|_| Drop::Unauthenticated)?;
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, auth, salt, .. } = &**mode;
                verify(auth, &[clear, encrypted, &word], tag)?;
                payload_out.copy_from_slice(encrypted);
                let at = At { ssrc, sequence: index.into() };
                counter(key, salt, at, payload_out).ok_or(Drop::Malformed)?;
            }
            Self::Plain => payload_out.copy_from_slice(encrypted),
        }
        clear_out.copy_from_slice(clear);
        Ok(len)
    }
}

/// RFC 7714 §8.1: two zero bytes, SSRC, rollover counter and sequence number, XORed with the salt.
#[inline]
fn rtp_nonce(salt: &[u8; 12], at: At) -> Nonce {
    let plain = u128::from(at.ssrc) << 48 | u128::from(at.sequence & INDEX_MASK);
    nonce(salt, plain)
}

/// RFC 7714 §9.1: two zero bytes, SSRC, two zero bytes and the 31-bit index, XORed with the salt.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    nonce(salt, u128::from(ssrc) << 48 | u128::from(index))
}

#[inline]
fn nonce(salt: &[u8; 12], plain: u128) -> Nonce {
    let [_, _, _, _, plain @ ..] = plain.to_be_bytes();
    let mut bytes = *salt;
    for (byte, plain) in bytes.iter_mut().zip(plain) {
        *byte ^= plain;
    }
    Nonce::assume_unique_for_key(bytes)
}

/// RFC 7714 §9.2: the clear header and the word with the E bit and index.
fn rtcp_aad(clear: &[u8], word: [u8; 4]) -> Option<[u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN]> {
    let mut aad = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
    let (front, back) = aad.split_at_mut_checked(RTCP_CLEAR_LEN)?;
    front.copy_from_slice(clear);
    back.copy_from_slice(&word);
    Some(aad)
}

/// Encrypts or decrypts in counter mode from `(salt * 2^16) XOR (ssrc * 2^64) XOR (index * 2^16)`
/// (RFC 3711 §4.1.1).
#[inline]
pub(super) fn counter(key: &EncryptingKey, salt: &[u8; 14], at: At, data: &mut [u8]) -> Option<()> {
    let mut start = [0; 16];
    start.get_mut(..14)?.copy_from_slice(salt);
    let start = u128::from_be_bytes(start)
        ^ u128::from(at.ssrc) << 64
        ^ u128::from(at.sequence & INDEX_MASK) << 16;
    let context = EncryptionContext::Iv128(FixedLength::from(start.to_be_bytes()));
    key.less_safe_encrypt(data, context).ok().map(|_| ())
}

/// The authenticated data of SRTP ends in the rollover counter, which is not sent (RFC 3711 §4.2).
#[inline]
fn rollover(sequence: u64) -> [u8; 4] {
    ((sequence >> 16) as u32).to_be_bytes()
}

#[inline]
fn sign(auth: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(auth);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

#[inline]
fn verify(auth: &hmac::Key, parts: &[&[u8]], tag: &[u8]) -> Result<(), Drop> {
    let expected = sign(auth, parts);
    let expected = expected.as_ref().get(..tag.len()).ok_or(Drop::Malformed)?;
    verify_slices_are_equal(expected, tag).map_err(|_| Drop::Unauthenticated)
}

const GCM_TAG_LEN: usize = 16;
/// A packet index has 48 bits.
const INDEX_MASK: u64 = (1 << 48) - 1;
