//! From packets to pictures: which frames of a video stream are complete, which of them can be decoded, and
//! where the picture froze. Nothing is decoded; stamps say what each frame needs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use offhook_types::Time;

use super::stamp::Stamp;

/// Frames that may wait for their packets or for the frame that they need: two seconds at 60 a second.
const WAITING: usize = 120;
/// Decoded frames that are remembered, for others to refer to.
const REMEMBERED: usize = 64;
/// W3C webrtc-stats, freezeCount: the mean is over the last 30 frames.
const MEAN_OVER: usize = 30;
/// W3C webrtc-stats, freezeCount: the gap is three times the mean, and the mean and this at least.
const FREEZE_ADDS: Duration = Duration::from_millis(150);

/// What was seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Frames of which a packet came.
    pub started: u64,
    /// Frames of which every packet came.
    pub complete: u64,
    /// Frames that can be shown: complete, and so is everything that they need.
    pub rendered: u64,
    /// Key frames among them.
    pub keys: u64,
    /// Gaps between shown frames that a person sees as a freeze.
    pub freezes: u64,
    /// Their length together.
    pub frozen: Duration,
    /// Changes of the simulcast layer.
    pub switches: u64,
}

/// One video stream.
#[derive(Debug, Default)]
pub struct Frames {
    seen: Seen,
    /// By layer and number.
    waiting: BTreeMap<(u8, u32), Waiting>,
    rendered: VecDeque<(u8, u32)>,
    first: Option<Time>,
    last: Option<Time>,
    gaps: VecDeque<Duration>,
    /// Of the last frame that was shown.
    layer: Option<u8>,
    /// Of the last packet.
    heard: Option<u8>,
    heard_at: Time,
    /// The track, and the one before it.
    sources: [Option<u32>; 2],
}

#[derive(Debug)]
struct Waiting {
    needs: u32,
    count: u16,
    /// Packets that came, a bit for each.
    came: Vec<u64>,
    missing: u16,
}

impl Frames {
    /// A packet came.
    pub fn packet(&mut self, now: Time, stamp: &Stamp) {
        if !self.is_of_track(stamp.source) {
            return;
        }
        (self.heard, self.heard_at) = (Some(stamp.layer), now);
        let key = (stamp.layer, stamp.frame);
        if self.rendered.contains(&key) || self.is_past(key) {
            return;
        }
        let seen = &mut self.seen;
        let frame = self.waiting.entry(key).or_insert_with(|| {
            seen.started += 1;
            let words = usize::from(stamp.count).div_ceil(64);
            let (needs, count) = (stamp.needs, stamp.count);
            Waiting { needs, count, came: vec![0; words], missing: count }
        });
        let (word, bit) = (usize::from(stamp.index) / 64, 1u64 << (stamp.index % 64));
        let Some(came) = frame.came.get_mut(word).filter(|_| stamp.index < frame.count) else {
            return;
        };
        if *came & bit != 0 {
            return;
        }
        *came |= bit;
        frame.missing -= 1;
        if frame.missing == 0 {
            self.seen.complete += 1;
            self.render(now);
        }
        while self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
    }

    /// Figures so far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// When the first frame could be shown.
    pub fn first(&self) -> Option<Time> {
        self.first
    }

    /// When the last frame could be shown.
    pub fn last(&self) -> Option<Time> {
        self.last
    }

    /// The layer of the last packet.
    pub fn heard(&self) -> Option<u8> {
        self.heard
    }

    /// The picture stands still for so long that it will count as a freeze, if it ever moves again, and not
    /// because nothing is sent.
    pub fn is_frozen(&self, now: Time) -> bool {
        let gap = self.last.map(|last| now.since(last));
        let long = gap.zip(self.freeze()).is_some_and(|(gap, least)| gap >= least);
        long && now.since(self.heard_at) < FREEZE_ADDS
    }

