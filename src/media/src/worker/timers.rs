//! What happens by the clock, never per packet: feedback to publishers, reports to receivers, ends of legs that fell
//! silent, and what rooms want asked or told.

use core::fmt::Write;
use core::time::Duration;

use offhook_rtc::reports::{Block, Reception};
use offhook_sfu::Pause;
use offhook_types::media::{Event, LegEnd, LegQuality};
use offhook_types::{LegId, MediaKind, Ssrc, Time, TrackId};
use offhook_wire::rtcp::{ReportBlock, SenderInfo, Writer};

use super::leg::{Leg, Out, Receiving, Role, Tally};
use super::{Core, Source, TICK};
use crate::Count;

/// Between two receiver reports to a publisher.
const RECEIVER_REPORT: Duration = Duration::from_secs(1);
/// Between two sender reports of a video stream.
const VIDEO_REPORT: Duration = Duration::from_secs(1);
/// Between two sender reports of an audio stream: a room of a hundred has ten thousand of them.
const AUDIO_REPORT: Duration = Duration::from_secs(5);
/// Until a sender report is tried again, while the publisher has not told its clock.
const REPORT_RETRY: Duration = Duration::from_millis(200);
/// Sender reports in one packet: each is 28 bytes and its name about 32.
const REPORTS: usize = 16;
/// Between two looks for packets that are kept too long.
const EXPIRY: Duration = Duration::from_millis(100);
/// Assumed round trip to a publisher that has not let us measure it.
const ROUND_TRIP: Duration = Duration::from_millis(100);

impl Core {
    /// Look at everything that is due.
    pub(super) fn tick(&mut self, now: Time) {
        self.last_tick = now;
        for index in 0..self.due.len() {
            if self.due.get(index).is_some_and(|&due| due <= now) {
                self.tick_leg(now, index as u32);
            }
        }
        self.tick_rooms(now);
        if now >= self.next_expiry {
            self.next_expiry = now + EXPIRY;
            let limit = now - self.config.timeouts.history;
            for history in self.tracks.values_mut().flat_map(|track| &mut track.histories) {
                history.expire(limit, &mut self.arena);
            }
        }
        let legs = self.due.iter().copied().min().unwrap_or(Time::MAX);
        let rooms = self.rooms.iter().flatten().map(|room| room.router.next_timeout());
        let rooms = rooms.min().unwrap_or(Time::MAX);
        let kept = if self.tracks.is_empty() { Time::MAX } else { self.next_expiry };
        self.next_due = legs.min(rooms).min(kept);
    }

    fn tick_rooms(&mut self, now: Time) {
        for index in 0..self.rooms.len() {
            let Some(room) = self.rooms.get_mut(index).and_then(Option::as_mut) else { continue };
            if room.router.next_timeout() > now {
                continue;
            }
            let id = room.id;
            if let Some(speakers) = room.router.poll_speakers(now) {
                let (worker, speakers) = (self.id, speakers.to_vec());
                (self.on_event)(Event::Speakers { room: id, worker, speakers });
            }
            self.mark_asking(index as u32);
        }
        self.ask_for_key_frames(now);
    }

    /// Send the key frame requests that rooms want sent, and tell whom they paused.
    pub(super) fn ask_for_key_frames(&mut self, now: Time) {
        while let Some(index) = self.asking.pop() {
            self.share_out(now, index);
            while let Some((track, layer)) =
                self.room_mut(index).and_then(|room| room.router.poll_key_frame(now))
            {
                self.ask_for_key_frame(track, layer);
            }
            let next = self.room_mut(index).map(|room| room.router.next_timeout());
            self.next_due = self.next_due.min(next.unwrap_or(Time::MAX));
        }
    }

    /// Let a room share anew what its legs may be sent.
    fn share_out(&mut self, now: Time, index: u32) {
        let Some(room) = self.rooms.get_mut(index as usize).and_then(Option::as_mut) else {
            return;
        };
        room.router.review(now);
        while let Some(track) = room.router.poll_ceiling() {
            if let Some(Source::Local(publisher)) =
                self.tracks.get(&track).map(|track| track.source)
            {
                self.capped.push(publisher);
            }
        }
        while let Some(Pause { leg, track, paused }) = room.router.poll_pause() {
            let leg = self.legs.get(leg as usize).and_then(Option::as_deref);
            if let Some(Leg { id: leg, .. }) = leg {
                (self.on_event)(Event::Paused { leg: *leg, track, paused });
            }
        }
        while let Some(publisher) = self.capped.pop() {
            self.tell_ceiling(publisher);
        }
    }

