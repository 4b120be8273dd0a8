//! A participant's own half: what it publishes, and what it does about what it receives, which is what the load tool's
//! callers do and a browser does short of decoding.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use offhook_link::Link;
use offhook_rtc::twcc::Recorder;
use offhook_rtc::{reports, rtx};
use offhook_scenario::figures::{StreamFigures, Told};
use offhook_scenario::histogram::Histogram;
use offhook_scenario::receive::Incoming;
use offhook_scenario::source::Feed;
use offhook_scenario::{Group, Track};
use offhook_types::media::Extension;
use offhook_types::{MediaKind, Rng, Ssrc, Time, TrackId};
use offhook_wire::rtcp::{self, ReportBlock};
use offhook_wire::rtp;

use super::packet::{
    Datagram, GRAIN, codec, control, extensions, is_repeated, payload_type, repeats,
};

/// One participant's own half.
pub(super) struct Guest {
    /// What it publishes.
    pub tracks: Vec<Publishing>,
    streams: BTreeMap<u32, Incoming>,
    told: BTreeMap<u32, Told>,
    recorder: Option<Recorder>,
    /// From sender to here since the last look.
    pub delays: Histogram,
    joined: Time,
    round_trip: Duration,
    look_at: Time,
    report_at: Time,
}

/// A published track.
pub(super) struct Publishing {
    /// Which.
    pub id: TrackId,
    /// What it gives.
    pub feed: Feed,
    /// Its layers, the smallest first.
    pub layers: Vec<Stream>,
}

/// One layer of it.
pub(super) struct Stream {
    /// Its number.
    pub ssrc: Ssrc,
    sequence: u64,
    /// What may be asked for again.
    sent: VecDeque<(u16, Datagram)>,
}

/// Who it says it is in control packets; nobody looks at it.
const OWN: Ssrc = Ssrc(1);
/// Packets that can be sent again: half a second of 6 Mbit/s.
const HISTORY: usize = 320;
/// Between two looks at streams that are stuck.
const LOOK: Duration = Duration::from_millis(500);
/// Between two receiver reports.
const REPORT: Duration = Duration::from_secs(1);
/// Blocks of one report (RFC 3550 §6.4.1).
const BLOCKS: usize = 31;
/// Longest header with extensions.
const HEADER: usize = 64;

impl Guest {
    /// Joins now. Its connectivity checks take `round_trip`.
    pub(super) fn new(now: Time, group: &Group, round_trip: Duration) -> Self {
        Self {
            tracks: Vec::new(),
            streams: BTreeMap::new(),
            told: BTreeMap::new(),
            recorder: group.feedback.then(|| Recorder::new(OWN)),
            delays: Histogram::default(),
            joined: now,
            round_trip,
            look_at: Time::MAX,
            report_at: now + REPORT,
        }
    }

    /// A datagram of the server's.
    pub(super) fn take(&mut self, now: Time, datagram: &Datagram, up: &mut Link<Datagram>) {
        match datagram {
            Datagram::Media(bytes) => self.media(now, bytes),
            Datagram::Control(bytes) => self.asked(now, bytes, up),
        }
    }

    /// Send what is due. How many packets of sound and of pictures it published.
    pub(super) fn poll(&mut self, now: Time, up: &mut Link<Datagram>) -> [u64; 2] {
        let mut published = [0; 2];
        for track in &mut self.tracks {
            let kind = usize::from(track.feed.track.media() == MediaKind::Video);
            published[kind] += track.poll(now, up);
        }
        if self.look_at <= now {
            self.ask(now, up);
        }
        let mut out = [0; 1200];
        while let Some(len) =
            self.recorder.as_mut().and_then(|recorder| recorder.poll(now, &mut out))
        {
            Datagram::Control(out[..len].into()).send(now, up);
        }
        if self.report_at <= now {
            self.report_at = now + REPORT;
            self.report(now, up);
        }
        published
    }

    /// When to call [`Guest::poll`].
    pub(super) fn next_timeout(&self) -> Time {
        let due = self.tracks.iter().map(|track| track.feed.due()).min().unwrap_or(Time::MAX);
        let feedback = self.recorder.as_ref().and_then(Recorder::next_timeout).unwrap_or(Time::MAX);
        due.min(feedback).min(self.look_at).min(self.report_at)
    }

    /// What every stream did since the last look.
    pub(super) fn sample(&mut self, now: Time) -> Vec<StreamFigures> {
        let mut figures = Vec::new();
        for (ssrc, stream) in &self.streams {
            let before = self.told.entry(*ssrc).or_default();
            let first = stream.frames.first().map(|first| first.since(self.joined));
            figures.push(StreamFigures::new(now, stream, before, first));
            *before = Told::of(stream);
        }
        figures
    }

