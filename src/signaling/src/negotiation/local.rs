//! Our half: candidates, credentials, and the part of a section that says where we are.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use offhook_types::media::IceCredentials;
use offhook_wire::sdp::{Candidate, Section, Setup};

use super::Local;

/// Port of the SCTP association in our descriptions; any number will do over DTLS (RFC 8841 §5).
pub(super) const SCTP_PORT: u16 = 5000;
/// Largest data channel message that we take: what a peer assumes that is told nothing (RFC 8841
/// §6.1).
pub(super) const MAX_MESSAGE: u64 = 65_536;

/// New credentials from the operating system's randomness: 48 bits to tell legs apart and 144 bits
/// that nobody guesses (RFC 8445 §5.3 asks for 24 and 128). Base 64 digits are just the ice-chars.
pub fn credentials() -> IceCredentials {
    IceCredentials { ufrag: random_text::<6>(), pwd: random_text::<18>() }
}

/// A seed for the numbers that need not be secret.
pub fn seed() -> u64 {
    u64::from_le_bytes(random())
}

/// `N` random bytes as base 64 digits.
fn random_text<const N: usize>() -> String {
    STANDARD_NO_PAD.encode(random::<N>())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The library's source cannot fail once the process runs; if it ever did, predictable
    // credentials must not be used, so it is asked until it answers.
    while SystemRandom::new().fill(&mut bytes).is_err() {}
    bytes
}

impl Local {
    /// Our candidates, best first.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let ranked = self.placement.candidates.iter().zip(0u16..);
        ranked.map(|(host, rank)| Candidate::host(host.protocol, host.address, rank)).collect()
    }

    /// Credentials and certificate go into every section, since some clients look there;
    /// candidates only into the one that stands for the bundle (RFC 9143 §7.3).
    pub(super) fn describe(&self, section: &mut Section, setup: Setup, tagged: bool) {
        section.port = 9;
        section.ice = Some(self.ice.clone());
        section.fingerprint = Some(self.fingerprint);
        section.setup = Some(setup);
        if tagged {
            section.candidates = self.candidates();
            section.end_of_candidates = true;
        }
    }
}
