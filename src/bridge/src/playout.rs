//! Plays one stream: takes packets out of the jitter buffer when they are due, decodes them, makes up
//! for what is missing and stretches time, so that any number of samples can be pulled at any
//! time.
//!
//! How far the stream was played is a place on the jitter buffer's timeline. While packets come it
//! moves with real time and stretching steers it to where it should be. When nothing is there it
//! waits for a short while, since packets may just be late, and then goes on with time.

use offhook_types::counters::Counters;
use offhook_types::{Rng, Time};
use offhook_wire::rtp::Header;

use super::codec::{Decoder, MAX_SPAN};
use super::conceal::Concealer;
use super::count::Count;
use super::jitter::{Arrival, Clock, Jitter, Kind, Put};
use super::noise::Noise;
use super::stretch::{self, Change};

/// What was pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The stream has not begun, or has long ended: zeros.
    Nothing,
    /// Between talk: comfort noise or silence.
    Pause,
    /// Sound, or what replaces it.
    Sound,
}

/// Figures of streams, in samples or milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) concealed: u64,
    pub(super) played: u64,
    /// Packets.
    pub(super) late: u64,
    pub(super) shortened: u64,
    pub(super) lengthened: u64,
}

impl Tally {
    pub(super) fn plus(&self, more: &Self) -> Self {
        Self {
            concealed: self.concealed + more.concealed,
            played: self.played + more.played,
            late: self.late + more.late,
            shortened: self.shortened + more.shortened,
            lengthened: self.lengthened + more.lengthened,
        }
    }
}

pub(super) struct Playout {
    clock: Clock,
    jitter: Jitter,
    decoder: Decoder,
    concealer: Concealer,
    noise: Noise,
    /// Decoded and not yet pulled.
    ready: Vec<i16>,
    state: State,
    /// Where the next packet to decode is expected.
    decoded: i64,
    next_sequence: u64,
    /// Made-up samples that stand for no place on the timeline: played while waiting.
    debt: i64,
    /// Pulls until the next stretch.
    rest: u8,
    /// The usual packet.
    span: i64,
    tally: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing to play.
    Idle,
    /// In sound.
    Talk,
    /// Between sound, as told by the sender or because nothing came for long. How many samples.
    Pause(i64),
}

impl Playout {
    pub(super) fn new(clock: Clock, decoder: Decoder, rng: Rng) -> Self {
        Self {
            clock,
            jitter: Jitter::new(clock),
            decoder,
            concealer: Concealer::new(clock.rate),
            noise: Noise::new(rng),
            ready: Vec::with_capacity(2 * MAX_SPAN),
            state: State::Idle,
            decoded: i64::MIN,
            next_sequence: 0,
            debt: 0,
            rest: 0,
            span: clock.millis(20),
            tally: Tally::default(),
        }
    }

    /// A packet of sound or noise came.
    pub(super) fn put(
        &mut self,
        now: Time,
        (header, kind, payload): (Header, Kind, &[u8]),
        counters: &mut Counters<Count>,
    ) -> bool {
        let span = match kind {
            Kind::Sound => match self.decoder.span(payload) {
                Some(span) => span,
                None => {
                    counters.add(Count::Undecodable);
                    return false;
                }
            },
            Kind::Noise | Kind::Event => 0,
        };
        let put = self.jitter.put(now, &Arrival { header, kind, span, payload });
        match put {
            Put::Kept => return true,
            Put::Late => {
                self.tally.late += 1;
                counters.add(Count::Late);
            }
            Put::Duplicate => counters.add(Count::Duplicate),
            Put::Overflow => counters.add(Count::Overflow),
            Put::Probing => counters.add(Count::Probing),
        }
        false
    }

    /// The next samples, as many as `out` holds.
    pub(super) fn pull(&mut self, now: Time, out: &mut [i16]) -> Heard {
        let wanted = out.len();
        if self.state == State::Idle && !self.begin(now, wanted) {
            out.fill(0);
            return Heard::Nothing;
        }
        self.steer(now, wanted);
        while self.ready.len() < wanted {
            let had = self.ready.len();
            self.refill(now);
            if self.ready.len() == had {
                // A packet that does not decode yields nothing; each turn consumes one, and an
                // empty buffer always yields.
                continue;
            }
        }
        out.copy_from_slice(&self.ready[..wanted]);
        self.ready.drain(..wanted);
        self.jitter.set_played(self.place());
        self.tally.played += wanted as u64;
        match self.state {
            State::Talk => Heard::Sound,
            State::Pause(_) => Heard::Pause,
            State::Idle => Heard::Nothing,
        }
    }

