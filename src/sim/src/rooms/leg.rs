//! The server's half toward a receiver, as the media worker has it between router and socket: how much may be sent
//! ([`Controller`], or what reports say), and when it leaves ([`Pacer`]).

use core::time::Duration;
use std::rc::Rc;

use offhook_link::Link;
use offhook_rtc::congestion::{ClusterId, Controller, Departure, Reported};
use offhook_rtc::pacer::{Class, Pacer, Pool, Release};
use offhook_rtc::rtx;
use offhook_scenario::Group;
use offhook_sfu::{Carried, Kept, Outgoing, Router};
use offhook_types::media::Extension;
use offhook_types::{Codec, MediaKind, Mid, PayloadType, Ssrc, Time};
use offhook_wire::rtcp::{ReportBlocks, TransportCc};
use offhook_wire::rtp;

use super::packet::{Datagram, GRAIN, TAG, extensions, payload_type, repeats};
use crate::media::path::LIMITS;

/// One receiver.
pub(super) struct Leg {
    index: u32,
    /// It receives pictures; sound alone is neither measured nor paced.
    guided: bool,
    controller: Option<Controller>,
    reported: Reported,
    pacer: Pacer,
    /// Its video streams: padding goes where the first of them is repeated.
    pub pictures: Vec<Ssrc>,
    /// Streams of which the pacer did not keep a new packet: the rest of the picture is of no use.
    torn: Vec<Ssrc>,
    /// What the router was told last.
    told: Option<u64>,
    steer_at: Time,
    retry_at: Time,
    /// Bytes that left.
    sent: u64,
    /// When the last report came, and what had been sent by then.
    reported_at: (Time, u64),
    sent_rate: u64,
}

/// A packet that waits.
pub(super) struct Held {
    kept: Kept,
    source: Rc<[u8]>,
    original: Option<u16>,
}

/// Where packets of a leg go.
pub(super) struct Way<'a> {
    /// What waits, of the whole room.
    pub pool: &'a mut Pool<Held>,
    /// To the receiver.
    pub down: &'a mut Link<Datagram>,
}

/// Between two looks without news, as a worker ticks.
const TICK: Duration = Duration::from_millis(10);
/// Header, extensions and tag, about.
const HEADER: usize = 48;
/// The router hears of changes of the estimate beyond this part of it.
const NEWS: u64 = 32;
/// Packets that one feedback may have sent again. More lost at once is a link that is full, or gone.
const MOST_LOST: usize = 32;
/// Between two looks at what was sent.
const REPORT_SPAN: Duration = Duration::from_millis(400);

impl Leg {
    /// A member of a group joins under the router's number for it.
    pub(super) fn new(now: Time, index: u32, group: &Group) -> Self {
        let guided = group.watches(MediaKind::Video);
        Self {
            index,
            guided,
            controller: (guided && group.feedback).then(|| Controller::new(now, &LIMITS)),
            reported: Reported::new(now, LIMITS),
            pacer: Pacer::new(),
            pictures: Vec::new(),
            torn: Vec::new(),
            told: None,
            steer_at: if guided { now } else { Time::MAX },
            retry_at: Time::ZERO,
            sent: 0,
            reported_at: (now, 0),
            sent_rate: 0,
        }
    }

