//! One connection of a caller as a machine: what it sends, what it receives, and the RTCP between. Datagrams and
//! time go in, datagrams come out through the transport's outbox, figures through [`Session::sample`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_rtc::twcc::Recorder;
use offhook_scenario::figures::{StreamFigures, Told};
use offhook_scenario::receive::Incoming;
use offhook_types::media::Extension;
use offhook_types::{Mid, PayloadType, Rng, Ssrc, Time};
use offhook_wire::rtcp::{self, ReportBlock, Writer};
use offhook_wire::rtp;

use super::agreed::Agreed;
use super::data::Messages;
use super::sample::Figures;
use super::send::{Outgoing, Sending, Way};
use super::transport::{Opened, State, Transport};

/// Between two reports (RFC 3550 §6.2 at these rates and RFC 4585 §3.4 allow more).
const REPORTS: Duration = Duration::from_secs(1);
/// Blocks of one report (RFC 3550 §6.4.1).
const BLOCKS: usize = 31;
/// Our own source number when we only receive.
const RECEIVER: u32 = 1;
/// When nothing else is known of the round trip.
const RTT: Duration = Duration::from_millis(100);

/// The machine.
pub struct Session {
    transport: Box<dyn Transport>,
    agreed: Option<Agreed>,
    outgoing: Vec<Outgoing>,
    incoming: HashMap<u32, Incoming>,
    messages: Option<Messages>,
    twcc: Option<Recorder>,
    feedback: bool,
    sending: Sending,
    report_due: Time,
    streams_due: Time,
    began: Time,
    up_at: Option<Time>,
    figures: Figures,
    told: HashMap<u32, Told>,
    plain: Vec<u8>,
    rng: Rng,
}

/// How to begin.
pub struct Setup {
    /// What moves its packets.
    pub transport: Box<dyn Transport>,
    /// What it publishes.
    pub outgoing: Vec<Outgoing>,
    /// Data messages to send and to hear.
    pub messages: Option<Messages>,
    /// Tell the server when its packets came.
    pub feedback: bool,
    /// For everything that is drawn.
    pub rng: Rng,
}

impl Session {
    /// One that waits for the server's description, of somebody who knocked at `now`.
    pub fn new(now: Time, setup: Setup) -> Self {
        Self {
            transport: setup.transport,
            agreed: None,
            outgoing: setup.outgoing,
            incoming: HashMap::new(),
            messages: setup.messages,
            twcc: None,
            feedback: setup.feedback,
            sending: Sending::default(),
            report_due: Time::MAX,
            streams_due: Time::MAX,
            began: now,
            up_at: None,
            figures: Figures::default(),
            told: HashMap::new(),
            plain: vec![0; 2048],
            rng: setup.rng,
        }
    }

    /// The server described its side, for the first time or anew.
    pub fn agree(&mut self, now: Time, agreed: Agreed) {
        self.transport.agree(now, &agreed);
        if self.feedback && self.twcc.is_none() {
            self.twcc = Some(Recorder::new(self.own()));
        }
        self.agreed = Some(agreed);
        if self.up_at.is_some() {
            self.start(now);
        }
        self.transport.handle_timeout(now);
        self.after_transport(now);
    }

    /// The server names more addresses.
    pub fn candidates(&mut self, now: Time, candidates: &[SocketAddr]) {
        self.transport.candidates(now, candidates);
    }

    /// The server wants only layers up to this one of a section.
    pub fn limit_layers(&mut self, mid: Mid, wanted: &[bool]) {
        for outgoing in self.outgoing.iter_mut().filter(|outgoing| outgoing.mid == mid) {
            outgoing.feed.limit(wanted);
        }
    }

    /// Takes a datagram.
    pub fn handle(&mut self, now: Time, from: SocketAddr, packet: &[u8]) {
        let mut plain = std::mem::take(&mut self.plain);
        if plain.len() < packet.len() {
            plain.resize(packet.len(), 0);
        }
        match self.transport.handle(now, from, packet, &mut plain) {
            Opened::Rtp(len) => self.media(now, &plain[..len]),
            Opened::Rtcp(len) => self.control(now, &plain[..len]),
            Opened::Nothing => self.after_transport(now),
        }
        self.plain = plain;
    }

