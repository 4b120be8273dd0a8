//! Secrets of accounts: tokens and one-time codes. They are drawn from the operating system's
//! generator and leave this process once, towards their owner; what stays is hashed.

use aws_lc_rs::{constant_time, digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offhook_store::{CodeHash, CodeKey, TokenHash};
use offhook_types::Number;

use super::Failure;

/// What a token is for; the prefix shows it, so that one in the wrong place is recognised.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Access,
    Refresh,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Access => "at_",
            Self::Refresh => "rt_",
        }
    }
}

/// 256 random bits: nobody guesses them, so the hash needs no salt.
const TOKEN_BYTES: usize = 32;

/// A new token and its hash.
pub(crate) fn draw_token(kind: Kind) -> Result<(String, TokenHash), Failure> {
    let mut bits = [0; TOKEN_BYTES];
    fill(&mut bits)?;
    let token = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bits));
    let hash = hash(&token);
    Ok((token, hash))
}

/// The hash of a token that somebody presents; `None` when it cannot be one of that kind.
pub(crate) fn hash_token(kind: Kind, token: &str) -> Option<TokenHash> {
    const TEXT: usize = (TOKEN_BYTES * 8).div_ceil(6);
    let digits = token.strip_prefix(kind.prefix())?;
    (digits.len() == TEXT).then(|| hash(token))
}

fn hash(token: &str) -> TokenHash {
    let mut hash = TokenHash([0; 32]);
    hash.0.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

/// Sixty-four bits for an id. Ids are not secrets, but a stranger should not know the next one.
pub(crate) fn draw_id() -> Result<u64, Failure> {
    let mut bits = [0; 8];
    fill(&mut bits)?;
    Ok(u64::from_le_bytes(bits))
}

/// Six digits, each sequence equally likely.
pub(crate) fn draw_code() -> Result<String, Failure> {
    const CODES: u32 = 1_000_000;
    // Draws above the last multiple are thrown away, or low codes would be likelier.
    const FAIR: u32 = u32::MAX - u32::MAX % CODES;
    loop {
        let mut bits = [0; 4];
        fill(&mut bits)?;
        let draw = u32::from_le_bytes(bits);
        if draw < FAIR {
            return Ok(format!("{:06}", draw % CODES));
        }
    }
}

fn fill(bits: &mut [u8]) -> Result<(), Failure> {
    rand::fill(bits).map_err(|_| Failure::unavailable())
}

/// The key that codes are hashed with.
pub(crate) struct CodeSecret(hmac::Key);

impl CodeSecret {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// One for this process only. Codes sent by an earlier one are void, which costs somebody in
    /// the middle of signing in a second code.
    pub(crate) fn draw() -> Result<Self, Failure> {
        let mut bits = [0; 32];
        fill(&mut bits)?;
        Ok(Self::new(&bits))
    }

    /// Where the code of a number is kept.
    pub(crate) fn key(&self, number: &Number) -> CodeKey {
        CodeKey(self.sign(&["number", number.as_str()]))
    }

    /// What is kept of a code. The number is in it, so that one number's code does not open
    /// another.
    pub(crate) fn hash(&self, number: &Number, code: &str) -> CodeHash {
        CodeHash(self.sign(&["code", number.as_str(), code]))
    }

    fn sign(&self, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // No part holds a zero byte, so no two lists of parts read the same.
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// Compare hashes in a time that does not depend on where they differ.
pub(crate) fn is_same(a: &CodeHash, b: &CodeHash) -> bool {
    constant_time::verify_slices_are_equal(&a.0, &b.0).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_name_their_kind() {
        let (a, hash) = draw_token(Kind::Access).unwrap();
        let (b, _) = draw_token(Kind::Access).unwrap();
        assert_ne!(a, b);
        assert_eq!(hash_token(Kind::Access, &a), Some(hash));
        assert_eq!(hash_token(Kind::Refresh, &a), None);
        assert_eq!(hash_token(Kind::Access, "at_short"), None);
    }

    #[test]
    fn codes_are_six_digits() {
        for _ in 0..200 {
            let code = draw_code().unwrap();
            assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
        }
    }

    #[test]
    fn a_code_hash_is_bound_to_number_code_and_secret() {
        let secret = CodeSecret::new(b"one");
        let (a, b): (Number, Number) =
            ("+12025550123".parse().unwrap(), "+12025550124".parse().unwrap());
        let hash = secret.hash(&a, "000000");
        assert!(is_same(&hash, &secret.hash(&a, "000000")));
        assert!(!is_same(&hash, &secret.hash(&a, "000001")));
        assert!(!is_same(&hash, &secret.hash(&b, "000000")));
        assert!(!is_same(&hash, &CodeSecret::new(b"two").hash(&a, "000000")));
        assert_ne!(secret.key(&a), secret.key(&b));
    }
}