    /// Send a packet, now or when its turn comes. `original` is the number that it repeats.
    pub(super) fn offer(
        &mut self,
        now: Time,
        (packet, original): (&Outgoing<'_>, Option<u16>),
        source: &Rc<[u8]>,
        way: &mut Way<'_>,
    ) {
        let bytes = packet.payload.len() + HEADER;
        if packet.payload_type == payload_type(Codec::Opus) {
            self.pacer.pass(now, bytes);
        } else if !self.pacer.passes(now, bytes) {
            let class = if original.is_some() { Class::Repair } else { Class::Media };
            let held = Held { kept: packet.keep(), source: source.clone(), original };
            let kept = self.pacer.hold(now, way.pool, (class, packet.payload.len()), held);
            if kept.is_err() && original.is_none() {
                self.torn.push(packet.ssrc);
            }
            return;
        }
        self.send(now, (packet, original), 0, way.down);
    }

    /// Send what has waited long enough.
    pub(super) fn release(&mut self, now: Time, router: &mut Router, way: &mut Way<'_>) {
        loop {
            if !self.torn.is_empty() {
                self.give_up(now, router, way);
            }
            if self.pacer.next_timeout() > now {
                return;
            }
            match self.pacer.poll(now, way.pool) {
                Some(Release::Packet(held, cluster)) => self.send_held(now, &held, cluster, way),
                Some(Release::Late(held)) if held.original.is_none() => {
                    self.torn.push(held.kept.ssrc());
                }
                Some(Release::Late(_)) => {}
                Some(Release::Padding(room, cluster)) => {
                    let bytes = self.pad(now, (room, cluster), router, way.down).unwrap_or(0);
                    self.pacer.padded(bytes);
                }
                None => {
                    self.retry_at = now + GRAIN;
                    return;
                }
            }
        }
    }

    /// Do without the pictures of which something is lost: what follows waits for a key frame.
    fn give_up(&mut self, now: Time, router: &mut Router, way: &mut Way<'_>) {
        while let Some(held) = self.pacer.give_up(way.pool) {
            self.torn.push(held.kept.ssrc());
        }
        self.torn.sort_unstable();
        self.torn.dedup();
        self.torn.drain(..).for_each(|stream| router.lose_picture(now, self.index, stream));
    }

    /// The receiver told when packets came. Which of them it misses, by stream and number; of retransmissions, the
    /// number that they repeat.
    pub(super) fn handle_feedback(
        &mut self,
        now: Time,
        feedback: &TransportCc<'_>,
    ) -> Vec<(Ssrc, u16)> {
        let mut lost = Vec::new();
        if let Some(controller) = &mut self.controller {
            controller.handle_feedback(now, feedback, |stream, sequence| {
                lost.push((stream, sequence));
            });
            self.steer_at = now;
        }
        lost.truncate(MOST_LOST);
        lost
    }

    /// The receiver reported.
    pub(super) fn handle_reports(&mut self, now: Time, blocks: &ReportBlocks<'_>) {
        let Some(worst) = blocks.iter().map(|block| block.fraction_lost).max() else { return };
        let (at, before) = self.reported_at;
        let span = now.since(at);
        if span >= REPORT_SPAN {
            self.sent_rate = (self.sent - before) * 8_000_000 / span.as_micros().max(1) as u64;
            self.reported_at = (now, self.sent);
        }
        self.reported.handle_loss(now, worst, self.sent_rate);
        if self.guided {
            self.steer_at = now;
        }
    }

    /// Let the router know what may be sent, and the pacer how fast, if either may have changed.
    pub(super) fn steer(&mut self, now: Time, router: &mut Router) {
        if self.steer_at > now {
            return;
        }
        if let Some(controller) = &mut self.controller {
            controller.set_wanted(router.wanted(self.index), !self.pictures.is_empty());
            controller.handle_timeout(now);
            if !self.pacer.is_probing()
                && let Some(probe) = controller.poll_probe(now)
            {
                self.pacer.begin(probe);
            }
        }
        let estimate = self.estimate(now);
        let pace = self.listening().map(Controller::pace);
        self.pacer.set_rate(pace.or_else(|| estimate.map(|bits| bits + bits / 2)));
        let same = match (self.told, estimate) {
            (Some(told), Some(estimate)) => told.abs_diff(estimate) <= told / NEWS,
            (told, estimate) => told == estimate,
        };
        if !same {
            self.told = estimate;
            router.set_budget(now, self.index, estimate);
        }
        let due = self.controller.as_ref().map_or(Time::MAX, Controller::next_timeout);
        self.steer_at = due.max(now + TICK);
    }

    /// What may be sent, in bits a second; `None` while nothing limits it.
    pub(super) fn estimate(&self, now: Time) -> Option<u64> {
        let own = self.listening().map(Controller::estimate);
        own.or_else(|| self.reported.estimate(now).filter(|_| self.guided))
    }

    /// How long a packet that is sent again is on its way until an answer comes, what it waits before included.
    pub(super) fn pause(&self, now: Time) -> Duration {
        let round_trip = self.listening().and_then(Controller::round_trip).unwrap_or_default();
        round_trip + self.pacer.wait(now, Class::Repair)
    }

    /// When [`Leg::steer`] or [`Leg::release`] has something to do.
    pub(super) fn next_timeout(&self) -> Time {
        let torn = if self.torn.is_empty() { Time::MAX } else { Time::ZERO };
        self.steer_at.min(self.pacer.next_timeout().max(self.retry_at)).min(torn)
    }

    /// Forget what waits.
    pub(super) fn clear(&mut self, pool: &mut Pool<Held>) {
        self.pacer.clear(pool);
    }

    fn listening(&self) -> Option<&Controller> {
        self.controller.as_ref().filter(|controller| !controller.is_deaf())
    }

    fn send_held(&mut self, now: Time, held: &Held, cluster: ClusterId, way: &mut Way<'_>) {
        let Ok(source) = rtp::Packet::parse(&held.source) else { return };
        let carried = Carried::pick(&source.head.extensions, &extensions());
        let Some(packet) = held.kept.render(source.payload, &carried) else { return };
        self.send(now, (&packet, held.original), cluster, way.down);
    }

    fn send(
        &mut self,
        now: Time,
        (packet, original): (&Outgoing<'_>, Option<u16>),
        cluster: ClusterId,
        down: &mut Link<Datagram>,
    ) {
        let mut bytes = vec![0; HEADER * 2 + packet.payload.len()];
        let number = self.controller.as_ref().map(Controller::next_number);
        let Some(mut len) = packet.write_header(&mut bytes, number) else { return };
        if let Some(original) = original {
            bytes[len..len + 2].copy_from_slice(&rtx::prefix(original));
            len += 2;
        }
        let Some(payload) = packet.write_payload(&mut bytes[len..]) else { return };
        bytes.truncate(len + payload);
        let sequence = original.unwrap_or(packet.sequence as u16);
        self.depart(now, (packet.ssrc, sequence, cluster), bytes, down);
    }

    /// Send padding on a retransmission stream, as much as goes into a packet but not more than asked for. Its
    /// bytes.
    fn pad(
        &mut self,
        now: Time,
        (room, cluster): (usize, ClusterId),
        router: &mut Router,
        down: &mut Link<Datagram>,
    ) -> Option<usize> {
        let media = *self.pictures.first()?;
        let number = self.controller.as_ref()?.next_number().to_be_bytes();
        let header = rtp::Header {
            marker: false,
            payload_type: PayloadType(payload_type(Codec::Vp8).0 + 1),
            sequence: router.next_rtx_sequence(self.index, media)? as u16,
            timestamp: (now.as_micros() * 9 / 100) as u32,
            ssrc: repeats(media),
        };
        let (ids, mid) = (extensions(), Mid::new(b"0")?);
        let values = [
            (ids.id(Extension::Mid)?, mid.as_str().as_bytes()),
            (ids.id(Extension::TransportCc)?, &number[..]),
        ];
        let mut bytes = vec![0; HEADER];
        let start = rtp::write_header(&mut bytes, &header, values.into_iter())?;
        // The last byte is the padding's length (RFC 3550 §5.1).
        let count = u8::try_from(room.saturating_sub(start)).unwrap_or(u8::MAX).max(64);
        bytes.resize(start, 0);
        bytes.resize(start + usize::from(count), 0);
        bytes[0] |= 0x20;
        *bytes.last_mut()? = count;
        let len = bytes.len() + TAG;
        // Nobody misses padding.
        self.depart(now, (Ssrc(0), header.sequence, cluster), bytes, down);
        Some(len)
    }

    fn depart(
        &mut self,
        now: Time,
        (stream, sequence, cluster): (Ssrc, u16, ClusterId),
        bytes: Vec<u8>,
        down: &mut Link<Datagram>,
    ) {
        let size = (bytes.len() + TAG) as u16;
        self.sent += u64::from(size);
        if let Some(controller) = &mut self.controller {
            controller.sent(now, &Departure { stream, sequence, size, cluster });
        }
        Datagram::Media(bytes.into()).send(now, down);
    }
}
