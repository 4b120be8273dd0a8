//! The machine of one bridge.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use offhook_types::counters::Counters;
use offhook_types::{Rng, Time};

use super::carrier::CarrierSide;
use super::count::Count;
use super::outbox::Outbox;
use super::playout::Heard;
use super::quality;
use super::reports::Reports;
use super::room::RoomSide;
use super::tone::{Announcements, Player};
use super::words::{Event, Figures, Options, Order, PhoneCodec, Play, Report, Side, Sound, Tone};

/// Which socket something leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// The carrier's RTP (and RTCP, when muxed).
    CarrierRtp,
    /// The carrier's RTCP.
    CarrierRtcp,
    /// Everything of the relay leg.
    Relay,
}

/// What a bridge wants done.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send a datagram.
    Send {
        /// By which socket.
        port: Port,
        /// To where.
        to: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// Tell the gateway.
    Event(Event),
}

/// The bridge of one phone leg. Sans-IO: it is handed what came and what time it is, and says what
/// to send.
pub struct Bridge {
    options: Options,
    announcements: Arc<Announcements>,
    carrier: CarrierSide,
    room: RoomSide,
    held: bool,
    /// What is played to each side.
    to_carrier: Option<Player>,
    to_room: Option<Player>,
    /// What is played to the room stands for the sound of the phone that rings.
    rings: bool,
    /// Sound for the room has begun, so it goes on, if with silence.
    talks: bool,
    carrier_watch: Watch,
    room_watch: Watch,
    next: Time,
    next_evidence: Time,
    frame: Vec<i16>,
    outbox: Outbox,
    counters: Counters<Count>,
    closed: bool,
}

/// When a side last showed life.
#[derive(Debug)]
struct Watch {
    side: Side,
    since: Time,
    told: bool,
}

impl Bridge {
    /// A bridge that ticks from `start` on.
    pub fn new(
        start: Time,
        options: Options,
        recordings: Arc<Announcements>,
        mut rng: Rng,
    ) -> Self {
        let mut seed = || Rng::from_seed(rng.next_u64());
        Self {
            options,
            announcements: recordings,
            carrier: CarrierSide::new(seed()),
            room: RoomSide::new(seed(), options.dtx),
            held: false,
            to_carrier: None,
            to_room: None,
            rings: false,
            talks: false,
            carrier_watch: Watch { side: Side::Carrier, since: start, told: false },
            room_watch: Watch { side: Side::Room, since: start, told: false },
            next: start,
            next_evidence: start + options.evidence_interval,
            frame: Vec::new(),
            outbox: Outbox::default(),
            counters: Counters::default(),
            closed: false,
        }
    }

    /// Takes an order.
    pub fn handle(&mut self, now: Time, order: Order) {
        match order {
            Order::SetCarrier(carrier) => {
                if !self.carrier.set(*carrier) {
                    tracing::warn!("the carrier's SRTP keys do not fit their suite");
                }
                self.carrier_watch.life(now);
            }
            Order::Connect(relay) => {
                if !self.room.connect(*relay) {
                    tracing::warn!("the relay's SRTP keys do not fit their profile");
                }
                self.room_watch.life(now);
            }
            Order::Hear(streams) => {
                self.room.hear(streams);
                self.room_watch.life(now);
            }
            Order::Press(digits) => self.carrier.press(&digits),
            Order::Hold(held) => self.held = held,
            Order::Play(play) => self.play(&play),
            Order::StopPlay(Side::Carrier) => self.to_carrier = None,
            Order::StopPlay(Side::Room) => self.to_room = None,
            Order::Close => self.close(now),
        }
    }

    fn play(&mut self, play: &Play) {
        let player = Some(Player::new(play, &self.announcements));
        match play.to {
            Side::Carrier => self.to_carrier = player,
            Side::Room => {
                self.rings = play.sound == Sound::Tone(Tone::Ringback);
                // The carrier's own ringing tone is heard already.
                let heard = self.rings && self.carrier.last_sound.is_some();
                self.to_room = player.filter(|_| !heard);
            }
        }
    }

