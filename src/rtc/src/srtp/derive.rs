//! Session keys from a master key (RFC 3711 §4.3, RFC 7714 §11; AES-256 by RFC 6188 §3).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use offhook_types::media::SrtpProfile;

use super::cipher::{Cipher, CounterMode};
use super::{MasterKey, key_len, lanes};

/// The ciphers for RTP and for RTCP. The key derivation rate is always zero, so this happens once.
pub(super) fn ciphers(profile: SrtpProfile, master: &MasterKey) -> Option<(Cipher, Cipher)> {
    let key = master.key.get(..key_len(profile))?;
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    let prf = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let derive = Derive { profile, prf, salt: &master.salt };
    Some((derive.cipher([0, 1, 2], rtp_tag_len(profile))?, derive.cipher([3, 4, 5], SHA1_TAG_LEN)?))
}

/// Bytes of the tag of RTP in counter mode; RTCP always has the long one (RFC 4568 §6.2).
const fn rtp_tag_len(profile: SrtpProfile) -> usize {
    match profile {
        SrtpProfile::Aes128CmSha1_32 => SHA1_SHORT_TAG_LEN,
        _ => SHA1_TAG_LEN,
    }
}

const SHA1_TAG_LEN: usize = 10;
const SHA1_SHORT_TAG_LEN: usize = 4;

struct Derive<'a> {
    profile: SrtpProfile,
    prf: EncryptingKey,
    salt: &'a [u8; 14],
}

impl Derive<'_> {
    /// `labels` are those of the encryption key, the authentication key and the salt (RFC 3711
    /// §4.3.2).
    fn cipher(&self, labels: [u8; 3], tag_len: usize) -> Option<Cipher> {
        let [encryption, authentication, salt] = labels;
        let mut key_room = [0; 32];
        let key = key_room.get_mut(..key_len(self.profile))?;
        self.fill(encryption, key)?;
        let gcm = match self.profile {
            SrtpProfile::AeadAes256Gcm => &AES_256_GCM,
            SrtpProfile::AeadAes128Gcm => &AES_128_GCM,
            SrtpProfile::Aes128CmSha1_80 | SrtpProfile::Aes128CmSha1_32 => {
                return self.counter_mode(key, [authentication, salt], tag_len);
            }
        };
        let mut salt_bytes = [0; 12];
        self.fill(salt, &mut salt_bytes)?;
        let key = LessSafeKey::new(UnboundKey::new(gcm, key).ok()?);
        Some(Cipher::Gcm { key, salt: salt_bytes })
    }

    fn counter_mode(&self, key: &[u8], labels: [u8; 2], tag_len: usize) -> Option<Cipher> {
        let [authentication, salt] = labels;
        let mut auth = [0; 20];
        self.fill(authentication, &mut auth)?;
        let mut salt_bytes = [0; 14];
        self.fill(salt, &mut salt_bytes)?;
        Some(Cipher::CounterMode(Box::new(CounterMode {
            key: EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?,
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
            lane: lanes::Key::new(&auth)?,
            salt: salt_bytes,
            tag_len,
        })))
    }

    /// The key stream that starts at `x * 2^16`, with `x` the salt with the label in its seventh
    /// byte from the right.
    fn fill(&self, label: u8, out: &mut [u8]) -> Option<()> {
        let mut start = [0; 16];
        start.get_mut(..14)?.copy_from_slice(self.salt);
        *start.get_mut(7)? ^= label;
        out.fill(0);
        let context = EncryptionContext::Iv128(FixedLength::from(start));
        self.prf.less_safe_encrypt(out, context).ok().map(|_| ())
    }
}

/// Keys as bytes, to compare with published ones.
#[cfg(test)]
pub(super) fn raw(
    profile: SrtpProfile,
    master: &MasterKey,
    parts: &[(u8, usize)],
) -> Option<Vec<Vec<u8>>> {
    let key = master.key.get(..key_len(profile))?;
    let prf = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?;
    let derive = Derive { profile, prf, salt: &master.salt };
    let part = |&(label, len): &(u8, usize)| {
        let mut bytes = vec![0; len];
        derive.fill(label, &mut bytes).map(|()| bytes)
    };
    parts.iter().map(part).collect()
}
