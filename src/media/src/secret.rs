//! Bytes that nobody guesses.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// From the operating system's randomness, by way of the library's generator: no system call each time.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The generator cannot fail once the process runs; if it ever did, a guessable secret must not be used, so it is
    // asked until it answers.
    while SystemRandom::new().fill(&mut bytes).is_err() {}
    bytes
}
