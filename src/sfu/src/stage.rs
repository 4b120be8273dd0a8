//! Who is heard in a room with more microphones than anyone can follow: only so many are on the [`Stage`] at a
//! time, and only their packets go out.
//!
//! Whoever is on it stays until the place is needed, so in a room of few nobody is ever left out. Somebody who
//! begins to speak takes the place of whoever is gone or has been silent longest, with the first loud packet,
//! so that no word loses its beginning. When all speak, a newcomer must be clearly louder than the quietest
//! for a while; the loudest is never sent away.
//!
//! The decision is made from the packets themselves, at each worker for its own receivers, and so needs no word
//! between workers: those who see the same packets decide alike, and a worker that sees fewer tracks leaves
//! out fewer, since whoever is among the first of many is among the first of some.

use core::time::Duration;

use offhook_types::{Time, TrackId};

/// Without packets for this long somebody is gone. Discontinuous transmission sends each 400 ms.
const GONE: Duration = Duration::from_secs(1);
/// A pause between sentences is no silence yet.
const SILENT: Duration = Duration::from_millis(1500);
/// How much louder than the quietest a newcomer must be when all speak: 6 dB, in sixteenths.
const LEAD: u16 = 6 * 16;
/// And for how long.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a packet tells about its sender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sound {
    /// Smoothed, in sixteenths of a decibel above silence.
    pub loudness: u16,
    /// Since when it has been speech without a longer pause; `None` when this packet is not.
    pub speech: Option<Time>,
}

/// Whether a packet's sender is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Yes,
    /// In place of another, from now on.
    InsteadOf(TrackId),
    No,
}

/// The tracks that are heard.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Zero is without limit.
    places: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    track: TrackId,
    loudness: u16,
    heard: Time,
    spoke: Time,
}

