//! HMAC-SHA1 (RFC 2104, FIPS 180-4) of up to sixteen packets at once, one in each lane of a vector
//! register. A packet for many receivers has as many tags under as many keys, and none of them waits
//! for another, so where one hash leaves most of a wide machine idle, sixteen fill it. The lanes
//! are plain arrays; the compiler makes vectors of them, as wide as the machine's, which is asked
//! when the program runs.
//!
//! One packet alone is better served by the cryptographic library, which also makes every tag that
//! is verified here.

use pulp::{Arch, NullaryFnOnce};

/// Packets hashed at once.
pub(super) const LANES: usize = 16;
const BLOCK: usize = 64;
/// FIPS 180-4 §5.3.1.
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
const ROUNDS: usize = 80;

/// An authentication key as the two states that every HMAC under it goes on from.
#[derive(Clone, Copy)]
pub(super) struct Key {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Key {
    /// From a key no longer than a block.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let state = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.get_mut(..key.len())?.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
            let mut state = INITIAL.map(|word| [word]);
            compress(&mut state, &words(&block).map(|word| [word]));
            Some(state.map(|[word]| word))
        };
        Some(Self { inner: state(0x36)?, outer: state(0x5c)? })
    }
}

/// One message to be signed: where it lies among the bytes given, and four bytes that follow it.
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub(super) key: Key,
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) suffix: [u8; 4],
}

impl Message {
    pub(super) const NONE: Self =
        Self { key: Key { inner: [0; 5], outer: [0; 5] }, start: 0, len: 0, suffix: [0; 4] };
}

/// The HMACs of at most [`LANES`] messages, in their order.
pub(super) fn sign(bytes: &[u8], messages: &[Message]) -> [[u8; 20]; LANES] {
    struct Sign<'a>(&'a [u8], &'a [Message]);
    impl NullaryFnOnce for Sign<'_> {
        type Output = [[u8; 20]; LANES];

        #[inline(always)]
        fn call(self) -> Self::Output {
            sign_lanes(self.0, self.1)
        }
    }
    Arch::new().dispatch(Sign(bytes, messages))
}

/// A message's last bytes, padded to one or two blocks.
#[derive(Clone, Copy)]
struct Tail {
    bytes: [u8; 2 * BLOCK],
    /// Whole blocks before it.
    whole: usize,
    /// All blocks.
    blocks: usize,
}

impl Tail {
    const NONE: Self = Self { bytes: [0; 2 * BLOCK], whole: 0, blocks: 0 };

    fn of(message: &[u8], suffix: [u8; 4]) -> Self {
        let whole = message.len() / BLOCK;
        let rest = message.get(whole * BLOCK..).unwrap_or_default();
        let mut bytes = [0; 2 * BLOCK];
        // One byte ends the message and eight tell its length in bits, the key's block included.
        let end = rest.len() + suffix.len();
        let blocks = (end + 9).div_ceil(BLOCK);
        let bits = ((BLOCK + message.len() + suffix.len()) as u64) * 8;
        let parts: [&[u8]; 3] = [rest, &suffix, &[0x80]];
        let content = parts.into_iter().flatten();
        bytes.iter_mut().zip(content).for_each(|(place, &byte)| *place = byte);
        if let Some(place) = bytes.get_mut(blocks * BLOCK - 8..blocks * BLOCK) {
            place.copy_from_slice(&bits.to_be_bytes());
        }
        Self { bytes, whole, blocks: whole + blocks }
    }
}

