//! One-time codes. The store sees keyed hashes of number and code, never either of them: the number
//! of someone who did not finish signing up is not kept, and six digits cannot be tried against a
//! copy of the database without the key.

use core::fmt;

use async_trait::async_trait;
use offhook_types::WallTime;

use crate::Error;

/// HMAC-SHA256 of the number that a code was sent to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodeKey(pub [u8; 32]);

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted code key]")
    }
}

/// HMAC-SHA256 of number and code.
#[derive(Clone, Copy)]
pub struct CodeHash(pub [u8; 32]);

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted code hash]")
    }
}

/// A code that was sent.
#[derive(Debug, Clone, Copy)]
pub struct NewCode {
    /// To whom.
    pub key: CodeKey,
    /// Which.
    pub hash: CodeHash,
    /// It is worth nothing from here on.
    pub expires_at: WallTime,
    /// How often it may be tried.
    pub attempts: u32,
}

/// One-time codes, at most one per number.
#[async_trait]
pub trait Codes: Send + Sync {
    /// Keep a code in place of the one before.
    async fn put_code(&self, code: &NewCode) -> Result<(), Error>;

    /// Take one attempt and return the hash to compare with; `None` when there is no live code or
    /// no attempt left. The attempt is gone whatever the comparison says, so parallel guesses
    /// cannot share one.
    async fn attempt_code(&self, now: WallTime, key: &CodeKey) -> Result<Option<CodeHash>, Error>;

    /// Use the code up; false when it was used or replaced meanwhile, so that one code signs in
    /// once.
    async fn consume_code(&self, key: &CodeKey, hash: &CodeHash) -> Result<bool, Error>;

    /// Forget expired codes; how many.
    async fn prune_codes(&self, now: WallTime) -> Result<u64, Error>;
}
