//! Who speaks.

use super::*;

/// Send `count` packets of 20 ms at a level to a track.
fn speak(stage: &mut Stage, track: TrackId, sequence: &mut u64, (count, level): (u32, u8)) {
    for _ in 0..count {
        *sequence += 1;
        let source = Source::opus(*sequence, 0).with(Extension::AudioLevel, &[0x80 | level]);
        let bytes = source.bytes();
        stage.router.route(stage.now, track, &source.inbound(&bytes), &mut |_, _| {});
        stage.now = stage.now + Duration::from_millis(20);
    }
}

fn reported(stage: &mut Stage) -> Option<Vec<TrackId>> {
    let now = stage.now;
    let speakers = stage.router.poll_speakers(now)?;
    Some(speakers.iter().map(|speaker| speaker.track).collect())
}

fn stage(tracks: &[TrackId], origin: Origin) -> Stage {
    let mut stage = Stage::new(1, MediaKind::Audio);
    for &track in tracks {
        let spec = TrackSpec { kind: MediaKind::Audio, layers: 1, origin };
        stage.router.add_track(stage.now, track, spec).unwrap();
    }
    stage
}

const A: TrackId = TrackId(1);
const B: TrackId = TrackId(2);

#[test]
fn speech_shows_soon_and_ends_after_a_pause() {
    let mut stage = stage(&[A], Origin::Local);
    let mut at = 0;
    assert_eq!(reported(&mut stage), None);
    speak(&mut stage, A, &mut at, (6, 25));
    assert_eq!(reported(&mut stage), Some(vec![A]));
    // A pause between words.
    speak(&mut stage, A, &mut at, (16, 90));
    assert_ne!(reported(&mut stage), Some(vec![]));
    speak(&mut stage, A, &mut at, (60, 90));
    assert_eq!(reported(&mut stage), Some(vec![]));
    assert_eq!(reported(&mut stage), None);
}

#[test]
fn reports_keep_their_distance() {
    let mut stage = stage(&[A, B], Origin::Local);
    let (mut a, mut b) = (0, 0);
    speak(&mut stage, A, &mut a, (10, 25));
    assert_eq!(reported(&mut stage), Some(vec![A]));
    speak(&mut stage, B, &mut b, (14, 10));
    assert_eq!(reported(&mut stage), None);
    speak(&mut stage, B, &mut b, (1, 10));
    assert_eq!(reported(&mut stage), Some(vec![B, A]));
}

#[test]
fn a_slightly_louder_one_does_not_take_over() {
    let mut stage = stage(&[A, B], Origin::Local);
    let (mut a, mut b) = (0, 0);
    speak(&mut stage, A, &mut a, (40, 30));
    assert_eq!(reported(&mut stage), Some(vec![A]));
    for _ in 0..20 {
        speak(&mut stage, A, &mut a, (1, 30));
        speak(&mut stage, B, &mut b, (1, 28));
    }
    assert_eq!(reported(&mut stage), Some(vec![A, B]));
    for _ in 0..20 {
        speak(&mut stage, A, &mut a, (1, 30));
        speak(&mut stage, B, &mut b, (1, 20));
    }
    assert_eq!(reported(&mut stage), Some(vec![B, A]));
}

#[test]
fn silence_without_packets_ends_speech() {
    let mut stage = stage(&[A], Origin::Local);
    speak(&mut stage, A, &mut 0, (20, 25));
    assert_eq!(reported(&mut stage), Some(vec![A]));
    assert!(stage.router.next_timeout() < Time::MAX);
    stage.now = stage.now + Duration::from_millis(600);
    assert_eq!(reported(&mut stage), Some(vec![]));
    stage.now = stage.now + Duration::from_millis(600);
    assert_eq!(reported(&mut stage), None);
    stage.asked();
    assert_eq!(stage.router.next_timeout(), Time::MAX);
}

#[test]
fn background_noise_is_nobody_speaking() {
    let mut stage = stage(&[A], Origin::Local);
    speak(&mut stage, A, &mut 0, (200, 52));
    assert_eq!(reported(&mut stage), None);
}

#[test]
fn muted_and_removed_speakers_are_silent() {
    for mute in [true, false] {
        let mut stage = stage(&[A], Origin::Local);
        speak(&mut stage, A, &mut 0, (20, 25));
        assert_eq!(reported(&mut stage), Some(vec![A]));
        match mute {
            true => stage.router.set_muted(stage.now, A, true),
            false => stage.router.remove_track(A),
        }
        stage.now = stage.now + Duration::from_millis(300);
        assert_eq!(reported(&mut stage), Some(vec![]));
    }
}

#[test]
fn tracks_of_other_workers_are_reported_there() {
    let mut stage = stage(&[A], Origin::Remote);
    speak(&mut stage, A, &mut 0, (20, 25));
    assert_eq!(reported(&mut stage), None);
}