    /// Another track under the same number begins anew; what is left of the one before is nobody's.
    fn is_of_track(&mut self, source: u32) -> bool {
        let [current, before] = self.sources;
        if current == Some(source) {
            return true;
        }
        if before == Some(source) {
            return false;
        }
        self.sources = [Some(source), current];
        self.waiting.clear();
        self.rendered.clear();
        self.gaps.clear();
        (self.last, self.layer) = (None, None);
        true
    }

    /// From what gap on the picture has frozen; `None` before there is a mean.
    fn freeze(&self) -> Option<Duration> {
        let mean = self.gaps.iter().sum::<Duration>().checked_div(self.gaps.len() as u32)?;
        Some((mean * 3).max(mean + FREEZE_ADDS))
    }

    /// Show every frame that can be shown, in its order.
    fn render(&mut self, now: Time) {
        loop {
            let shown = |layer: u8, number: u32| self.rendered.contains(&(layer, number));
            let ready = self.waiting.iter().find(|((layer, number), frame)| {
                let follows = self.layer == Some(*layer) && shown(*layer, frame.needs);
                frame.missing == 0 && (frame.needs == *number || follows)
            });
            let Some((&(layer, number), frame)) = ready else { return };
            let is_key = frame.needs == number;
            // What came before it, and what another layer left behind, has missed its time.
            self.waiting.retain(|&(other, waiting), _| other == layer && waiting > number);
            self.rendered.push_back((layer, number));
            if self.rendered.len() > REMEMBERED {
                self.rendered.pop_front();
            }
            self.seen.rendered += 1;
            self.seen.keys += u64::from(is_key);
            let before = self.layer.replace(layer);
            self.seen.switches += u64::from(before.is_some_and(|before| before != layer));
            self.pace(now);
        }
    }

    /// W3C webrtc-stats, freezeCount and totalFreezesDuration.
    fn pace(&mut self, now: Time) {
        self.first.get_or_insert(now);
        let Some(last) = self.last.replace(now) else { return };
        let gap = now.since(last);
        if self.freeze().is_some_and(|least| gap >= least) {
            self.seen.freezes += 1;
            self.seen.frozen += gap;
        }
        self.gaps.push_back(gap);
        if self.gaps.len() > MEAN_OVER {
            self.gaps.pop_front();
        }
    }

