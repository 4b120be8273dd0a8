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

/// A word of each message.
type Lanes<const N: usize> = [u32; N];

/// Write the words of one message into its lane.
#[inline(always)]
fn put<const N: usize>(vectors: &mut [Lanes<N>], lane: usize, words: &[u32]) {
    for (vector, word) in vectors.iter_mut().zip(words) {
        if let Some(place) = vector.get_mut(lane) {
            *place = *word;
        }
    }
}

/// A message cut into blocks: those that lie whole where they are, and its end, padded to one or
/// two.
#[derive(Clone, Copy)]
struct Blocks<'a> {
    content: &'a [u8],
    tail: [u8; 2 * BLOCK],
    whole: usize,
    count: usize,
}

impl<'a> Blocks<'a> {
    const NONE: Self = Self { content: &[], tail: [0; 2 * BLOCK], whole: 0, count: 0 };

    fn of(content: &'a [u8], suffix: [u8; 4]) -> Self {
        let whole = content.len() / BLOCK;
        let rest = content.get(whole * BLOCK..).unwrap_or_default();
        let mut tail = [0; 2 * BLOCK];
        // One byte ends the message and eight tell its length in bits, the key's block included.
        let blocks = (rest.len() + suffix.len() + 9).div_ceil(BLOCK);
        let bits = ((BLOCK + content.len() + suffix.len()) as u64) * 8;
        let parts: [&[u8]; 3] = [rest, &suffix, &[0x80]];
        tail.iter_mut().zip(parts.into_iter().flatten()).for_each(|(place, byte)| *place = *byte);
        if let Some(place) = tail.get_mut(blocks * BLOCK - 8..blocks * BLOCK) {
            place.copy_from_slice(&bits.to_be_bytes());
        }
        Self { content, tail, whole, count: whole + blocks }
    }

    #[inline(always)]
    fn get(&self, at: usize) -> Option<&[u8; BLOCK]> {
        let from = match at.checked_sub(self.whole) {
            None => self.content.get(at * BLOCK..),
            Some(at) => self.tail.get(at * BLOCK..),
        };
        from?.first_chunk()
    }
}

