//! One room: its router, everybody in it with both halves and the links between, and the order in which things
//! happen. Rooms share nothing, so each is played by itself.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use offhook_link::Link;
use offhook_rtc::pacer::Pool;
use offhook_scenario::{Group, Scenario, Seat, Visit};
use offhook_sfu::{Config, Inbound, Origin as Place, Router, TrackSpec};
use offhook_types::media::{Egress, Want};
use offhook_types::{LegId, MediaKind, Mid, Rng, Ssrc, Time, TrackId, WorkerId};
use offhook_wire::{rtcp, rtp};

use super::guest::{Guest, Publishing};
use super::leg::{Held, Leg, Way};
use super::origin::Origin;
use super::packet::{Datagram, GRAIN, control, extensions, is_repeated, negotiated, repeats};
use super::record::Record;

/// One room of a scenario.
pub(super) struct Room<'a> {
    router: Router,
    pool: Pool<Held>,
    members: Vec<Member<'a>>,
    /// Who publishes which track.
    owners: BTreeMap<TrackId, usize>,
    /// Tracks whose publishers were asked to stay under something.
    capped: BTreeSet<TrackId>,
    /// The last number that was given to a track or a stream.
    serial: u32,
    now: Time,
}

/// One participant, there or not.
struct Member<'a> {
    seat: &'a Seat,
    group: &'a Group,
    visits: Box<dyn Iterator<Item = Visit>>,
    visit: Option<Visit>,
    nth: u64,
    here: Option<Presence>,
    due: Time,
    record: Record,
}

/// A participant that is there.
struct Presence {
    up: Link<Datagram>,
    down: Link<Datagram>,
    guest: Guest,
    leg: Leg,
    origins: Vec<Origin>,
    round_trip: Duration,
}

/// Packets of a room that may wait at a time: the worker's pool is larger, and serves many.
const WAITING: usize = 4096;
/// A path is not taken to be shorter.
const LEAST_ROUND_TRIP: Duration = Duration::from_millis(5);

