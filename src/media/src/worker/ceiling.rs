//! What publishers are asked to stay under, as REMB (draft-alvestrand-rmcat-remb-03): libwebrtc takes one as an
//! upper bound of what it sends in all, beside its own estimate from transport-wide feedback.

use offhook_types::{MediaKind, Ssrc, Time, TrackId};
use offhook_wire::rtcp::Writer;

use super::leg::{Leg, Role};
use super::{Core, Track};
use crate::Count;
use crate::address::FastMap;

/// What a publisher was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing that still holds.
    Nothing,
    /// To send no more than so many bits a second, its sound apart.
    Cap(u64),
    /// That it may send what it likes; one packet may be lost, so it is told once more.
    Lifted,
}

/// No limit to anybody: a REMB is not forgotten, so it is ended by one that means nothing.
const UNLIMITED: u64 = 1_000_000_000;
/// Streams that are named in one: the layers of a camera, a voice, and what repeats them.
const NAMED: usize = 8;

impl Core {
    /// Let the router know whose video it may cap.
    pub(super) fn judge_publisher(&mut self, now: Time, index: u32) {
        let leg = self.legs.get(index as usize).and_then(Option::as_deref);
        let Some(leg) = leg.filter(|leg| leg.tracks.iter().any(|i| i.kind == MediaKind::Video))
        else {
            return;
        };
        let capable = capable(leg, &self.tracks);
        let room = self.rooms.get_mut(leg.room as usize).and_then(Option::as_mut);
        let Some(router) = room.map(|room| &mut room.router) else { return };
        for ingress in leg.tracks.iter().filter(|ingress| ingress.kind == MediaKind::Video) {
            router.set_heeds(now, ingress.track, capable == Some(ingress.track));
        }
    }

    /// Tell a publisher what to stay under, as often as it has to hear of it.
    pub(super) fn tell_ceiling(&mut self, index: u32) {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let Some(leg) = leg.filter(|leg| leg.is_up()) else { return };
        let room = self.rooms.get(leg.room as usize).and_then(Option::as_ref);
        let Some(router) = room.map(|room| &room.router) else { return };
        let tracks = || leg.tracks.iter();
        let cap = tracks().find_map(|ingress| router.ceiling(ingress.track));
        let sounds = tracks().filter(|ingress| ingress.kind == MediaKind::Audio);
        let sounds = sounds.map(|ingress| ingress.track);
        let before = leg.ceiling;
        let (bits, told) = match (cap, before) {
            (Some(video), _) => (router.asked(video, sounds), Told::Cap(video)),
            (None, Told::Cap(_)) => (UNLIMITED, Told::Lifted),
            (None, Told::Lifted) => (UNLIMITED, Told::Nothing),
            (None, Told::Nothing) => return,
        };
        leg.ceiling = told;
        let mut named = [Ssrc(0); NAMED];
        let media = leg.streams.iter().filter(|stream| stream.role == Role::Media);
        let count = named.iter_mut().zip(media).map(|(place, stream)| *place = stream.ssrc).count();
        let sender = leg.feedback;
        self.exit.control(index, |out| {
            let mut writer = Writer::new(out);
            writer.receiver_report(sender, &[])?;
            writer.remb(sender, bits, named.get(..count)?)?;
            Some(writer.len())
        });
        match told {
            Told::Cap(_) if told != before => self.exit.figures.counts.add(Count::CeilingsSet),
            Told::Lifted => self.exit.figures.counts.add(Count::CeilingsLifted),
            Told::Cap(_) | Told::Nothing => {}
        }
    }
}

/// The track of a publisher that may be capped: one that agreed to hear of it, and whose only picture goes to
/// receivers of this worker. What is asked of it is about all that it sends, so it would share that among several
/// as it likes.
fn capable(leg: &Leg, tracks: &FastMap<TrackId, Track>) -> Option<TrackId> {
    if !leg.negotiated.codecs.iter().any(|agreed| agreed.remb) {
        return None;
    }
    let known = |id: TrackId| tracks.get(&id).filter(|track| !track.muted).map(|track| (id, track));
    let mut pictures = leg.tracks.iter().filter_map(|ingress| known(ingress.track));
    let mut pictures = pictures.by_ref().filter(|(_, track)| track.kind == MediaKind::Video);
    let only = pictures.next().filter(|_| pictures.next().is_none());
    only.filter(|(_, track)| track.workers == 0).map(|(id, _)| id)
}