#[inline(always)]
fn sign_lanes(bytes: &[u8], messages: &[Message]) -> [[u8; 20]; LANES] {
    let mut blocks = [Blocks::NONE; LANES];
    let (mut state, mut outer) = ([[0; LANES]; 5], [[0; LANES]; 5]);
    for ((lane, place), message) in blocks.iter_mut().enumerate().zip(messages) {
        let content = bytes.get(message.start..message.start + message.len).unwrap_or_default();
        *place = Blocks::of(content, message.suffix);
        put(&mut state, lane, &message.key.inner);
        put(&mut outer, lane, &message.key.outer);
    }
    let most = blocks.iter().map(|blocks| blocks.count).max().unwrap_or(0);
    for at in 0..most {
        let (mut block, mut live) = ([[0; LANES]; 16], [0; LANES]);
        for (lane, blocks) in blocks.iter().enumerate().filter(|(_, blocks)| at < blocks.count) {
            put(core::slice::from_mut(&mut live), lane, &[u32::MAX]);
            if let Some(source) = blocks.get(at) {
                put(&mut block, lane, &words(source));
            }
        }
        let mut next = state;
        compress(&mut next, &block);
        for (state, next) in state.iter_mut().zip(&next) {
            for ((state, next), live) in state.iter_mut().zip(next).zip(&live) {
                *state = (next & live) | (*state & !live);
            }
        }
    }
    // The outer hash: one block of the inner one's 20 bytes, padded.
    let [a, b, c, d, e] = state;
    let (end, bits, zero) = ([0x8000_0000; LANES], [(BLOCK as u32 + 20) * 8; LANES], [0; LANES]);
    let block = [a, b, c, d, e, end, zero, zero, zero, zero, zero, zero, zero, zero, zero, bits];
    compress(&mut outer, &block);
    let mut tags = [[0; 20]; LANES];
    for (nth, vector) in outer.iter().enumerate() {
        for (tag, word) in tags.iter_mut().zip(vector) {
            if let Some(place) = tag.as_chunks_mut().0.get_mut(nth) {
                *place = word.to_be_bytes();
            }
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
fn compress<const N: usize>(state: &mut [Lanes<N>; 5], block: &[Lanes<N>; 16]) {
    let mut rounds = Rounds { schedule: *block, state: *state };
    // Each twenty have a loop of their own, so that no lane chooses between functions.
    rounds.twenty::<0>(0x5a82_7999, |b, c, d| d ^ (b & (c ^ d)));
    rounds.twenty::<20>(0x6ed9_eba1, |b, c, d| b ^ c ^ d);
    rounds.twenty::<40>(0x8f1b_bcdc, |b, c, d| (b & c) | (d & (b | c)));
    rounds.twenty::<60>(0xca62_c1d6, |b, c, d| b ^ c ^ d);
    for (word, now) in state.iter_mut().flatten().zip(rounds.state.iter().flatten()) {
        *word = word.wrapping_add(*now);
    }
}

/// One round on the five words of the state, whose last becomes the first of the next.
#[allow(clippy::indexing_slicing)]
#[inline(always)]
fn round<const N: usize>(
    (a, b, c, d, e): (&Lanes<N>, &mut Lanes<N>, &Lanes<N>, &Lanes<N>, &mut Lanes<N>),
    word: &Lanes<N>,
    constant: u32,
    mix: impl Fn(u32, u32, u32) -> u32,
) {
    for lane in 0..N {
        e[lane] = a[lane]
            .rotate_left(5)
            .wrapping_add(mix(b[lane], c[lane], d[lane]))
            .wrapping_add(e[lane].wrapping_add(word[lane].wrapping_add(constant)));
        b[lane] = b[lane].rotate_left(30);
    }
}

struct Rounds<const N: usize> {
    /// The last sixteen words of the message schedule, in a ring.
    schedule: [Lanes<N>; 16],
    state: [Lanes<N>; 5],
}

// One loop over all lanes for a whole round becomes a few vector instructions; a loop, or an
// iterator, for each step of it does not. Every index is below the length of its array by the
// bounds of its loop.
#[allow(clippy::indexing_slicing)]
impl<const N: usize> Rounds<N> {
    /// Five rounds at a time, after which every word of the state is back in its place, so that none is moved.
    #[inline(always)]
    fn twenty<const FIRST: usize>(
        &mut self,
        constant: u32,
        mix: impl Fn(u32, u32, u32) -> u32 + Copy,
    ) {
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for first in (FIRST..FIRST + 20).step_by(5) {
            let mut word = |nth| self.word(first + nth);
            round((&a, &mut b, &c, &d, &mut e), &word(0), constant, mix);
            round((&e, &mut a, &b, &c, &mut d), &word(1), constant, mix);
            round((&d, &mut e, &a, &b, &mut c), &word(2), constant, mix);
            round((&c, &mut d, &e, &a, &mut b), &word(3), constant, mix);
            round((&b, &mut c, &d, &e, &mut a), &word(4), constant, mix);
        }
        self.state = [a, b, c, d, e];
    }

    /// The word of the message schedule that a round takes.
    #[inline(always)]
    fn word(&mut self, round: usize) -> Lanes<N> {
        if round >= 16 {
            self.extend(round);
        }
        self.schedule[round % 16]
    }

    #[inline(always)]
    fn extend(&mut self, round: usize) {
        let at = |back: usize| (round - back) % 16;
        let mut word = self.schedule[at(16)];
        for (lane, word) in word.iter_mut().enumerate() {
            let others = self.schedule[at(3)][lane] ^ self.schedule[at(8)][lane];
            *word = (others ^ self.schedule[at(14)][lane] ^ *word).rotate_left(1);
        }
        self.schedule[round % 16] = word;
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    /// Messages of the given lengths, each under its own key, get the library's tags.
    fn check(lengths: &[usize]) {
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i * i / 8) as u8).collect();
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
