//! The floor under a relay: the least that forwarding costs on this machine, to hold the real one against. One thread
//! receives in batches, decrypts each packet once, encrypts it for each of a publisher's receivers under a key of their
//! own, and sends what goes to one receiver as one message that the kernel or the card cuts up. There are no rooms, no
//! feedback, no repair, no layers, no handshakes: whatever a relay does more than this is its own cost.
//!
//! The media crate's bench takes these files as they are and runs its worker by turns with [`Relay`], in the same
//! [`Stage`].
#![allow(unsafe_code)]

#[path = "floor/relay.rs"]
pub mod relay;
#[path = "floor/stage.rs"]
pub mod stage;

#[allow(unused_imports)] // One of the benches has no use for it.
pub use relay::Relay;
pub use stage::{Frame, Publisher, Stage};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Most bytes of an SRTP packet on the wire, and what video has.
pub const PACKET: usize = 1200;
/// Fixed header, and one word of extensions behind its own header word.
pub const HEADER: usize = 20;
/// Of AES-GCM.
pub const TAG: usize = 16;
/// Most packets of one frame, and what video has.
pub const BURST: usize = 8;

/// AES-128-GCM for SRTP (RFC 7714) in one direction.
pub struct Cipher {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Cipher {
    /// From a session key and salt.
    pub fn new(key: &[u8; 16], salt: [u8; 12]) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, key).expect("a key of 16 bytes");
        Self { key: LessSafeKey::new(key), salt }
    }

    /// RFC 7714 §8.1.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let [_, _, _, _, plain @ ..] = (u128::from(ssrc) << 48 | u128::from(index)).to_be_bytes();
        let mut nonce = self.salt;
        nonce.iter_mut().zip(plain).for_each(|(byte, plain)| *byte ^= plain);
        Nonce::assume_unique_for_key(nonce)
    }

    /// The header stands in `out`; the payload is encrypted behind it, with the tag.
    #[inline]
    pub fn seal(&self, (ssrc, index): (u32, u64), payload: &[u8], out: &mut [u8]) {
        let (header, rest) = out.split_at_mut(HEADER);
        let (sealed, tag) = rest.split_at_mut(payload.len());
        let (nonce, aad) = (self.nonce(ssrc, index), Aad::from(&*header));
        self.key
            .seal_out_of_place_scatter(nonce, aad, payload, sealed, &[], &mut tag[..TAG])
            .expect("lengths that fit");
    }

    /// The payload of a packet; `None` when it does not authenticate.
    #[inline]
    pub fn open(&self, (ssrc, index): (u32, u64), packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let (body, tag) = packet.split_at(packet.len() - TAG);
        let (header, sealed) = body.split_at(HEADER);
        let (nonce, out) = (self.nonce(ssrc, index), out.get_mut(..sealed.len())?);
        self.key.open_separate_gather(nonce, Aad::from(header), sealed, tag, out).ok()?;
        Some(sealed.len())
    }
}
