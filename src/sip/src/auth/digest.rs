//! The sums (RFC 7616 §3.4).

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

use super::Qop;

/// What is hashed with what, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// Broken for signatures, not yet for this, and the only one that most carriers have.
    Md5,
    /// With a key per session.
    Md5Sess,
    /// RFC 8760.
    Sha256,
    /// With a key per session.
    Sha256Sess,
    /// RFC 8760.
    Sha512_256,
    /// With a key per session.
    Sha512_256Sess,
}

impl Algorithm {
    /// Every one, weakest first.
    pub const ALL: [Self; 6] = [
        Self::Md5,
        Self::Md5Sess,
        Self::Sha256,
        Self::Sha256Sess,
        Self::Sha512_256,
        Self::Sha512_256Sess,
    ];

    /// What is asked for, best first (RFC 8760 §2.4): what every other side has, and what it should.
    pub const OFFERED: [Self; 2] = [Self::Sha256, Self::Md5];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// By its name, whatever its case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let is = |known: &Self| name.eq_ignore_ascii_case(known.name().as_bytes());
        Self::ALL.into_iter().find(is)
    }

    const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The hash of these pieces with colons between them, in lower case hexadecimal.
    pub(super) fn hash(self, pieces: &[&[u8]]) -> String {
        let text = pieces.join(&b':');
        match self {
            Self::Md5 | Self::Md5Sess => hex(&Md5::digest(text)),
            Self::Sha256 | Self::Sha256Sess => hex(&Sha256::digest(text)),
            Self::Sha512_256 | Self::Sha512_256Sess => hex(&Sha512_256::digest(text)),
        }
    }
}

/// What goes into a response beside the secret.
pub(super) struct Sum<'a> {
    pub algorithm: Algorithm,
    pub nonce: &'a [u8],
    /// How often the nonce was used, client nonce and protection; `None` for RFC 2069 servers.
    pub qop: Option<(Qop, u32, &'a [u8])>,
    pub method: &'a [u8],
    pub uri: &'a [u8],
    pub body: &'a [u8],
}

impl Sum<'_> {
    /// The `response` for the hash of `user:realm:password`.
    pub fn response(&self, secret: &str) -> String {
        let hash = |pieces: &[&[u8]]| self.algorithm.hash(pieces);
        let what = match self.qop {
            Some((Qop::AuthInt, ..)) => {
                let body = hash(&[self.body]);
                hash(&[self.method, self.uri, body.as_bytes()])
            }
            _ => hash(&[self.method, self.uri]),
        };
        let Some((qop, count, cnonce)) = self.qop else {
            return hash(&[secret.as_bytes(), self.nonce, what.as_bytes()]);
        };
        let session = match self.algorithm.is_session() {
            true => hash(&[secret.as_bytes(), self.nonce, cnonce]),
            false => secret.to_owned(),
        };
        let count = format!("{count:08x}");
        let (session, count, qop) = (session.as_bytes(), count.as_bytes(), qop.name().as_bytes());
        hash(&[session, self.nonce, count, cnonce, qop, what.as_bytes()])
    }
}

/// HMAC-SHA-256 (RFC 2104).
pub(super) fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(slot, key)| *slot ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// Takes the same time wherever they differ.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