    /// A later frame of the layer was shown: this one has missed its time.
    fn is_past(&self, (layer, number): (u8, u32)) -> bool {
        self.rendered.iter().rev().find(|(l, _)| *l == layer).is_some_and(|(_, n)| *n > number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as (milliseconds, layer, frame, needs, index) of frames of two packets.
    fn check(packets: &[(u64, u8, u32, u32, u16)]) -> Seen {
        let mut frames = Frames::default();
        for &(at, layer, frame, needs, index) in packets {
            let stamp = Stamp { layer, frame, needs, index, count: 2, ..Stamp::default() };
            frames.packet(Time::from_millis(at), &stamp);
        }
        frames.seen()
    }

    /// The figures in the order of [`Seen`] up to freezes.
    fn figures(seen: Seen) -> [u64; 5] {
        [seen.started, seen.complete, seen.rendered, seen.keys, seen.freezes]
    }

    #[test]
    fn frames_show_in_order_once_everything_they_need_is_there() {
        let whole = [(0, 0, 1, 1, 0), (0, 0, 1, 1, 1), (33, 0, 2, 1, 1), (33, 0, 2, 1, 0)];
        assert_eq!(figures(check(&whole)), [2, 2, 2, 1, 0]);
        let lost = [
            (0, 0, 1, 1, 0),
            (0, 0, 1, 1, 1),
            (33, 0, 2, 1, 1),
            (66, 0, 3, 2, 0),
            (66, 0, 3, 2, 1),
        ];
        assert_eq!(figures(check(&lost)), [3, 2, 1, 1, 0]);
        let mut repaired = lost.to_vec();
        repaired.push((80, 0, 2, 1, 0));
        assert_eq!(figures(check(&repaired)), [3, 3, 3, 1, 0]);
    }

    #[test]
    fn nothing_shows_before_a_key_frame_and_doubles_do_not_count() {
        let packets =
            [(0, 0, 7, 6, 0), (0, 0, 7, 6, 1), (0, 0, 7, 6, 1), (9, 0, 8, 8, 0), (9, 0, 8, 8, 0)];
        assert_eq!(figures(check(&packets)), [2, 1, 0, 0, 0]);
    }

    #[test]
    fn a_discarded_temporal_layer_is_not_waited_for() {
        let frame = |at, number, needs| [(at, 0, number, needs, 0), (at, 0, number, needs, 1)];
        let packets =
            [frame(0, 1, 1), frame(66, 3, 1), frame(132, 5, 1), frame(140, 4, 3)].concat();
        assert_eq!(figures(check(&packets)), [3, 3, 3, 1, 0], "the fourth came after the fifth");
    }

    #[test]
    fn a_gap_is_a_freeze_by_the_definition() {
        let frame = |at, number: u32| {
            let needs = number.saturating_sub(1).max(1);
            [(at, 0, number, needs, 0), (at, 0, number, needs, 1)]
        };
        let smooth: Vec<_> = (1..=10).flat_map(|n| frame(u64::from(n) * 33, n)).collect();
        assert_eq!(check(&smooth).freezes, 0);
        // Mean 33: a gap of 182 is not yet three times it and not 150 more; 183 is.
        for (gap, freezes) in [(182, 0), (183, 1)] {
            let after = [smooth.clone(), frame(330 + gap, 11).to_vec()].concat();
            let seen = check(&after);
            assert_eq!(seen.freezes, freezes, "{gap}");
            assert_eq!(seen.frozen, Duration::from_millis(gap * freezes));
        }
    }

    #[test]
    fn a_picture_that_never_moves_again_is_frozen() {
        let mut frames = Frames::default();
        for number in 1..=5 {
            let stamp = Stamp { frame: number, needs: number, count: 1, ..Stamp::default() };
            frames.packet(Time::from_millis(u64::from(number) * 33), &stamp);
        }
        // Of the sixth only a half comes, of the seventh another.
        for (at, number) in [(200, 6), (300, 7)] {
            let stamp = Stamp { frame: number, needs: number, count: 2, ..Stamp::default() };
            frames.packet(Time::from_millis(at), &stamp);
        }
        let at = |ms: u64| frames.is_frozen(Time::from_millis(165 + ms));
        assert_eq!((at(182), at(183), frames.seen().freezes), (false, true, 0));
        assert!(!at(300), "nothing comes any more");
        assert!(!Frames::default().is_frozen(Time::MAX));
    }

    #[test]
    fn another_track_under_the_same_number_begins_anew() {
        let mut frames = Frames::default();
        let mut take = |at, source, frame, needs| {
            let stamp = Stamp { source, frame, needs, count: 1, ..Stamp::default() };
            frames.packet(Time::from_millis(at), &stamp);
            frames.seen().rendered
        };
        assert_eq!([take(0, 1, 100, 100), take(33, 1, 101, 100)], [1, 2]);
        assert_eq!([take(900, 2, 1, 1), take(933, 2, 2, 1)], [3, 4]);
        assert_eq!(take(940, 1, 102, 101), 4, "too late for the first");
        assert_eq!(take(966, 2, 3, 2), 5);
        assert_eq!(frames.seen().freezes, 0);
    }

    #[test]
    fn a_layer_switch_needs_a_key_frame_of_its_own() {
        let frame = |at, layer, number, needs| {
            [(at, layer, number, needs, 0), (at, layer, number, needs, 1)]
        };
        let packets =
            [frame(0, 0, 1, 1), frame(33, 2, 9, 8), frame(66, 2, 10, 10), frame(99, 2, 11, 10)]
                .concat();
        let seen = check(&packets);
        assert_eq!((seen.rendered, seen.keys, seen.switches), (3, 2, 1));
    }
}
