//! Keys in a description (RFC 4568, RFC 7714 §14).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use offhook_types::phone::MasterKey;

/// How packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// RFC 7714.
    AeadAes256Gcm,
    /// RFC 7714.
    AeadAes128Gcm,
    /// RFC 4568 §6.2.1.
    AesCm128HmacSha1_80,
    /// RFC 4568 §6.2.2: the tag of RTP packets is 32 bits, that of RTCP 80.
    AesCm128HmacSha1_32,
}

impl Suite {
    /// Every one, best first.
    pub const ALL: [Self; 4] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Length of the master key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Length of the master salt in bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
        }
    }
}

/// One `a=crypto`. Its `Debug` hides the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names it in the answer.
    pub tag: u32,
    /// How packets are protected.
    pub suite: Suite,
    /// With what its author protects what it sends.
    pub key: MasterKey,
}

/// The keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// How packets are protected, both ways.
    pub suite: Suite,
    /// Protects what we send.
    pub local: MasterKey,
    /// Protects what we receive.
    pub remote: MasterKey,
}

impl Crypto {
    /// With a key cut from these secret bytes; `None` if they are too few.
    pub fn new(tag: u32, suite: Suite, secret: &[u8]) -> Option<Self> {
        let (key, rest) = secret.split_at_checked(suite.key_len())?;
        let salt = rest.get(..suite.salt_len())?;
        Some(Self { tag, suite, key: MasterKey { key: key.to_vec(), salt: salt.to_vec() } })
    }

    /// The value of an attribute. `None` for what we cannot use: an unknown suite, a key of the wrong
    /// length, several keys or an MKI, and session parameters that change the packets (§6.3).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?;
        let tag = tag.bytes().all(|byte| byte.is_ascii_digit()).then(|| tag.parse().ok())??;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))?;
        let method = words.next()?;
        let (inline, key) = method.split_once(':')?;
        if !inline.eq_ignore_ascii_case("inline") || key.contains(';') {
            return None;
        }
        // `key|lifetime|mki:length`; a lifetime is never shorter than a call, an MKI changes packets.
        let mut parts = key.split('|');
        let secret = BASE64.decode(parts.next()?).ok()?;
        let known = |part: &str| !part.contains(':');
        let harmless = |word: &str| word.get(..4).is_some_and(|w| w.eq_ignore_ascii_case("WSH="));
        if secret.len() != suite.key_len() + suite.salt_len() || !parts.all(known) {
            return None;
        }
        if !words.all(harmless) {
            return None;
        }
        Self::new(tag, suite, &secret)
    }

    pub(super) fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let secret = BASE64.encode([&self.key.key[..], &self.key.salt].concat());
        write!(f, "a=crypto:{} {} inline:{secret}\r\n", self.tag, self.suite.name())
    }
}

/// Padding is written (RFC 4568 §6.1) and not asked for.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