    fn close(&mut self, now: Time) {
        if core::mem::replace(&mut self.closed, true) {
            return;
        }
        self.carrier.report(now, true, &mut self.outbox);
        self.room.report(now, true, &mut self.outbox);
        let report = Box::new(self.report(now));
        self.outbox.event(Event::Closed(report));
    }

    /// Takes a datagram from the carrier's RTP port.
    pub fn handle_carrier(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let silent = self.carrier.last_sound.is_none();
        let (outbox, counters) = (&mut self.outbox, &mut self.counters);
        if self.carrier.handle_rtp(now, (from, bytes), outbox, counters) {
            self.carrier_watch.life(now);
        }
        if silent && self.carrier.last_sound.is_some() && self.rings {
            self.to_room = None;
            self.rings = false;
        }
    }

    /// Takes a datagram from the carrier's RTCP port.
    pub fn handle_carrier_rtcp(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        if self.carrier.handle_rtcp(now, (from, bytes), &mut self.counters) {
            self.carrier_watch.life(now);
        }
    }

    /// Takes a datagram from the relay's port. Where it came from does not matter: it authenticates.
    pub fn handle_relay(&mut self, now: Time, _from: SocketAddr, bytes: &[u8]) {
        let rate = self.carrier.send_rate();
        if self.room.handle(now, (bytes, rate), &mut self.outbox, &mut self.counters) {
            self.room_watch.life(now);
        }
    }