#[inline(always)]
fn sign_lanes(bytes: &[u8], messages: &[Message]) -> [[u8; 20]; LANES] {
    let (mut tails, mut state, mut outer) = ([Tail::NONE; LANES], [[0; LANES]; 5], [[0; LANES]; 5]);
    let mut contents: [&[u8]; LANES] = [&[]; LANES];
    for (lane, message) in messages.iter().take(LANES).enumerate() {
        let content = bytes.get(message.start..message.start + message.len).unwrap_or_default();
        (contents[lane], tails[lane]) = (content, Tail::of(content, message.suffix));
        for word in 0..5 {
            state[word][lane] = message.key.inner[word];
            outer[word][lane] = message.key.outer[word];
        }
    }
    let most = tails.iter().map(|tail| tail.blocks).max().unwrap_or(0);
    for at in 0..most {
        let mut block = [[0; LANES]; 16];
        let mut live = [false; LANES];
        for lane in 0..LANES {
            let tail = &tails[lane];
            live[lane] = at < tail.blocks;
            let source = match at.checked_sub(tail.whole) {
                None => contents[lane].get(at * BLOCK..),
                Some(at) => tail.bytes.get(at * BLOCK..),
            };
            let Some(source) = source.and_then(<[u8]>::first_chunk::<BLOCK>) else { continue };
            let source = words(source);
            for word in 0..16 {
                block[word][lane] = source[word];
            }
        }
        let mut next = state;
        compress(&mut next, &block);
        for word in 0..5 {
            for lane in 0..LANES {
                state[word][lane] = if live[lane] { next[word][lane] } else { state[word][lane] };
            }
        }
    }
    // The outer hash: one block of the inner one's 20 bytes, padded.
    let mut block = [[0; LANES]; 16];
    block[..5].copy_from_slice(&state);
    block[5] = [0x8000_0000; LANES];
    block[15] = [((BLOCK + 20) * 8) as u32; LANES];
    compress(&mut outer, &block);
    let mut tags = [[0; 20]; LANES];
    for (lane, tag) in tags.iter_mut().enumerate() {
        for (place, word) in tag.chunks_exact_mut(4).zip(&outer) {
            place.copy_from_slice(&word[lane].to_be_bytes());
        }
    }
    tags
}

#[inline(always)]
fn words(block: &[u8; BLOCK]) -> [u32; 16] {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

/// FIPS 180-4 §6.1.2, in every lane.
#[inline(always)]
fn compress<const N: usize>(state: &mut [[u32; N]; 5], block: &[[u32; N]; 16]) {
    let (mut schedule, mut now) = (*block, *state);
    for round in 0..ROUNDS {
        let mut word = schedule[round % 16];
        if round >= 16 {
            for lane in 0..N {
                word[lane] = (schedule[(round + 13) % 16][lane]
                    ^ schedule[(round + 8) % 16][lane]
                    ^ schedule[(round + 2) % 16][lane]
                    ^ word[lane])
                    .rotate_left(1);
            }
            schedule[round % 16] = word;
        }
        let [a, b, c, d, e] = now;
        let mut next = [0; N];
        for lane in 0..N {
            let (b, c, d) = (b[lane], c[lane], d[lane]);
            let (mixed, constant) = match round / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            next[lane] = a[lane]
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e[lane])
                .wrapping_add(constant)
                .wrapping_add(word[lane]);
        }
        now = [next, a, b.map(|word| word.rotate_left(30)), c, d];
    }
    for (word, now) in state.iter_mut().zip(&now) {
        for lane in 0..N {
            word[lane] = word[lane].wrapping_add(now[lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    /// Messages of the given lengths, each under its own key, get the library's tags.
    fn check(lengths: &[usize]) {
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i * i >> 3) as u8).collect();
        let keys: Vec<[u8; 20]> = (0..lengths.len()).map(|i| [i as u8 * 7 + 1; 20]).collect();
        let message = |(nth, &len): (usize, &usize)| Message {
            key: Key::new(&keys[nth]).unwrap(),
            start: nth * 13,
            len,
            suffix: [0, 0, 1, nth as u8],
        };
        let messages: Vec<Message> = lengths.iter().enumerate().map(message).collect();
        let tags = sign(&bytes, &messages);
        for ((key, message), tag) in keys.iter().zip(&messages).zip(&tags) {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
            let mut context = hmac::Context::with_key(&key);
            context.update(&bytes[message.start..message.start + message.len]);
            context.update(&message.suffix);
            assert_eq!(tag, context.sign().as_ref(), "{} bytes", message.len);
        }
    }

    #[test]
    fn sixteen_packets_of_one_length_have_the_librarys_tags() {
        check(&[1190; LANES]);
    }

    #[test]
    fn every_length_has_the_librarys_tag_beside_any_other() {
        for from in (0..300).step_by(LANES) {
            check(&(from..from + LANES).collect::<Vec<_>>());
        }
        check(&[1400, 12, 700, 0, 51, 52, 55, 56, 59, 60, 64]);
        check(&[100]);
    }
}