    /// Figures with samples as milliseconds.
    pub(super) fn millis(&self) -> Tally {
        let millis = |samples: u64| samples * 1000 / u64::from(self.clock.rate.max(1));
        Tally {
            concealed: millis(self.tally.concealed),
            played: millis(self.tally.played),
            shortened: millis(self.tally.shortened),
            lengthened: millis(self.tally.lengthened),
            ..self.tally
        }
    }

    /// Samples per second.
    pub(super) fn rate(&self) -> u32 {
        self.clock.rate
    }

    /// The delay in the buffer that is aimed at.
    pub(super) fn target_ms(&self) -> u32 {
        self.jitter.target_ms()
    }

    /// The place on the timeline of the first sample that is ready.
    fn place(&self) -> i64 {
        self.decoded.saturating_sub(self.ready.len() as i64)
    }

    /// Starts when the first packet is due within what is wanted now; zeros lead up to it.
    fn begin(&mut self, now: Time, wanted: usize) -> bool {
        let due = self.jitter.due(now);
        let Some(head) = self.jitter.head() else { return false };
        let lead = head.at.saturating_sub(due);
        if lead >= wanted as i64 {
            return false;
        }
        self.decoded = self.decoded.max(head.at);
        self.next_sequence = head.sequence;
        self.debt = 0;
        self.ready.resize(usize::try_from(lead).unwrap_or(0), 0);
        self.state = State::Talk;
        true
    }

    /// Brings the place played toward the place due: a little by stretching, a lot by a jump.
    fn steer(&mut self, now: Time, wanted: usize) {
        self.rest = self.rest.saturating_sub(1);
        let behind = self.jitter.due(now).saturating_sub(self.place());
        if behind > self.clock.millis(JUMP_MS) {
            self.jump(now);
            return;
        }
        let early = behind < -self.clock.millis(EARLY_MS);
        let late = behind > self.clock.millis(LATE_MS);
        if self.state != State::Talk || self.rest > 0 || self.debt > 0 || !(early || late) {
            return;
        }
        let needed = stretch::needed(self.clock.rate).max(wanted);
        while self.ready.len() < needed && self.is_next_here() {
            self.refill(now);
        }
        let change = if late {
            stretch::shorten(&mut self.ready, self.clock.rate)
        } else {
            stretch::lengthen(&mut self.ready, self.clock.rate)
        };
        match change {
            Some(Change::Shortened(by)) => self.tally.shortened += by as u64,
            Some(Change::Lengthened(by)) => self.tally.lengthened += by as u64,
            None => return,
        }
        let far = behind.abs() > self.clock.millis(FAR_MS);
        self.rest = if far { 1 } else { REST_PULLS };
    }

    /// Far too much is waiting: forgets what should have been played.
    fn jump(&mut self, now: Time) {
        self.ready.clear();
        self.debt = 0;
        self.decoded = self.decoded.max(self.jitter.due(now));
    }

    fn is_next_here(&self) -> bool {
        self.jitter.head().is_some_and(|head| head.at <= self.decoded && head.kind == Kind::Sound)
    }

    /// Adds something to what is ready, or takes a useless packet away.
    fn refill(&mut self, now: Time) {
        let Some(head) = self.jitter.head() else { return self.wait() };
        let (at, span, sequence, kind) = (head.at, head.span, head.sequence, head.kind);
        if kind == Kind::Sound && at + span <= self.decoded {
            self.tally.late += 1;
            self.skip();
            return;
        }
        let gap = at - self.decoded;
        if gap <= 0 || gap <= self.debt {
            // What was waited longer is delay from now on.
            self.debt = 0;
            return self.take();
        }
        if self.debt > 0 {
            self.decoded += self.debt;
            self.debt = 0;
            return;
        }
        let missing = sequence.saturating_sub(self.next_sequence);
        match self.state {
            State::Talk if missing > 0 && gap <= self.clock.millis(LOSS_MS) => self.conceal(gap),
            _ => self.pause(now, gap),
        }
    }

    /// Decodes the head of the buffer, which is due.
    fn take(&mut self) {
        let Some(slot) = self.jitter.pop() else { return };
        self.next_sequence = slot.sequence + 1;
        match slot.kind {
            Kind::Sound => {
                let start = self.ready.len();
                // An overlap happens when the sender's timestamps or ours were bent.
                let overlap = usize::try_from(self.decoded - slot.at).unwrap_or(0);
                if self.decoder.decode(&slot.payload, &mut self.ready).is_some() {
                    let overlap = overlap.min(self.ready.len() - start);
                    self.ready.drain(start..start + overlap);
                    if self.decoder.as_opus().is_none() {
                        self.concealer.heard(&mut self.ready[start..]);
                    }
                    self.decoded = slot.at + slot.span;
                    self.span = slot.span;
                    self.state = State::Talk;
                }
            }
            Kind::Noise => {
                self.noise.describe(&slot.payload);
                self.decoded = self.decoded.max(slot.at);
                self.state = State::Pause(0);
            }
            Kind::Event => {
                self.noise.describe(&[super::noise::SILENCE]);
                self.decoded = self.decoded.max(slot.at);
                self.state = State::Pause(0);
            }
        }
        self.jitter.recycle(slot);
    }