    /// Lets time pass: sends what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.transport.handle_timeout(now);
        self.after_transport(now);
        let Some(agreed) = &self.agreed else { return };
        if self.up_at.is_none() {
            return;
        }
        let (transport, sending) = (&mut *self.transport, &mut self.sending);
        let mut way = Way { agreed, transport, sending };
        for outgoing in &mut self.outgoing {
            outgoing.poll(now, &mut way);
        }
        if let Some(messages) = &mut self.messages {
            messages.poll(now, &mut *self.transport);
        }
        self.ask(now);
        self.report_arrivals(now);
        if self.report_due <= now {
            self.report_due = now + REPORTS;
            self.report(now);
        }
    }

    /// When to call [`Session::handle_timeout`].
    pub fn next_timeout(&self) -> Time {
        let mut due = self.transport.next_timeout();
        if self.up_at.is_some() {
            due = due.min(self.report_due).min(self.streams_due);
            due = self.outgoing.iter().map(|outgoing| outgoing.feed.due()).fold(due, Time::min);
            let twcc = self.twcc.as_ref().and_then(Recorder::next_timeout);
            due = twcc.unwrap_or(Time::MAX).min(due);
            due = self.messages.as_ref().map_or(Time::MAX, Messages::due).min(due);
        }
        due
    }

    /// Where the transport is in its life.
    pub fn state(&self) -> State {
        self.transport.state()
    }

    /// Datagrams to send.
    pub fn out(&mut self) -> &mut super::outbox::Outbox {
        self.transport.out()
    }

    /// Say goodbye.
    pub fn close(&mut self, now: Time) {
        self.transport.close(now);
    }

    /// Figures since the last call, and those of the moment.
    pub fn sample(&mut self, now: Time) -> Figures {
        let mut figures = std::mem::take(&mut self.figures);
        figures.sent = std::mem::take(&mut self.sending.volumes);
        figures.rejected = self.transport.take_rejected();
        figures.up_after = self.up_at.map(|at| at.since(self.began));
        figures.rtt = self.transport.rtt();
        figures.messages = self.messages.as_mut().map(Messages::take).unwrap_or_default();
        for (ssrc, incoming) in &self.incoming {
            let before = self.told.entry(*ssrc).or_default();
            let first = incoming.frames.first().map(|first| first.since(self.began));
            figures.streams.push(StreamFigures::new(now, incoming, before, first));
            *before = Told::of(incoming);
        }
        figures
    }

    /// Our own source number: of the first stream that we send.
    fn own(&self) -> Ssrc {
        let first = self.outgoing.iter().flat_map(|outgoing| &outgoing.layers).next();
        first.map_or(Ssrc(RECEIVER), |layer| layer.ssrc)
    }

    fn after_transport(&mut self, now: Time) {
        if self.up_at.is_none() && self.transport.state() == State::Up {
            self.up_at = Some(now);
            self.report_due = now + REPORTS / 10;
            if let Some(messages) = &mut self.messages {
                messages.start(now);
            }
            self.start(now);
        }
        while let Some((kind, payload)) = self.transport.next_message() {
            if let Some(messages) = &mut self.messages {
                messages.heard(now, kind, &payload);
            }
        }
    }

    /// Send every track whose section is agreed.
    fn start(&mut self, now: Time) {
        let Some(agreed) = &self.agreed else { return };
        for outgoing in &mut self.outgoing {
            if outgoing.feed.due() == Time::MAX && agreed.taken.contains(&outgoing.mid) {
                outgoing.feed.start(now, &mut self.rng);
            }
        }
    }

    fn media(&mut self, now: Time, plain: &[u8]) {
        let Some(agreed) = &self.agreed else { return };
        let Ok(packet) = rtp::Packet::parse(plain) else { return };
        let header = packet.header();
        if let (Some(twcc), Some(id)) =
            (&mut self.twcc, agreed.extensions.id(Extension::TransportCc))
            && let Some(&[high, low]) = packet.extension(id)
        {
            twcc.received(now, u16::from_be_bytes([high, low]), header.ssrc);
        }
        self.figures.wire_bytes += plain.len() as u64;
        if let Some(of) = agreed.repeated(header.payload_type) {
            let media = agreed.repairs.get(&header.ssrc).copied();
            let media = media.or_else(|| self.only_stream(of));
            if let (Some(media), Some((sequence, payload))) =
                (media, offhook_rtc::rtx::unwrap(packet.payload))
                && let Some(incoming) = self.incoming.get_mut(&media.0)
            {
                incoming.repair(now, sequence, payload, &mut self.figures.delays);
                self.streams_due = self.streams_due.min(incoming.next_timeout());
            }
            return;
        }
        let Some(codec) = agreed.codec(header.payload_type) else { return };
        let fresh = || Incoming::new(now, header.ssrc, codec);
        let incoming = self.incoming.entry(header.ssrc.0).or_insert_with(fresh);
        incoming.packet(now, &packet, &mut self.figures.delays);
        self.streams_due = self.streams_due.min(incoming.next_timeout());
    }

    /// Where no description names the stream of a retransmission, there is mostly one candidate.
    fn only_stream(&self, of: PayloadType) -> Option<Ssrc> {
        let agreed = self.agreed.as_ref()?;
        let codec = agreed.codec(of)?;
        let mut streams = self.incoming.values().filter(|incoming| incoming.codec == codec);
        let first = streams.next()?;
        streams.next().is_none().then_some(first.ssrc)
    }

    fn control(&mut self, now: Time, plain: &[u8]) {
        let Some(agreed) = &self.agreed else { return };
        for packet in rtcp::packets(plain).flatten() {
            match packet {
                rtcp::Packet::SenderReport(report) => {
                    if let Some(incoming) = self.incoming.get_mut(&report.sender.0) {
                        incoming.sender_report(now, report.info.ntp);
                    }
                }
                rtcp::Packet::Pli { media, .. } => want_key(&mut self.outgoing, media),
                rtcp::Packet::Fir(fir) => {
                    fir.entries().for_each(|(media, _)| want_key(&mut self.outgoing, media));
                }
                rtcp::Packet::Nack(nack) => {
                    let of = self.outgoing.iter_mut().find(|outgoing| outgoing.has(nack.media));
                    if let Some(outgoing) = of {
                        let (transport, sending) = (&mut *self.transport, &mut self.sending);
                        let mut way = Way { agreed, transport, sending };
                        outgoing.repair(nack.media, nack.sequences(), &mut way);
                    }
                }
                rtcp::Packet::Remb(remb) => {
                    self.figures.estimate_bps = Some(remb.bitrate);
                    obey(&mut self.outgoing, remb.bitrate);
                }
                _ => {}
            }
        }
    }

    /// Missing packets and key frames.
    fn ask(&mut self, now: Time) {
        if self.streams_due > now {
            return;
        }
        let own = self.own();
        let rtt = Some(self.transport.rtt()).filter(|rtt| !rtt.is_zero()).unwrap_or(RTT);
        let mut due = now + REPORTS / 2;
        for incoming in self.incoming.values_mut() {
            if let Some(wanted) = incoming.poll(now, rtt) {
                let media = incoming.ssrc;
                self.transport.send_rtcp(&mut |out| {
                    let mut writer = Writer::new(out);
                    if !wanted.missing.is_empty() {
                        writer.nack(own, media, wanted.missing.iter().copied())?;
                    }
                    if wanted.key {
                        writer.pli(own, media)?;
                    }
                    Some(writer.len())
                });
            }
            due = due.min(incoming.next_timeout());
        }
        self.streams_due = due;
    }

    fn report_arrivals(&mut self, now: Time) {
        let Some(twcc) = &mut self.twcc else { return };
        while self.transport.send_rtcp(&mut |out| twcc.poll(now, out)).is_some() {}
    }

    fn report(&mut self, now: Time) {
        let own = self.own();
        let mut blocks: Vec<ReportBlock> = Vec::new();
        for incoming in self.incoming.values_mut() {
            blocks.extend(incoming.block(now).map(|block| ReportBlock {
                source: block.ssrc,
                fraction_lost: block.fraction_lost,
                total_lost: block.cumulative_lost,
                highest_sequence: block.highest_sequence,
                jitter: block.jitter,
                last_report: block.last_sender_report,
                delay: block.delay,
            }));
        }
        let ntp = ntp(now);
        for (ssrc, info) in self.outgoing.iter().flat_map(Outgoing::reports) {
            let info = rtcp::SenderInfo { ntp, ..info };
            self.transport.send_rtcp(&mut |out| {
                let mut writer = Writer::new(out);
                writer.sender_report(ssrc, &info, &[])?;
                writer.cname(ssrc, "load")?;
                Some(writer.len())
            });
        }
        for some in blocks.chunks(BLOCKS) {
            self.transport.send_rtcp(&mut |out| {
                let mut writer = Writer::new(out);
                writer.receiver_report(own, some)?;
                Some(writer.len())
            });
        }
        // Streams that are stuck are looked at twice a second even when no packet is missing.
        self.streams_due = self.streams_due.min(now + REPORTS / 2);
    }
}

/// Send no more than so many bits a second in all: what sound leaves is for the picture.
fn obey(outgoing: &mut [Outgoing], bits: u64) {
    let sound: u64 = outgoing.iter().map(|outgoing| outgoing.feed.track.sound_bits()).sum();
    outgoing.iter_mut().for_each(|outgoing| outgoing.feed.allow(bits.saturating_sub(sound)));
}

fn want_key(outgoing: &mut [Outgoing], media: Ssrc) {
    if let Some(outgoing) = outgoing.iter_mut().find(|outgoing| outgoing.has(media)) {
        outgoing.feed.want_key();
    }
}

/// The process's clock as 32.32 fixed point seconds (RFC 3550 §4); what it counts from does not matter.
fn ntp(now: Time) -> u64 {
    let micros = u128::from(now.as_micros());
    ((micros << 32) / 1_000_000) as u64
}
