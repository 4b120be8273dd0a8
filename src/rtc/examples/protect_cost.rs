//! What protecting and unprotecting one packet costs, per profile: `cargo run --release --example
//! protect_cost`.

use std::time::Instant;

use offhook_rtc::srtp::{MasterKey, Protect, Unprotect};
use offhook_types::media::SrtpProfile;

const PACKETS: u64 = 200_000;
const PAYLOAD: usize = 1188;

fn main() {
    let profiles = [
        (SrtpProfile::AeadAes256Gcm, 32, 12),
        (SrtpProfile::AeadAes128Gcm, 16, 12),
        (SrtpProfile::Aes128CmSha1_80, 16, 14),
    ];
    for (profile, key_len, salt_len) in profiles {
        let key = MasterKey::new(profile, &[7; 32][..key_len], &[9; 14][..salt_len]);
        let Some(key) = key else { return };
        let (Some(mut protect), Some(mut unprotect)) =
            (Protect::new(profile, &key), Unprotect::new(profile, &key, 1))
        else {
            return;
        };
        let mut rounds: Vec<(u128, u128)> =
            (0..7).map(|round| measure(round, &mut protect, &mut unprotect)).collect();
        rounds.sort_unstable();
        if let Some((sealing, opening)) = rounds.get(3) {
            println!("{profile:?}: protect {sealing} ns, unprotect {opening} ns");
        }
    }
}

/// Nanoseconds to protect and to unprotect a packet of 1200 bytes.
fn measure(round: u64, protect: &mut Protect, unprotect: &mut Unprotect) -> (u128, u128) {
    let payload = [3; PAYLOAD];
    let (mut sealed, mut plain) = ([0; 1300], [0; 1300]);
    sealed[0] = 0x80;
    let (mut sealing, mut opening) = (0, 0);
    for batch in 0..PACKETS / 64 {
        let start = round * PACKETS + batch * 64;
        let mut packets = [[0; 1300]; 64];
        let began = Instant::now();
        let mut len = 0;
        for (sequence, packet) in (start..).zip(&mut packets) {
            sealed[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
            packet[..12].copy_from_slice(&sealed[..12]);
            len = protect.protect_rtp(sequence, 12, &payload, packet).unwrap_or(0);
        }
        sealing += began.elapsed().as_nanos();
        let began = Instant::now();
        for packet in &packets {
            assert!(unprotect.unprotect_rtp(&packet[..len], &mut plain).is_ok());
        }
        opening += began.elapsed().as_nanos();
    }
    (sealing / u128::from(PACKETS), opening / u128::from(PACKETS))
}