    /// When [`Bridge::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Time {
        if self.closed { Time::MAX } else { self.next }
    }

    /// The time has come: mixes, encodes, sends.
    pub fn handle_timeout(&mut self, now: Time) {
        // After a standstill there is no use in sending what was missed.
        if now.since(self.next) > STANDSTILL {
            self.next = now;
        }
        while self.next_timeout() <= now {
            let millis = self.carrier.turn_ms();
            // The time that it should be, so that a late turn is not heard.
            let at = self.next;
            self.next = at + Duration::from_millis(millis.into());
            self.phone_to_room(at, millis);
            self.room_to_phone(at, millis);
            self.look_after(at);
        }
    }

    fn phone_to_room(&mut self, at: Time, millis: u32) {
        let rate = self.carrier.receive_rate();
        self.frame.resize((rate * millis / 1000) as usize, 0);
        let heard = self.carrier.pull(at, &mut self.frame, &mut self.outbox);
        self.talks |= heard != Heard::Nothing;
        if self.held {
            self.frame.fill(0);
        }
        let playing = self.to_room.is_some();
        if let Some(player) = &mut self.to_room
            && !player.add_to(&mut self.frame, rate)
        {
            self.to_room = None;
            self.outbox.event(Event::Played { to: Side::Room });
        }
        if playing || (self.talks && !self.held) {
            let (outbox, counters) = (&mut self.outbox, &mut self.counters);
            self.room.send(at, (&self.frame, rate), outbox, counters);
        } else {
            self.room.rest(millis);
        }
    }

    fn room_to_phone(&mut self, at: Time, millis: u32) {
        let rate = self.carrier.send_rate();
        self.frame.resize((rate * millis / 1000) as usize, 0);
        self.room.mix(at, &mut self.frame, rate);
        if self.held {
            self.frame.fill(0);
        }
        if let Some(player) = &mut self.to_carrier
            && !player.add_to(&mut self.frame, rate)
        {
            self.to_carrier = None;
            self.outbox.event(Event::Played { to: Side::Carrier });
        }
        self.carrier.send(at, &mut self.frame, &mut self.outbox, &mut self.counters);
    }

    /// Reports, silence, evidence.
    fn look_after(&mut self, at: Time) {
        if self.carrier.reports.is_due(at) {
            self.carrier.report(at, false, &mut self.outbox);
        }
        if self.room.reports.is_due(at) {
            self.room.report(at, false, &mut self.outbox);
        }
        let timeout = self.options.media_timeout;
        let carrier = self.carrier.receives() && !self.held;
        for (watch, expected) in
            [(&mut self.carrier_watch, carrier), (&mut self.room_watch, self.room.expects())]
        {
            if watch.is_lost(at, expected, timeout) {
                self.outbox.event(Event::MediaLost { from: watch.side });
            }
        }
        if at >= self.next_evidence {
            self.next_evidence = at + self.options.evidence_interval;
            let report = Box::new(self.report(at));
            self.outbox.event(Event::Evidence(report));
        }
    }

    /// Hands out everything that the bridge wants done by now, in order.
    pub fn poll(&mut self, each: impl FnMut(Output<'_>)) {
        self.outbox.drain(each);
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters<Count> {
        &self.counters
    }

    /// Figures so far.
    pub fn report(&self, now: Time) -> Report {
        let (carrier, room) = (&self.carrier, &self.room);
        let received_codec = carrier.received_codec();
        let codec = received_codec.unwrap_or(PhoneCodec::Pcmu);
        let mut from_carrier = figures(now, &carrier.reports, carrier.last_sound);
        let tally = carrier.tally();
        (from_carrier.late, from_carrier.concealed_ms) = (tally.late, tally.concealed);
        (from_carrier.played_ms, from_carrier.buffered_ms) = (tally.played, carrier.target_ms());
        from_carrier.mos = score(&from_carrier, codec, room.reports.round_trip_us());
        let mut from_room = figures(now, &room.reports, room.last_sound);
        let tally = room.tally();
        (from_room.late, from_room.concealed_ms) = (tally.late, tally.concealed);
        (from_room.played_ms, from_room.buffered_ms) = (tally.played, room.target_ms());
        from_room.mos = score(&from_room, PhoneCodec::Opus, carrier.reports.round_trip_us());
        from_carrier.sent_mos = onward(&from_carrier, carrier.sent_codec(), from_room.mos);
        from_room.sent_mos = onward(&from_room, Some(PhoneCodec::Opus), from_carrier.mos);
        Report { from_carrier, from_room, sent_codec: carrier.sent_codec(), received_codec }
    }
}

fn figures(now: Time, reports: &Reports, last_sound: Option<Time>) -> Figures {
    let (expected, received) = reports.totals();
    let (sent, sent_lost) = reports.sent_and_lost();
    Figures {
        received,
        lost: expected.saturating_sub(received),
        jitter_us: u32::try_from(reports.jitter().as_micros()).unwrap_or(u32::MAX),
        round_trip_us: reports.round_trip_us(),
        sent,
        sent_lost,
        sent_jitter_us: reports.sent_jitter_us(),
        silent_for: last_sound.map(|last| now.since(last)),
        ..Figures::default()
    }
}

/// Half of both round trips, the buffer and a packet lie between mouth and ear.
fn score(figures: &Figures, codec: PhoneCodec, onward_us: u32) -> u16 {
    if figures.received == 0 {
        return 0;
    }
    let expected = figures.received + figures.lost;
    let missing = (figures.lost + figures.late) * 10_000 / expected;
    let delay_ms = (figures.round_trip_us / 2000).saturating_add(onward_us / 2000);
    let delay_ms = delay_ms.saturating_add(figures.buffered_ms).saturating_add(20);
    quality::mos(quality::Heard { codec, delay_ms, missing: missing.min(10_000) as u32 })
}

/// What a side hears: by its reports of the way from us, and no better than what came to us.
fn onward(figures: &Figures, codec: Option<PhoneCodec>, came: u16) -> u16 {
    let (Some(_), Some(codec)) = (figures.sent_jitter_us, codec) else { return 0 };
    let received = figures.sent.saturating_sub(figures.sent_lost);
    let way = Figures { received, lost: figures.sent_lost, late: 0, buffered_ms: 0, ..*figures };
    score(&way, codec, 0).min(came)
}

impl Watch {
    fn life(&mut self, now: Time) {
        self.since = now;
        self.told = false;
    }

    /// True once per silence.
    fn is_lost(&mut self, now: Time, expected: bool, timeout: Duration) -> bool {
        if !expected {
            self.life(now);
        }
        let lost = now.since(self.since) >= timeout && !self.told;
        self.told |= lost;
        lost
    }
}

/// Turns that are this late are left out.
const STANDSTILL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
