//! Making new inputs from seeds.

use offhook_types::Rng;

/// Inputs do not grow past this: a datagram, or a message of the size that doors accept.
const MAX_LEN: usize = 4096;
/// Values that sit at the edges of length fields.
const EDGES: [u8; 8] = [0, 1, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

/// A seed with a few changes, or a splice of two.
pub fn mutate(rng: &mut Rng, seeds: &[Vec<u8>], into: &mut Vec<u8>) {
    into.clear();
    let Some(seed) = pick(rng, seeds) else { return };
    into.extend_from_slice(seed);
    if rng.chance(10)
        && let Some(other) = pick(rng, seeds)
    {
        let (keep, from) = (place(rng, into.len()), place(rng, other.len()));
        into.truncate(keep);
        into.extend_from_slice(&other[from..]);
    }
    for _ in 0..=rng.below(4) {
        change(rng, into);
    }
    into.truncate(MAX_LEN);
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = place(rng, bytes.len());
    let byte = rng.next_u32() as u8;
    match rng.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, byte),
        2 => {
            let end = (at + 1 + rng.below(16) as usize).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        3 => {
            let end = (at + 1 + rng.below(8) as usize).min(bytes.len());
            bytes.drain(at..end);
        }
        kind => {
            if let Some(place) = bytes.get_mut(at) {
                *place = match kind {
                    4 => *place ^ (1 << (byte & 7)),
                    5 => EDGES[usize::from(byte & 7)],
                    _ => byte,
                };
            }
        }
    }
}

fn pick<'a>(rng: &mut Rng, seeds: &'a [Vec<u8>]) -> Option<&'a Vec<u8>> {
    seeds.get(rng.below(u32::try_from(seeds.len()).unwrap_or(u32::MAX)) as usize)
}

/// A place in, or right after, `len` bytes.
fn place(rng: &mut Rng, len: usize) -> usize {
    rng.below(u32::try_from(len + 1).unwrap_or(u32::MAX)) as usize
}
