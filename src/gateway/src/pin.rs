//! PINs of rooms: kept as salted hashes, slow to try.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use offhook_store::PinHash;

/// A PIN has so many digits.
pub const LENGTH: std::ops::RangeInclusive<usize> = 4..=12;

/// A PIN is short, so each try of somebody who has the hash should cost some 50 ms.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// Text that is no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has 4 to 12 digits")]
pub struct BadPin;

/// The hash of a PIN under a new salt.
///
/// # Errors
/// It is no PIN.
pub fn hash(pin: &str, salt: [u8; 16]) -> Result<PinHash, BadPin> {
    if !LENGTH.contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadPin);
    }
    let mut hash = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, pin.as_bytes(), &mut hash);
    Ok(PinHash { salt, hash })
}

/// Whether this was typed. Takes as long whatever was.
pub fn fits(pin: &PinHash, typed: &str) -> bool {
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::verify(algorithm, ROUNDS, &pin.salt, typed.as_bytes(), &pin.hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pin_fits() {
        let pin = hash("4711", [7; 16]).unwrap();
        assert!(fits(&pin, "4711"));
        assert!(!fits(&pin, "4712"));
        assert!(!fits(&pin, ""));
        assert!(hash("123", [7; 16]).is_err());
        assert!(hash("12ab", [7; 16]).is_err());
    }
}
