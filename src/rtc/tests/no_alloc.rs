//! Nothing that runs per packet allocates: an allocator that counts, under a hundred thousand
//! packets of each kind.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use offhook_rtc::congestion::{Controller, Departure, Limits};
use offhook_rtc::nack::{Arrival, Nack};
use offhook_rtc::pacer::{Class, Pacer, Pool, Release};
use offhook_rtc::reports::Reception;
use offhook_rtc::srtp::{MasterKey, Protect, Unprotect};
use offhook_rtc::twcc::Recorder;
use offhook_types::media::SrtpProfile;
use offhook_types::{Ssrc, Time};
use offhook_wire::rtcp::{Packet, packets};

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator with the arguments it came with.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PACKETS: u64 = 100_000;

/// How often `work` allocated.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn contexts(profile: SrtpProfile) -> (Protect, Unprotect) {
    let (key_len, salt_len) = match profile {
        SrtpProfile::AeadAes256Gcm => (32, 12),
        SrtpProfile::AeadAes128Gcm => (16, 12),
        SrtpProfile::Aes128CmSha1_80 | SrtpProfile::Aes128CmSha1_32 => (16, 14),
    };
    let key = MasterKey::new(profile, &[7; 32][..key_len], &[9; 14][..salt_len]).unwrap();
    (Protect::new(profile, &key).unwrap(), Unprotect::new(profile, &key, 8).unwrap())
}

/// Protects and unprotects one RTP packet, and an RTCP packet now and then.
fn relay(protect: &mut Protect, unprotect: &mut Unprotect, sequence: u64) {
    let payload = [3; 1100];
    let (mut sealed, mut plain) = ([0; 1200], [0; 1200]);
    sealed[0] = 0x80;
    sealed[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    sealed[8..12].copy_from_slice(&[0, 0, 0, (sequence % 3) as u8]);
    let len = if sequence.is_multiple_of(2) {
        protect.protect_rtp(sequence, 12, &payload, &mut sealed)
    } else {
        sealed[12..12 + payload.len()].copy_from_slice(&payload);
        protect.protect_rtp_in_place(sequence, 12, 12 + payload.len(), &mut sealed)
    };
    let opened = unprotect.unprotect_rtp(&sealed[..len.unwrap()], &mut plain).unwrap();
    assert_eq!((opened.sequence, &plain[12..opened.len]), (sequence, &payload[..]));
    assert!(unprotect.unprotect_rtp(&sealed[..len.unwrap()], &mut plain).is_err());
    if sequence.is_multiple_of(50) {
        let len = protect.protect_rtcp(100, &mut sealed).unwrap();
        assert_eq!(unprotect.unprotect_rtcp(&sealed[..len], &mut plain), Ok(100));
    }
}

#[test]
fn protecting_and_unprotecting_allocates_nothing() {
    let profiles =
        [SrtpProfile::AeadAes256Gcm, SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80];
    for profile in profiles {
        let (mut protect, mut unprotect) = contexts(profile);
        // A source is remembered at its first packet.
        (0..51).for_each(|sequence| relay(&mut protect, &mut unprotect, sequence));
        let count = allocations(|| {
            (51..PACKETS).for_each(|sequence| relay(&mut protect, &mut unprotect, sequence));
        });
        assert_eq!(count, 0, "{profile:?}");
    }
}

#[test]
fn repair_feedback_and_reports_allocate_nothing() {
    let mut nack = Nack::new();
    let mut recorder = Recorder::new(Ssrc(1));
    let mut reception = Reception::new(Ssrc(2), 90_000);
    let (mut asked, mut fed_back, mut repaired) = (0, 0, 0);
    // The first arrival and the first gap of a stream allocate, for good.
    recorder.received(Time::ZERO, 65_535, Ssrc(2));
    nack.received(Time::ZERO, 65_530);
    nack.received(Time::ZERO, 65_535);
    let count = allocations(|| {
        let (mut wanted, mut out) = ([0; 64], [0; 1200]);
        for sequence in 65_536..65_536 + PACKETS {
            let now = Time::from_millis(sequence);
            if sequence.is_multiple_of(7) {
                continue;
            }
            nack.received(now, sequence);
            if nack.received(now, sequence / 7 * 7 - 28) == Arrival::Repaired {
                repaired += 1;
            }
            recorder.received(now, sequence as u16, Ssrc(2));
            reception.received(now, sequence, sequence as u32 * 90);
            asked += nack.poll(now, Duration::from_millis(20), &mut wanted).count;
            fed_back += recorder.poll(now, &mut out).unwrap_or(0);
            if sequence.is_multiple_of(1000) {
                reception.block(now);
            }
        }
    });
    assert!(asked > 10_000 && fed_back > 10_000 && repaired > 10_000);
    assert_eq!(count, 0);
}

#[test]
fn estimating_and_pacing_allocates_nothing() {
    let limits = Limits { start: 600_000, min: 50_000, max: 20_000_000 };
    let mut leg = Controller::new(Time::ZERO, &limits);
    let (mut pacer, mut pool) = (Pacer::new(), Pool::new(64));
    let mut recorder = Recorder::new(Ssrc(1));
    let (mut told, mut held) = (0, 0);
    leg.set_wanted(5_000_000, true);
    // The first packet allocates on both sides, for good.
    recorder.received(Time::ZERO, leg.next_number(), Ssrc(2));
    let first = Departure { stream: Ssrc(2), sequence: 0, size: 1200, cluster: 0 };
    leg.sent(Time::ZERO, &first);
    let count = allocations(|| {
        let mut out = [0; 1200];
        for step in 0..PACKETS {
            let now = Time::from_millis(step);
            pacer.set_rate(Some(leg.estimate()));
            if let Some(probe) = leg.poll_probe(now) {
                pacer.begin(probe);
            }
            let mut send = |leg: &mut Controller, size, cluster| {
                recorder.received(now, leg.next_number(), Ssrc(2));
                let departure = Departure { stream: Ssrc(2), sequence: 0, size, cluster };
                leg.sent(now, &departure);
            };
            // A frame of ten packets every 33 ms.
            for _ in 0..if step.is_multiple_of(33) { 10 } else { 0 } {
                if pacer.passes(now, 1200) {
                    send(&mut leg, 1200, 0);
                } else {
                    held +=
                        u64::from(pacer.hold(now, &mut pool, (Class::Media, 1200), step).is_ok());
                }
            }
            while let Some(release) = pacer.poll(now, &mut pool) {
                match release {
                    Release::Packet(_, cluster) => send(&mut leg, 1200, cluster),
                    Release::Padding(room, cluster) => {
                        pacer.padded(room.min(255));
                        send(&mut leg, room.min(255) as u16, cluster);
                    }
                    Release::Late(_) => {}
                }
            }
            if let Some(len) = recorder.poll(now, &mut out)
                && let Some(Ok(Packet::TransportCc(feedback))) = packets(&out[..len]).next()
            {
                told += leg.handle_feedback(now, &feedback, |_, _| {}).known;
            }
            leg.handle_timeout(now);
        }
    });
    assert!(told > 10_000 && held > 20, "{told} {held}");
    assert_eq!(count, 0);
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1]))), 1);
}