    fn skip(&mut self) {
        if let Some(slot) = self.jitter.pop() {
            self.next_sequence = self.next_sequence.max(slot.sequence + 1);
            self.jitter.recycle(slot);
        }
    }

    /// Fills a gap, whose end is known, at most a packet of it.
    fn conceal(&mut self, gap: i64) {
        let span = gap.min(self.span).max(1);
        self.decoded += span;
        self.make_up(span, span == gap);
    }

    /// Appends sound instead of what is missing; the packet after a gap may have a copy of the last
    /// one lost.
    fn make_up(&mut self, span: i64, last: bool) {
        let samples = usize::try_from(span).unwrap_or(0);
        let start = self.ready.len();
        let made = match (self.decoder.as_opus(), self.jitter.head()) {
            (Some(opus), Some(head)) if last => {
                opus.recover(&head.payload, samples, &mut self.ready)
            }
            (Some(opus), _) => opus.conceal(samples, &mut self.ready),
            (None, _) => None,
        };
        if made.is_none() {
            self.concealer.fill(samples, &mut self.ready);
            self.decoder.concealed(self.ready.get(start..).unwrap_or_default());
        }
        self.tally.concealed += span as u64;
    }

    /// Nothing is there. Late or lost? Goes on for a while without moving, then with time.
    fn wait(&mut self) {
        let chunk = self.clock.millis(CHUNK_MS);
        match &mut self.state {
            State::Talk if self.debt < self.clock.millis(PATIENCE_MS) => {
                self.debt += chunk;
                self.make_up(chunk, false);
            }
            State::Talk => {
                self.decoded += self.debt;
                self.debt = 0;
                self.noise.be_white(super::noise::SILENCE);
                self.state = State::Pause(0);
            }
            State::Pause(_) | State::Idle => self.rest_on(chunk),
        }
    }

    /// In a pause whose end is known: stays or hurries so that it ends when the next sound is due.
    fn pause(&mut self, now: Time, gap: i64) {
        if self.state == State::Talk {
            // The sender stopped without a word (RFC 7587 §3.1.3 DTX of Opus has its own noise).
            self.noise.be_white(super::noise::SILENCE);
            self.state = State::Pause(0);
        }
        let behind = self.jitter.due(now) - self.place();
        self.decoded += behind.clamp(0, gap);
        let left = gap - behind.clamp(0, gap);
        let chunk = self.clock.millis(CHUNK_MS);
        if behind < -chunk {
            // Early: make noise that takes no time on the timeline.
            self.noise.fill(usize::try_from(chunk).unwrap_or(0), &mut self.ready);
            return;
        }
        self.rest_on(chunk.min(left));
    }

    fn rest_on(&mut self, samples: i64) {
        let count = usize::try_from(samples).unwrap_or(0);
        let made = match self.decoder.as_opus() {
            Some(opus) if samples == self.clock.millis(CHUNK_MS) => {
                opus.conceal(count, &mut self.ready)
            }
            _ => None,
        };
        if made.is_none() {
            self.noise.fill(count, &mut self.ready);
        }
        self.decoded = self.decoded.saturating_add(samples);
        if let State::Pause(so_far) = &mut self.state {
            *so_far += samples;
            if *so_far > self.clock.millis(IDLE_MS) && self.jitter.head().is_none() {
                self.state = State::Idle;
            }
        }
    }
}

/// Made-up sound comes in pieces of this.
const CHUNK_MS: i64 = 10;
/// How long a late packet is waited for; concealment has faded out by then.
const PATIENCE_MS: i64 = 80;
/// A gap longer than this was a pause, whatever the sequence numbers say.
const LOSS_MS: i64 = 200;
/// A stream that paused this long starts anew with its next packet.
const IDLE_MS: i64 = 10_000;
/// How far the place played may be from the one due. There are 5 ms to spare before a packet is
/// missed, and no more than the longest period is put in at once.
const EARLY_MS: i64 = 3;
const LATE_MS: i64 = 15;
/// From here on it is stretched at each pull.
const FAR_MS: i64 = 60;
const REST_PULLS: u8 = 4;
/// Beyond this stretching would take too long.
const JUMP_MS: i64 = 500;

#[cfg(test)]
mod tests;