impl Stage {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, members: Vec::with_capacity(places) }
    }

    /// A packet of a track arrives.
    #[inline]
    pub(crate) fn hear(&mut self, now: Time, track: TrackId, sound: Sound) -> Heard {
        if self.places == 0 {
            return Heard::Yes;
        }
        if let Some(member) = self.members.iter_mut().find(|member| member.track == track) {
            member.loudness = sound.loudness;
            member.heard = now;
            if sound.speech.is_some() {
                member.spoke = now;
            }
            return Heard::Yes;
        }
        self.admit(now, track, sound)
    }

    fn admit(&mut self, now: Time, track: TrackId, sound: Sound) -> Heard {
        let spoke = if sound.speech.is_some() { now } else { Time::ZERO };
        let newcomer = Member { track, loudness: sound.loudness, heard: now, spoke };
        if self.members.len() < self.places {
            self.members.push(newcomer);
            return Heard::Yes;
        }
        let Some(since) = sound.speech else { return Heard::No };
        match self.weakest(now, (sound.loudness, since)) {
            Some(member) => Heard::InsteadOf(core::mem::replace(member, newcomer).track),
            None => Heard::No,
        }
    }

    /// Who makes way for a newcomer of this loudness that has spoken since.
    fn weakest(&mut self, now: Time, (loudness, since): (u16, Time)) -> Option<&mut Member> {
        let place = self.members.iter().enumerate();
        let idle = |(_, member): &(usize, &Member)| {
            now.since(member.heard) > GONE || now.since(member.spoke) > SILENT
        };
        let idlest =
            place.clone().filter(idle).min_by_key(|(_, member)| (member.spoke, member.heard));
        let place = match idlest {
            Some((place, _)) => place,
            None if self.members.len() < 2 || now.since(since) < PATIENCE => return None,
            None => {
                let (place, quietest) = place.min_by_key(|(_, member)| member.loudness)?;
                (loudness > quietest.loudness.saturating_add(LEAD)).then_some(place)?
            }
        };
        self.members.get_mut(place)
    }

    /// A track is muted or gone.
    pub(crate) fn leave(&mut self, track: TrackId) {
        self.members.retain(|member| member.track != track);
    }

    /// Whether a track's packets go out.
    pub(crate) fn hears(&self, track: TrackId) -> bool {
        self.places == 0 || self.members.iter().any(|member| member.track == track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: u16 = 90 * 16;

    /// At this time in milliseconds a track sends silence, or speech of some loudness since some time,
    /// and this comes of it.
    type Step = (u64, u64, Option<(u16, u64)>, Heard);

    /// What happens on a stage of two.
    fn check(steps: &[Step]) {
        let mut stage = Stage::new(2);
        for &(at, track, speech, expect) in steps {
            let sound = Sound {
                loudness: speech.map_or(0, |speech| speech.0),
                speech: speech.map(|speech| Time::from_millis(speech.1)),
            };
            let heard = stage.hear(Time::from_millis(at), TrackId(track), sound);
            assert_eq!(heard, expect, "track {track} at {at}");
            assert!(stage.members.len() <= 2);
        }
    }

    #[test]
    fn a_room_of_few_hears_everyone() {
        check(&[
            (9000, 1, None, Heard::Yes),
            (9000, 2, None, Heard::Yes),
            (99_000, 1, None, Heard::Yes),
        ]);
    }

    #[test]
    fn the_first_loud_packet_takes_the_place_of_who_was_silent_longest() {
        check(&[
            (9000, 1, Some((LOUD, 9000)), Heard::Yes),
            (9000, 2, None, Heard::Yes),
            (9020, 3, None, Heard::No),
            (9040, 3, Some((LOUD, 9040)), Heard::InsteadOf(TrackId(2))),
            (9060, 2, None, Heard::No),
            // One pauses for breath.
            (10_200, 1, None, Heard::Yes),
            (10_200, 3, Some((LOUD, 9040)), Heard::Yes),
            (10_200, 2, Some((LOUD, 10_200)), Heard::No),
            (10_600, 1, None, Heard::Yes),
            (10_600, 2, Some((LOUD, 10_200)), Heard::InsteadOf(TrackId(1))),
        ]);
    }

    #[test]
    fn whoever_stops_sending_is_gone_soon() {
        check(&[
            (9000, 1, Some((LOUD, 9000)), Heard::Yes),
            (10_100, 2, Some((LOUD, 9000)), Heard::Yes),
            (10_100, 3, Some((LOUD, 10_100)), Heard::InsteadOf(TrackId(1))),
        ]);
    }

    #[test]
    fn when_all_speak_only_a_much_louder_one_comes_in_and_the_loudest_stays() {
        check(&[
            (9000, 1, Some((LOUD, 8000)), Heard::Yes),
            (9000, 2, Some((LOUD - 200, 8000)), Heard::Yes),
            (9000, 3, Some((LOUD - 150, 8000)), Heard::No),
            (9000, 3, Some((LOUD - 100, 8600)), Heard::No),
            (9000, 3, Some((LOUD - 100, 8500)), Heard::InsteadOf(TrackId(2))),
            (9000, 2, Some((LOUD + 500, 8000)), Heard::InsteadOf(TrackId(3))),
            (9000, 3, Some((LOUD + 900, 8000)), Heard::InsteadOf(TrackId(1))),
        ]);
    }

    #[test]
    fn a_stage_for_one_keeps_who_speaks() {
        let mut stage = Stage::new(1);
        let sound = |loudness| Sound { loudness, speech: Some(Time::ZERO) };
        assert_eq!(stage.hear(Time::from_millis(9000), TrackId(1), sound(800)), Heard::Yes);
        assert_eq!(stage.hear(Time::from_millis(9500), TrackId(2), sound(2000)), Heard::No);
    }

    #[test]
    fn without_a_limit_and_after_leaving_there_is_room() {
        let mut stage = Stage::new(1);
        let quiet = Sound { loudness: 0, speech: None };
        let now = Time::from_millis(9000);
        assert_eq!(stage.hear(now, TrackId(1), quiet), Heard::Yes);
        assert_eq!(stage.hear(now, TrackId(2), quiet), Heard::No);
        stage.leave(TrackId(1));
        assert!(!stage.hears(TrackId(2)));
        assert_eq!(stage.hear(now, TrackId(2), quiet), Heard::Yes);
        assert_eq!(Stage::new(0).hear(now, TrackId(3), quiet), Heard::Yes);
    }
}