    fn media(&mut self, now: Time, bytes: &[u8]) {
        let Ok(packet) = rtp::Packet::parse(bytes) else { return };
        let header = *packet.header();
        let number = extensions().id(Extension::TransportCc).and_then(|id| packet.extension(id));
        if let (Some(recorder), Some(&[high, low])) = (&mut self.recorder, number) {
            recorder.received(now, u16::from_be_bytes([high, low]), header.ssrc);
        }
        let due = if is_repeated(header.ssrc) {
            let stream = self.streams.get_mut(&repeats(header.ssrc).0);
            let (Some(stream), Some((sequence, payload))) = (stream, rtx::unwrap(packet.payload))
            else {
                return;
            };
            stream.repair(now, sequence, payload, &mut self.delays);
            stream.next_timeout()
        } else {
            let codec = codec(header.payload_type);
            let fresh = || Incoming::new(now, header.ssrc, codec);
            let stream = self.streams.entry(header.ssrc.0).or_insert_with(fresh);
            stream.packet(now, &packet, &mut self.delays);
            stream.next_timeout()
        };
        self.look_at = self.look_at.min(due).min(now + LOOK);
    }

    /// What the server asks of a publisher.
    fn asked(&mut self, now: Time, bytes: &[u8], up: &mut Link<Datagram>) {
        for packet in rtcp::packets(bytes).flatten() {
            match packet {
                rtcp::Packet::Pli { media, .. } => {
                    let track = self.tracks.iter_mut().find(|track| track.stream(media).is_some());
                    track.into_iter().for_each(|track| track.feed.want_key());
                }
                rtcp::Packet::Nack(nack) => {
                    let stream = self.tracks.iter().find_map(|track| track.stream(nack.media));
                    for sequence in nack.sequences() {
                        let sent = stream.and_then(|stream| stream.find(sequence));
                        sent.into_iter().for_each(|sent| sent.clone().send(now, up));
                    }
                }
                rtcp::Packet::Remb(remb) => self.obey(remb.bitrate),
                _ => {}
            }
        }
    }

    /// Send no more than so much in all: what sound leaves is for the picture.
    fn obey(&mut self, bits: u64) {
        let sound: u64 = self.tracks.iter().map(|track| track.feed.track.sound_bits()).sum();
        self.tracks.iter_mut().for_each(|track| track.feed.allow(bits.saturating_sub(sound)));
    }

    /// Ask for what is missing.
    fn ask(&mut self, now: Time, up: &mut Link<Datagram>) {
        let mut next = now + LOOK;
        for stream in self.streams.values_mut() {
            if let Some(wanted) = stream.poll(now, self.round_trip) {
                let media = stream.ssrc;
                control(now, up, |out| {
                    if !wanted.missing.is_empty() {
                        out.nack(OWN, media, wanted.missing.iter().copied())?;
                    }
                    if wanted.key {
                        out.pli(OWN, media)?;
                    }
                    Some(())
                });
            }
            next = next.min(stream.next_timeout().max(now + GRAIN));
        }
        self.look_at = next;
    }

    fn report(&mut self, now: Time, up: &mut Link<Datagram>) {
        let blocks = self.streams.values_mut().filter_map(|stream| stream.block(now));
        let blocks: Vec<ReportBlock> = blocks.map(on_wire).collect();
        for some in blocks.chunks(BLOCKS) {
            control(now, up, |out| out.receiver_report(OWN, some));
        }
    }
}

impl Publishing {
    /// A track whose layers have numbers from `first` on.
    pub(super) fn new(id: TrackId, track: Arc<Track>, first: u32, rng: &mut Rng) -> Self {
        let layers = (first..).take(track.layers.len()).map(|number| Stream {
            ssrc: Ssrc(number),
            sequence: u64::from(rng.below(1 << 15)),
            sent: VecDeque::new(),
        });
        let layers = layers.collect();
        Self { id, feed: Feed::new(track, rng), layers }
    }

    fn stream(&self, ssrc: Ssrc) -> Option<&Stream> {
        self.layers.iter().find(|layer| layer.ssrc == ssrc)
    }

    fn poll(&mut self, now: Time, up: &mut Link<Datagram>) -> u64 {
        let Self { feed, layers, .. } = self;
        let payload_type = payload_type(feed.track.codec);
        let level_id = extensions().id(Extension::AudioLevel).unwrap_or_default();
        let mut many = 0;
        feed.poll(now, &mut |piece| {
            let stream = &mut layers[piece.layer];
            stream.sequence += 1;
            let header = rtp::Header {
                marker: piece.marker,
                payload_type,
                sequence: stream.sequence as u16,
                timestamp: piece.timestamp,
                ssrc: stream.ssrc,
            };
            let level = piece.level.map(|level| [level]);
            let mut bytes = vec![0; HEADER];
            let values = level.iter().map(|level| (level_id, &level[..]));
            let Some(start) = rtp::write_header(&mut bytes, &header, values) else { return };
            bytes.truncate(start);
            bytes.extend_from_slice(piece.payload);
            let datagram = Datagram::Media(bytes.into());
            if level.is_none() {
                stream.remember(datagram.clone());
            }
            datagram.send(now, up);
            many += 1;
        });
        many
    }
}

impl Stream {
    fn remember(&mut self, datagram: Datagram) {
        if self.sent.len() >= HISTORY {
            self.sent.pop_front();
        }
        self.sent.push_back((self.sequence as u16, datagram));
    }

    fn find(&self, sequence: u16) -> Option<&Datagram> {
        self.sent.iter().rev().find(|(number, _)| *number == sequence).map(|(_, sent)| sent)
    }
}

fn on_wire(block: reports::Block) -> ReportBlock {
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