    fn ask_for_key_frame(&mut self, track: TrackId, layer: u8) {
        match self.tracks.get(&track).map(|track| track.source) {
            Some(Source::Local(index)) => {
                let Some(leg) = self.leg(index) else { return };
                let Some(at) = leg.stream_of(track, layer, Role::Media) else { return };
                let Some(media) = leg.streams.get(at).map(|stream| stream.ssrc) else { return };
                let sender = leg.feedback;
                let sent = self.exit.control(index, |out| {
                    let mut writer = Writer::new(out);
                    writer.receiver_report(sender, &[])?;
                    writer.pli(sender, media)?;
                    Some(writer.len())
                });
                if sent {
                    self.exit.figures.counts.add(Count::KeyFramesRequested);
                }
            }
            Some(Source::Remote(worker)) => self.ask_remote(worker, track, layer),
            None => {}
        }
    }

    /// Look how far behind the worker is, and let go of as much video as it takes to catch up.
    pub(super) fn relieve(&mut self, now: Time) {
        if !self.overload.observe(now, self.exit.socket.fill()) {
            return;
        }
        for index in 0..self.legs.len() as u32 {
            let Some(leg) = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut) else {
                continue;
            };
            let before = core::mem::replace(&mut leg.shed, self.overload.sheds(leg.id));
            if before && !leg.shed {
                self.show_again(index);
            }
        }
    }

    /// A publisher's video is taken again: its receivers can begin with a key frame only.
    fn show_again(&mut self, index: u32) {
        for at in 0.. {
            let stream = self.leg(index).and_then(|leg| leg.streams.get(at));
            let Some((track, layer)) = stream.map(|stream| (stream.track, stream.layer)) else {
                return;
            };
            if self.tracks.get(&track).is_some_and(|track| track.kind == MediaKind::Video) {
                self.ask_for_key_frame(track, layer);
            }
        }
    }

    fn tick_leg(&mut self, now: Time, index: u32) {
        if let Some(due) = self.due.get_mut(index as usize) {
            *due = Time::MAX;
        }
        let Some(leg) = self.leg(index) else { return };
        let end = self.verdict(now, leg);
        let (up, silent_at) = match end {
            Ok(until) => (leg.is_up(), until),
            Err(end) => return self.remove_leg(index, end),
        };
        self.schedule(index, silent_at);
        if !up {
            return;
        }
        self.ask_again(now, index);
        self.report_arrivals(now, index);
        self.report_reception(now, index);
        self.report_sending(now, index);
        self.report_quality(now, index);
        self.steer(now, index);
    }

    /// Whether a leg has reached an end, or when it will unless something happens.
    fn verdict(&self, now: Time, leg: &Leg) -> Result<Time, LegEnd> {
        let timeouts = &self.config.timeouts;
        let (until, end) = if leg.is_up() {
            let heard = leg.contact.consented().unwrap_or(leg.opened);
            (heard + timeouts.consent, LegEnd::ConsentLost)
        } else {
            (leg.opened + timeouts.setup, LegEnd::SetupTimeout)
        };
        if until <= now { Err(end) } else { Ok(until) }
    }

    /// Ask the publisher for what is missing.
    fn ask_again(&mut self, now: Time, index: u32) {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let Some(leg) = leg else { return };
        let (sender, mut next) = (leg.feedback, Time::MAX);
        let round_trip = leg.round_trip.unwrap_or(ROUND_TRIP);
        for stream in leg.streams.iter_mut().filter(|stream| stream.repaired) {
            let mut wanted = [0; 64];
            let request = stream.nack.poll(now, round_trip, &mut wanted);
            let wanted = wanted.get(..request.count).unwrap_or_default();
            let media = stream.ssrc;
            if !wanted.is_empty() {
                self.exit.control(index, |out| {
                    let mut writer = Writer::new(out);
                    writer.receiver_report(sender, &[])?;
                    writer.nack(sender, media, wanted.iter().copied())?;
                    Some(writer.len())
                });
                self.exit.figures.counts.add_many(Count::NacksSent, wanted.len() as u64);
            }
            if request.gave_up
                && let Some(track) = self.tracks.get(&stream.track)
                && track.kind == MediaKind::Video
                && let Some(room) = self.rooms.get_mut(track.room as usize).and_then(Option::as_mut)
            {
                room.router.request_layer_key_frame(now, stream.track, stream.layer);
            }
            next = next.min(stream.nack.next_timeout().unwrap_or(Time::MAX));
        }
        self.schedule(index, next.max(now + TICK));
    }

    /// Transport-wide feedback.
    fn report_arrivals(&mut self, now: Time, index: u32) {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let Some(leg) = leg else { return };
        let (sender, recorder) = (leg.feedback, &mut leg.recorder);
        while recorder.next_timeout().is_some_and(|due| due <= now) {
            let sent = self.exit.control(index, |out| {
                let mut writer = Writer::new(out);
                writer.receiver_report(sender, &[])?;
                let head = writer.len();
                let len = recorder.poll(now, out.get_mut(head..)?)?;
                Some(head + len)
            });
            if !sent {
                break;
            }
            self.exit.figures.counts.add(Count::FeedbackSent);
        }
        let next = recorder.next_timeout().unwrap_or(Time::MAX);
        self.schedule(index, next.max(now + TICK));
    }

    /// Receiver reports for what the leg publishes.
    fn report_reception(&mut self, now: Time, index: u32) {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let Some(leg) = leg else { return };
        let due = now >= leg.next_report && !leg.streams.is_empty();
        if due {
            leg.next_report = (now + RECEIVER_REPORT).on_beat();
            let mut blocks = [EMPTY_BLOCK; 31];
            let router = self.rooms.get(leg.room as usize).and_then(Option::as_ref);
            let told = leg.streams.iter_mut().filter_map(|stream| {
                let block = on_wire(&stream.reception.as_mut()?.block(now)?);
                let far = router.map_or(0, |room| room.router.audience_loss(stream.track));
                let far = if stream.role == Role::Media { far } else { 0 };
                // Of the loss on both ways the encoder is told the worse; the totals, which say what the way from it
                // carries, stay as they are.
                Some(ReportBlock { fraction_lost: block.fraction_lost.max(far), ..block })
            });
            let mut count = 0;
            for (place, block) in blocks.iter_mut().zip(told) {
                *place = block;
                count += 1;
            }
            let (sender, blocks) = (leg.feedback, blocks.get(..count).unwrap_or_default());
            if !blocks.is_empty() {
                self.exit.control(index, |out| {
                    let mut writer = Writer::new(out);
                    writer.receiver_report(sender, blocks)?;
                    Some(writer.len())
                });
            }
        }
        let next = if leg.next_report > now { leg.next_report } else { now + RECEIVER_REPORT };
        self.schedule(index, next);
        if due {
            // What is lifted by the look is told by itself, and again here a second later: both are not lost together.
            self.tell_ceiling(index);
            self.judge_publisher(now, index);
        }
    }

    /// Sender reports for what the leg receives, several to a packet.
    fn report_sending(&mut self, now: Time, index: u32) {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let Some(leg) = leg else { return };
        let Some(room) = self.rooms.get(leg.room as usize).and_then(Option::as_ref) else { return };
        let mut next = Time::MAX;
        let mut due = leg.egress.iter_mut().filter_map(|receiving| {
            if receiving.next_report > now {
                next = next.min(receiving.next_report);
                return None;
            }
            let report = room.router.report(now, index, receiving.egress.ssrc);
            receiving.next_report = (now + interval(receiving, report.is_some())).on_beat();
            next = next.min(receiving.next_report);
            let report = report?;
            let info = SenderInfo {
                ntp: report.ntp,
                rtp_time: report.rtp_time,
                packets: report.packets,
                octets: report.octets,
            };
            receiving.reported(now, info.ntp);
            Some((receiving.egress.ssrc, receiving.egress.source, info))
        });
        loop {
            let mut count = 0;
            self.exit.control(index, |out| {
                let mut writer = Writer::new(out);
                for (ssrc, source, info) in due.by_ref().take(REPORTS) {
                    writer.sender_report(ssrc, &info, &[])?;
                    write_name(&mut writer, ssrc, source)?;
                    count += 1;
                }
                (count > 0).then_some(writer.len())
            });
            if count < REPORTS {
                break;
            }
        }
        drop(due);
        self.schedule(index, next);
    }

    fn report_quality(&mut self, now: Time, index: u32) {
        let interval = self.config.timeouts.quality;
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let (Some(leg), Some(out)) = (leg, self.exit.outs.get(index as usize)) else { return };
        if leg.next_quality <= now {
            leg.next_quality = (now + interval).on_beat();
            let span = now.since(leg.quality.since);
            if span >= interval / 2 {
                let quality = quality(now, leg, out, span);
                (self.on_event)(Event::Quality { leg: leg.id, quality });
            }
        }
        let next = leg.next_quality;
        self.schedule(index, next);
    }
}