impl<'a> Room<'a> {
    /// With those who are to come.
    pub(super) fn new(scenario: &'a Scenario, seats: &[&'a Seat], rng: Rng) -> Self {
        let voices =
            scenario.server.get("media").and_then(|media| media.get("voices")?.as_integer());
        let standard = Config::default();
        let voices = voices.and_then(|voices| usize::try_from(voices).ok());
        let config = Config { voices: voices.unwrap_or(standard.voices), ..standard };
        let member = |&seat: &&'a Seat| {
            let group = scenario.group(seat.group);
            let mut visits = Box::new(seat.visits(group.churn));
            let visit = visits.next();
            let due = visit.map_or(Time::MAX, |visit| Time::ZERO + visit.from);
            let (nth, record) = (0, Record::new(seat));
            Member { seat, group, visits, visit, nth, here: None, due, record }
        };
        Self {
            router: Router::new(config, rng),
            pool: Pool::new(WAITING),
            members: seats.iter().map(member).collect(),
            owners: BTreeMap::new(),
            capped: BTreeSet::new(),
            serial: 0,
            now: Time::ZERO,
        }
    }

    /// Play so many seconds. What became of everybody.
    pub(super) fn play(mut self, seconds: u64) -> Vec<Record> {
        for second in 1..=seconds {
            self.run_until(Time::from_millis(second * 1000));
            self.sample();
        }
        self.members.into_iter().map(|member| member.record).collect()
    }

    fn run_until(&mut self, until: Time) {
        loop {
            let due = self.members.iter().map(|member| member.due).min().unwrap_or(Time::MAX);
            let now = due.min(self.router.next_timeout()).max(self.now);
            if now >= until {
                self.now = until;
                return;
            }
            self.now = now;
            for index in 0..self.members.len() {
                if self.members[index].due <= now {
                    self.step(now, index);
                }
            }
            self.tend(now);
        }
    }

    /// Everything that happens to a participant at a time.
    fn step(&mut self, now: Time, index: usize) {
        self.come_or_go(now, index);
        let member = &mut self.members[index];
        let Some(Presence { up, down, guest, .. }) = &mut member.here else { return };
        while let Some(datagram) = down.poll(now) {
            guest.take(now, &datagram, up);
        }
        let published = guest.poll(now, up);
        self.count(index, published);
        while let Some(here) = &mut self.members[index].here
            && let Some(datagram) = here.up.poll(now)
        {
            match datagram {
                Datagram::Media(bytes) => self.route(now, index, &bytes),
                Datagram::Control(bytes) => self.control(now, index, &bytes),
            }
        }
        self.serve(now, index);
        let member = &mut self.members[index];
        let leaves = member.visit.and_then(|visit| visit.until);
        let leaves = leaves.map_or(Time::MAX, |until| Time::ZERO + until);
        member.due = member.here.as_ref().map_or(Time::MAX, |here| here.next_timeout(now));
        member.due = member.due.min(leaves);
    }

    /// What the server does for a leg by the clock.
    fn serve(&mut self, now: Time, index: usize) {
        let Some(here) = &mut self.members[index].here else { return };
        for origin in &mut here.origins {
            if origin.next_timeout(now) <= now + GRAIN
                && origin.poll(now, here.round_trip, &mut here.down)
            {
                self.router.request_layer_key_frame(now, origin.track, origin.layer);
            }
        }
        here.leg.steer(now, &mut self.router);
        let mut way = Way { pool: &mut self.pool, down: &mut here.down };
        here.leg.release(now, &mut self.router, &mut way);
    }

    /// What the room's router wants asked.
    fn tend(&mut self, now: Time) {
        self.router.review(now);
        while self.router.poll_pause().is_some() {}
        let _ = self.router.poll_speakers(now);
        while let Some(track) = self.router.poll_ceiling() {
            self.capped.insert(track);
            self.tell_ceiling(now, track);
        }
        while let Some((track, layer)) = self.router.poll_key_frame(now) {
            let owner = self.owners.get(&track).map(|&owner| &mut self.members[owner]);
            let Some(member) = owner else { continue };
            let Some(here) = &mut member.here else { continue };
            let is = |origin: &&Origin| origin.track == track && origin.layer == layer;
            if let Some(origin) = here.origins.iter().find(is) {
                origin.want_key(now, &mut here.down);
            }
            member.due = member.due.min(here.down.next_timeout().unwrap_or(Time::MAX));
        }
    }

    /// Let a publisher know what to stay under.
    fn tell_ceiling(&mut self, now: Time, track: TrackId) {
        let owner = self.owners.get(&track).map(|&owner| &mut self.members[owner]);
        let Some(member) = owner else { return };
        let Some(here) = &mut member.here else { return };
        let sounds = here.origins.iter().filter(|origin| origin.codec.kind() == MediaKind::Audio);
        let sounds = sounds.map(|origin| origin.track);
        let ceiling = self.router.ceiling(track);
        let bits = ceiling.map_or(UNLIMITED, |video| self.router.asked(video, sounds));
        control(now, &mut here.down, |out| out.remb(OWN, bits, &[]));
        member.due = member.due.min(here.down.next_timeout().unwrap_or(Time::MAX));
    }

    /// A publisher's packet.
    fn route(&mut self, now: Time, index: usize, bytes: &Rc<[u8]>) {
        let Ok(packet) = rtp::Packet::parse(bytes) else { return };
        let header = packet.header();
        let Self { members, router, pool, .. } = self;
        let here = members[index].here.as_mut();
        let mut origins = here.into_iter().flat_map(|here| &mut here.origins);
        let Some(origin) = origins.find(|origin| origin.ssrc == header.ssrc) else { return };
        let sequence = origin.accept(now, header.sequence, bytes);
        let (track, named) = (origin.track, (origin.layer, origin.codec, sequence));
        let Ok(inbound) = Inbound::new(named, &packet, &extensions()) else { return };
        router.route(now, track, &inbound, &mut |leg, outgoing| {
            let member = &mut members[leg as usize];
            let Some(Presence { leg, down, .. }) = &mut member.here else { return };
            let mut way = Way { pool: &mut *pool, down };
            leg.offer(now, (outgoing, None), bytes, &mut way);
            let due = down.next_timeout().unwrap_or(Time::MAX).min(leg.next_timeout());
            member.due = member.due.min(due);
        });
    }

    /// A receiver's feedback.
    fn control(&mut self, now: Time, index: usize, bytes: &[u8]) {
        let number = index as u32;
        for packet in rtcp::packets(bytes).flatten() {
            let Some(here) = &mut self.members[index].here else { return };
            match packet {
                rtcp::Packet::TransportCc(feedback) => {
                    for (stream, sequence) in here.leg.handle_feedback(now, &feedback) {
                        self.replace(now, index, (stream, sequence));
                    }
                }
                rtcp::Packet::ReceiverReport { blocks, .. } => {
                    here.leg.handle_reports(now, &blocks);
                }
                rtcp::Packet::Pli { media, .. } => {
                    self.router.request_key_frame(now, number, media);
                }
                rtcp::Packet::Nack(nack) => {
                    let pause = here.leg.pause(now);
                    for sequence in nack.sequences() {
                        // What is forgotten stays lost.
                        let _ = self.resend(now, index, (nack.media, sequence), pause);
                    }
                }
                _ => {}
            }
        }
    }

    /// Feedback says that a packet did not come, sooner than the receiver asks for it a second time.
    fn replace(&mut self, now: Time, index: usize, (stream, sequence): (Ssrc, u16)) {
        let Some(here) = &self.members[index].here else { return };
        let (media, pause) = match is_repeated(stream) {
            true => (repeats(stream), here.leg.pause(now)),
            false => (stream, Duration::MAX),
        };
        if here.leg.pictures.contains(&media) {
            let _ = self.resend(now, index, (media, sequence), pause);
        }
    }

    /// A receiver misses a packet, which is not sent again if it was less than `pause` ago.
    fn resend(
        &mut self,
        now: Time,
        index: usize,
        (media, sequence): (Ssrc, u16),
        pause: Duration,
    ) -> Option<()> {
        let leg = index as u32;
        let resend = self.router.resend(now, (leg, media), sequence, pause).ok()?;
        let owner = self.members[*self.owners.get(&resend.track)?].here.as_ref()?;
        let is = |origin: &&Origin| origin.track == resend.track && origin.layer == resend.layer;
        let origin = owner.origins.iter().find(is)?;
        let bytes = origin.find(resend.sequence)?.clone();
        let packet = rtp::Packet::parse(&bytes).ok()?;
        let named = (origin.layer, origin.codec, resend.sequence);
        let source = Inbound::new(named, &packet, &extensions()).ok()?;
        let mut outgoing = resend.render(&source)?;
        let (rtx, original) = (resend.rtx?, outgoing.sequence as u16);
        outgoing.sequence = self.router.next_rtx_sequence(leg, media)?;
        (outgoing.ssrc, outgoing.payload_type) = (rtx.ssrc, rtx.payload_type);
        let Presence { leg, down, .. } = self.members[index].here.as_mut()?;
        let mut way = Way { pool: &mut self.pool, down };
        leg.offer(now, (&outgoing, Some(original)), &bytes, &mut way);
        Some(())
    }

    /// Somebody published so many packets of sound and of pictures: everybody who watches is to have them.
    fn count(&mut self, index: usize, published: [u64; 2]) {
        if published == [0, 0] {
            return;
        }
        for (other, member) in self.members.iter_mut().enumerate() {
            if other != index && member.here.is_some() {
                for (many, kind) in published.into_iter().zip(KINDS) {
                    member.record.offered += if member.group.watches(kind) { many } else { 0 };
                }
            }
        }
    }

    /// A second is over.
    fn sample(&mut self) {
        let now = self.now;
        let capped: Vec<TrackId> = self.capped.iter().copied().collect();
        capped.into_iter().for_each(|track| self.tell_ceiling(now, track));
        self.members.iter_mut().for_each(|member| member.sample(now));
    }

    fn come_or_go(&mut self, now: Time, index: usize) {
        let Some(visit) = self.members[index].visit else { return };
        let is_over = visit.until.is_some_and(|until| Time::ZERO + until <= now);
        match &self.members[index].here {
            None if Time::ZERO + visit.from <= now => self.join(now, index),
            Some(_) if is_over => self.leave(now, index),
            _ => {}
        }
    }

    fn join(&mut self, now: Time, index: usize) {
        let member = &mut self.members[index];
        let group = member.group;
        let mut rng = Rng::from_seed(member.seat.seed ^ member.nth << 48);
        let mut link = |schedule| Link::new(Time::ZERO, schedule, Rng::from_seed(rng.next_u64()));
        let paths = group.link.as_deref();
        let mut up = link(paths.map(|paths| paths.up.clone()).unwrap_or_default());
        let mut down = link(paths.map(|paths| paths.down.clone()).unwrap_or_default());
        // A schedule counts from the beginning of the run, whoever joins when.
        let _ = (up.poll(now), down.poll(now));
        let there_and_back = up.conditions().delay + down.conditions().delay;
        let round_trip = there_and_back.max(LEAST_ROUND_TRIP);
        let leg = Leg::new(now, index as u32, group);
        let mut guest = Guest::new(now, group, round_trip);
        for track in &group.publish {
            let (id, first) = (TrackId(u64::from(self.serial) + 1), self.serial + 1);
            self.serial += 1 + track.layers.len() as u32;
            let mut publishing = Publishing::new(id, track.clone(), first, &mut rng);
            publishing.feed.start(now, &mut rng);
            guest.tracks.push(publishing);
        }
        let origins: Vec<Origin> = guest.tracks.iter().flat_map(Origin::of).collect();
        let published: Vec<(TrackId, MediaKind, u8)> = guest.tracks.iter().map(published).collect();
        member.record.joins += 1;
        member.here = Some(Presence { up, down, guest, leg, origins, round_trip });
        self.router.set_negotiated(now, index as u32, &negotiated(group.feedback));
        let is_only = group.tracks(MediaKind::Video) == 1;
        for ((id, kind, layers), track) in published.into_iter().zip(&group.publish) {
            self.owners.insert(id, index);
            // A room's limits are far above a scenario's.
            let _ =
                self.router.add_track(now, id, TrackSpec { kind, layers, origin: Place::Local });
            self.router.set_rates(id, track.layers.iter().map(|layer| track.bits(layer)));
            self.router.set_heeds(now, id, is_only && kind == MediaKind::Video);
            (0..self.members.len()).for_each(|other| self.subscribe(now, other, (id, kind)));
        }
        let others: Vec<(TrackId, MediaKind)> = self.tracks_of_others(index);
        others.into_iter().for_each(|track| self.subscribe(now, index, track));
    }

    fn tracks_of_others(&self, index: usize) -> Vec<(TrackId, MediaKind)> {
        let others = self.members.iter().enumerate().filter(|(other, _)| *other != index);
        let here = others.filter_map(|(_, member)| member.here.as_ref());
        here.flat_map(|here| here.guest.tracks.iter().map(published))
            .map(|(id, kind, _)| (id, kind))
            .collect()
    }

    /// Let somebody receive a track, if it watches tracks of the kind.
    fn subscribe(&mut self, now: Time, index: usize, (track, kind): (TrackId, MediaKind)) {
        let Some(&owner) = self.owners.get(&track) else { return };
        let member = &mut self.members[index];
        let Some(here) = member.here.as_mut().filter(|_| owner != index) else { return };
        if !member.group.watches(kind) {
            return;
        }
        let ssrc = Ssrc(track.0 as u32);
        let is_video = kind == MediaKind::Video;
        let Some(mid) = Mid::new(track.0.to_string().as_bytes()) else { return };
        let source = LegId::new(WorkerId(0), owner as u64);
        let rtx = is_video.then(|| repeats(ssrc));
        let egress = Egress { track, source, kind, mid, ssrc, rtx };
        if is_video {
            here.leg.pictures.push(ssrc);
        }
        let _ = self.router.subscribe(now, index as u32, &egress, Want::BEST);
    }

    fn leave(&mut self, now: Time, index: usize) {
        let member = &mut self.members[index];
        member.sample(now);
        let Some(mut here) = member.here.take() else { return };
        here.leg.clear(&mut self.pool);
        member.visit = member.visits.next();
        member.nth += 1;
        member.due = member.visit.map_or(Time::MAX, |visit| Time::ZERO + visit.from);
        member.record.left();
        self.router.remove_leg(index as u32);
        for Publishing { id, .. } in &here.guest.tracks {
            self.owners.remove(id);
            self.capped.remove(id);
            self.router.remove_track(*id);
            for (other, member) in self.members.iter_mut().enumerate() {
                self.router.unsubscribe(other as u32, *id);
                if let Some(here) = &mut member.here {
                    here.leg.pictures.retain(|ssrc| ssrc.0 != id.0 as u32);
                }
            }
        }
    }
}

/// Who asks; nobody looks at it.
const OWN: Ssrc = Ssrc(1);
/// No limit to anybody.
const UNLIMITED: u64 = 1_000_000_000;

const KINDS: [MediaKind; 2] = [MediaKind::Audio, MediaKind::Video];

fn published(track: &Publishing) -> (TrackId, MediaKind, u8) {
    (track.id, track.feed.track.media(), track.layers.len() as u8)
}

impl Member<'_> {
    /// Note what happened since the last look.
    fn sample(&mut self, now: Time) {
        let Some(here) = &mut self.here else { return self.record.absent(now) };
        let streams = here.guest.sample(now);
        let delays = core::mem::take(&mut here.guest.delays);
        self.record.note(now, self.group, (&streams, delays), here.leg.estimate(now));
    }
}

impl Presence {
    fn next_timeout(&self, now: Time) -> Time {
        let links = [self.up.next_timeout(), self.down.next_timeout()];
        let links = links.into_iter().flatten().min().unwrap_or(Time::MAX);
        let origins = self.origins.iter().map(|origin| origin.next_timeout(now));
        let origins = origins.min().unwrap_or(Time::MAX);
        let own = self.guest.next_timeout().min(self.leg.next_timeout());
        links.min(origins).min(own)
    }
}