const EMPTY_BLOCK: ReportBlock = ReportBlock {
    source: Ssrc(0),
    fraction_lost: 0,
    total_lost: 0,
    highest_sequence: 0,
    jitter: 0,
    last_report: 0,
    delay: 0,
};

fn on_wire(block: &Block) -> ReportBlock {
    ReportBlock {
        source: block.ssrc,
        fraction_lost: block.fraction_lost,
        total_lost: block.cumulative_lost,
        highest_sequence: block.highest_sequence,
        jitter: block.jitter,
        last_report: block.last_sender_report,
        delay: block.delay,
    }
}

fn interval(receiving: &Receiving, known: bool) -> Duration {
    match (known, receiving.egress.kind) {
        (false, _) => REPORT_RETRY,
        (true, MediaKind::Video) => VIDEO_REPORT,
        (true, MediaKind::Audio) => AUDIO_REPORT,
    }
}

/// The publisher's leg is the canonical name: what one leg publishes is played together (RFC 3550 §6.5.1).
fn write_name(writer: &mut Writer<'_>, ssrc: Ssrc, source: LegId) -> Option<()> {
    let mut name = Name { bytes: [0; 16], len: 0 };
    write!(name, "{source}").ok()?;
    writer.cname(ssrc, core::str::from_utf8(name.bytes.get(..name.len)?).ok()?)
}

/// A short text without allocation: an id prints as 14 characters.
struct Name {
    bytes: [u8; 16],
    len: usize,
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let place = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(core::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// The figures since the last time, and the beginning of the next interval.
fn quality(now: Time, leg: &mut Leg, out: &Out, span: Duration) -> LegQuality {
    let receptions = || leg.streams.iter().filter_map(|stream| stream.reception.as_ref());
    let totals = receptions().map(Reception::totals);
    let (expected, received) = totals.fold((0u64, 0u64), |(e, r), (expected, received)| {
        (e.saturating_add(expected), r.saturating_add(received))
    });
    let jitter = receptions().map(Reception::jitter).max().unwrap_or_default();
    let tally = &leg.quality;
    let expected_now = expected.saturating_sub(tally.expected_before);
    let received_now = received.saturating_sub(tally.received_before);
    let lost = expected_now.saturating_sub(received_now);
    let uplink = lost.saturating_mul(1000).checked_div(expected_now).unwrap_or(0);
    let told = leg.egress.iter().map(|receiving| u64::from(receiving.fraction_lost));
    let downlink = told.max().unwrap_or(0) * 1000 / 256;
    let rate = |bytes: u64| {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
        (u128::from(bytes) * 8_000_000 / u128::from(micros)) as u64
    };
    let millis = |span: Duration| u16::try_from(span.as_millis()).unwrap_or(u16::MAX);
    let quality = LegQuality {
        uplink_loss: uplink.min(1000) as u16,
        downlink_loss: downlink.min(1000) as u16,
        rtt_ms: leg.round_trip.map_or(0, millis),
        jitter_ms: millis(jitter),
        uplink_bps: rate(tally.bytes_in),
        downlink_bps: rate(out.bytes.saturating_sub(tally.bytes_out_before)),
        estimate_bps: out.guide.as_ref().and_then(|guide| guide.estimate(now)),
        wanted_bps: out.guide.as_ref().map_or(0, |guide| guide.wanted()),
    };
    leg.quality = Tally {
        since: now,
        bytes_in: 0,
        bytes_out_before: out.bytes,
        expected_before: expected,
        received_before: received,
    };
    quality
}
