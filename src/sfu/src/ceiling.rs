//! What a publisher is asked to stay under while everybody who receives its track is behind a narrow way. Layers have
//! rates of their own: the largest that fits leaves the rest of a way empty. A publisher that is told how much its
//! widest receiver can be given fills that way, as one encoder for one receiver would. Where there is but one receiver
//! it is followed from the first look on, as in a direct call.
//!
//! Pure arithmetic: what the publisher sends and the [`Leeway`] of each receiver go in, a [`Bound`] comes out.
//! Start at [`Ceiling::look`].
//!
//! An encoder of layers gives each the rate that it is set to, from the lowest on, and the highest that still runs
//! what is left. So a bound is a layer and a rate for it: those below stay as they are, those above are not sent.
//!
//! What keeps it from swinging: it goes down at once but only by a tenth or more, up only after the way was seen to
//! carry it for a while, and a layer is entered at a higher rate than it is left at.

use core::time::Duration;

use offhook_types::Time;

use self::takes::Takes;
use crate::track::MAX_LAYERS;

mod takes;

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// All receivers have been narrow in so many looks before a publisher hears of it: estimates begin low, so that is
/// three seconds. Of a way that wavers around what is sent two looks that it fits count against one that it does
/// not.
const NARROW: u8 = 26;
/// More is asked for when there was room for it for this long, or sooner when there is room for much more: somebody
/// came whose way is wide, or one became so.
const WIDER: Duration = Duration::from_secs(2);
const MUCH_WIDER: Duration = Duration::from_millis(500);
/// A lower layer is right when this one was too much for so long: a key frame alone makes an estimate dip.
const DIP: Duration = Duration::from_secs(2);
/// Then receivers have so long to change over before it ceases, or they would see nothing until a key frame comes.
const LEAVING: Duration = Duration::from_secs(1);
/// Looks in a row at an encoder that sends half as much again as it is asked for, until it counts as one that does
/// not listen: two seconds. A key frame lasts shorter.
const DEFIANT: u8 = 8;
/// A layer that is asked for and does not come in so many looks is not sent: its encoder's own minimum is higher.
const ABSENT: u8 = 12;
/// What is left free at least, beside a twentieth: for repairs and key frames.
const SPARE: u64 = 20_000;
/// Less than this no picture is worth having.
const FLOOR: u64 = 100_000;

/// What one receiver could be given of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leeway {
    /// Bits a second.
    pub bits: u64,
    /// Nothing is missing.
    pub whole: bool,
}

impl Leeway {
    /// Of a receiver without a limit.
    pub(crate) const ALL: Self = Self { bits: u64::MAX, whole: true };
}

/// What a publisher sends, by layer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sends {
    /// Bits a second in the last third of a second; zero while unknown.
    pub latest: [u64; MAX_LAYERS],
    /// Layers that come, one bit each.
    pub live: u8,
}

/// What is asked of a publisher: the layers below this one as they are, of this one so many bits a second, and none
/// above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bound {
    pub layer: u8,
    pub share: u64,
}

/// What would be right for somebody. The greatest is right for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Proposal {
    bound: Bound,
    /// That is what comes of it without a bound, too.
    open: bool,
    /// For which there is room, in bits a second.
    room: u64,
}

/// The bound on one track.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ceiling {
    /// What layers take while nothing bounds them.
    takes: Takes,
    /// What each was not sent at, and a little more.
    least: [u64; MAX_LAYERS],
    bound: Option<Bound>,
    /// How many looks it was narrow, twice, less those that it was not.
    narrow: u8,
    /// Since when a higher bound, or none, would be right, and the least that was in that time.
    turning: Option<(Time, Proposal)>,
    /// Since when a lower layer would be right.
    sinking: Option<Time>,
    /// The capped layer is about to cease.
    leaving: bool,
    /// What the capped layer takes on average, in bits a second.
    sent: u64,
    /// By how much less is asked for, because the capped layer gets more than its share of it.
    trim: u64,
    /// The publisher has come down to the bound.
    heeded: bool,
    /// Looks in a row at which it was far above.
    defied: u8,
    /// The capped layer has come since it is capped.
    came: bool,
    /// Looks in a row at which it did not.
    absent: u8,
    /// There is but one receiver, and it is known what could come to it.
    alone: bool,
}

impl Ceiling {
    /// Look at what is sent and what receivers could be given, each up to the highest layer that it wants. True when
    /// what is asked for changed.
    pub(crate) fn look(
        &mut self,
        now: Time,
        sends: &Sends,
        leeways: impl Iterator<Item = (Leeway, u8)> + Clone,
    ) -> bool {
        // What is not capped tells what it takes. While something is, layers below it need not come whole either:
        // encoders that overshoot are given less.
        if self.bound.is_none() {
            self.takes.see(sends);
        }
        let (before, awaited) = (self.bound, self.absent > 0);
        self.heed(sends);
        let came = awaited && self.absent == 0;
        let mut wanted = leeways.clone().map(|(_, wanted)| wanted);
        let only = wanted.next().filter(|_| wanted.next().is_none());
        self.alone = only.is_some_and(|only| self.takes.is_sure(only));
        match leeways.map(|(leeway, wanted)| self.propose(leeway, wanted)).max() {
            None => self.lift(),
            Some(proposal) => self.follow(now, proposal),
        }
        self.bound != before || came
    }

    /// What layers are set to take, as their publisher says: encoders that begin take less for a while.
    pub(crate) fn tell(&mut self, rates: impl Iterator<Item = u64>) {
        self.takes.tell(rates);
    }

    /// Ask for nothing any more. What layers take is remembered.
    pub(crate) fn lift(&mut self) {
        let Self { takes, least, alone, .. } = *self;
        *self = Self { takes, least, alone, ..Self::default() };
    }

    /// What is asked for.
    pub(crate) fn bound(&self) -> Option<Bound> {
        self.bound
    }

    /// What a layer of a publisher that listens may come to. The smallest that may come whole is no news.
    pub(crate) fn share(&self, layer: u8) -> Option<u64> {
        let bound = self.bound.filter(|bound| bound.layer == layer && self.heeded)?;
        let share =
            if self.sent > bound.share + bound.share / 16 { self.sent } else { bound.share };
        (layer > 0 || share < self.full(layer)).then_some(share)
    }

    /// A layer will not be sent for long.
    pub(crate) fn leaves(&self, layer: u8) -> bool {
        self.leaving && self.bound.is_some_and(|bound| layer >= bound.layer)
    }

    /// What all that is asked for takes, of the layers that come. One that does not is asked for with a quarter
    /// more: an encoder begins it at a fifth more than the least that it goes on with. So is one that may come whole,
    /// or a bound that is there for those above it would thin it.
    pub(crate) fn total(&self, live: u8) -> Option<u64> {
        let bound = self.bound?;
        let comes = live & (1 << bound.layer) != 0;
        let whole = bound.share >= self.full(bound.layer);
        let share = if comes && !whole { bound.share } else { bound.share + bound.share / 4 };
        let below = (0..bound.layer).filter(|layer| live & (1 << layer) != 0);
        let below: u64 = below.map(|layer| self.takes.of(layer, self.alone)).sum();
        Some(below.saturating_add(share).saturating_sub(self.trim))
    }

    /// What the best layer up to this one takes while nothing bounds it.
    pub(crate) fn full(&self, layer: u8) -> u64 {
        self.known(layer).map_or(0, |(_, full)| full)
    }

    /// The highest layer up to this one of which it is known what it takes. An only receiver is judged by layers that
    /// are set, too, and have not come.
    fn known(&self, layer: u8) -> Option<(u8, u64)> {
        let layers = (0..=layer.min(MAX_LAYERS as u8 - 1)).rev();
        let mut all = layers.map(|layer| (layer, self.takes.of(layer, self.alone)));
        all.find(|&(_, takes)| takes > 0)
    }

    /// Whether the publisher does what it is asked.
    fn heed(&mut self, sends: &Sends) {
        let Some(Bound { layer, share }) = self.bound else { return };
        let comes = sends.live & (1 << layer) != 0;
        let latest = sends.latest.get(usize::from(layer)).filter(|_| comes).copied().unwrap_or(0);
        let ceased = core::mem::replace(&mut self.came, comes) && !comes;
        self.absent = if comes { 0 } else { self.absent.saturating_add(1) };
        if (ceased || self.absent >= ABSENT)
            && let Some(least) = self.least.get_mut(usize::from(layer))
        {
            *least = (*least).max(share + share / 16);
        }
        self.defied = if latest > share + share / 2 { self.defied.saturating_add(1) } else { 0 };
        let heeded = self.heeded;
        if self.defied >= DEFIANT {
            self.heeded = false;
        } else if latest <= share + share / 4 {
            self.heeded = true;
        }
        self.sent = match self.sent {
            sent if !heeded || !comes || sent == 0 => latest,
            sent if latest > sent => sent + (latest - sent) / 8,
            sent => sent - (sent - latest) / 4,
        };
        if self.heeded && comes {
            // What layers below do not take, and what an encoder overshoots by, is not known before.
            let (over, under) = (self.sent.saturating_sub(share), share.saturating_sub(self.sent));
            self.trim = (self.trim + over / 8).saturating_sub(under / 8).min(share / 16);
        }
    }

    /// What would be right if there were but this receiver.
    fn propose(&self, Leeway { bits, whole }: Leeway, wanted: u8) -> Proposal {
        // What there is for one among several says little while that one misses nothing.
        let bits = if whole && !self.alone { u64::MAX } else { bits };
        let share = bits.saturating_sub((bits / 20).max(SPARE));
        let mut upto = wanted;
        while let Some((layer, full)) = self.known(upto) {
            match layer.checked_sub(1).and_then(|below| self.known(below)) {
                Some((lower, below)) if share < self.entry((layer, full), below) => upto = lower,
                _ => return self.proposal((bits, share), wanted, (layer, full)),
            }
        }
        // Nothing is known of what it sends.
        Proposal { bound: Bound { layer: 0, share: 0 }, open: true, room: bits }
    }

    fn proposal(
        &self,
        (bits, share): (u64, u64),
        wanted: u8,
        (layer, full): (u8, u64),
    ) -> Proposal {
        // A receiver is given a layer without a bound when it has room for an eighth more than what it took of
        // late, which may be as much more than the mean.
        let margin = if self.bound.is_some() { full * 5 / 16 } else { full / 4 };
        let is_best = self.known(wanted).is_some_and(|(best, _)| best == layer);
        // One that never came is not bounded: its publisher may not have room for it.
        let is_new = self.takes.of(layer, false) == 0;
        let open = is_new || is_best && bits >= full.saturating_add(margin);
        let share = share.max(FLOOR).min(full + full / 16);
        Proposal { bound: Bound { layer, share }, open, room: bits }
    }

    /// From which rate on a layer is worth more than the next lower one, which takes `below`. Encoders do not send one
    /// at all below about a third of what it is set to, which ends in a freeze, so some is left between.
    fn entry(&self, (layer, full): (u8, u64), below: u64) -> u64 {
        let kept = (below + below / 10).max(full * 3 / 8);
        let shown = self.bound.is_some_and(|bound| bound.layer >= layer);
        let worth = if shown { kept } else { kept + kept / 16 };
        self.least.get(usize::from(layer)).map_or(worth, |&least| worth.max(least))
    }

    fn follow(&mut self, now: Time, proposal: Proposal) {
        let bound = match self.bound {
            None if proposal.open => return self.narrow = self.narrow.saturating_sub(1),
            None => {
                self.narrow = self.narrow.saturating_add(2);
                if self.alone || self.narrow >= NARROW && self.takes.is_settled() {
                    self.set(proposal);
                }
                return;
            }
            Some(bound) => bound,
        };
        let Bound { layer, share } = proposal.bound;
        if layer < bound.layer {
            return self.sink(now, bound, proposal);
        }
        (self.sinking, self.leaving) = (None, false);
        if layer == bound.layer && share < bound.share - bound.share / 10 {
            return self.set(proposal);
        }
        let wider = proposal.open || layer > bound.layer || share > bound.share + bound.share / 20;
        if !wider {
            return self.turning = None;
        }
        let (since, least) = self.turning.get_or_insert((now, proposal));
        *least = (*least).min(proposal);
        let (since, least) = (*since, *least);
        let much = least.bound.share >= bound.share + bound.share / 2;
        let patience = match (self.alone, much) {
            (true, true) => Duration::ZERO,
            (true, false) | (false, true) => MUCH_WIDER,
            (false, false) => WIDER,
        };
        if now.since(since) >= patience {
            self.set(least);
        }
    }

    /// A lower layer would be right. What is shown is not given up for a moment's dip: it is sent as thin as it is
    /// worth until the dip has lasted.
    fn sink(&mut self, now: Time, bound: Bound, proposal: Proposal) {
        let since = *self.sinking.get_or_insert(now);
        let below = bound.layer.checked_sub(1).and_then(|below| self.known(below));
        let (full, below) = (self.full(bound.layer), below.map_or(0, |(_, below)| below));
        let thin = bound.share.min(self.entry((bound.layer, full), below));
        let deep = proposal.room < bound.share - bound.share / 3;
        if deep || now.since(since) >= DIP + LEAVING || self.absent >= ABSENT {
            self.set(proposal);
        } else if thin < bound.share - bound.share / 20 {
            self.set(Proposal { bound: Bound { share: thin, ..bound }, open: false, ..proposal });
            self.sinking = Some(since);
        } else {
            self.leaving = now.since(since) >= DIP;
        }
    }

    fn set(&mut self, Proposal { bound, open, .. }: Proposal) {
        // Who listens follows a small step at once, and takes a moment to come down a large one.
        let near =
            |old: &Bound| old.layer == bound.layer && bound.share >= old.share - old.share / 4;
        let heeded = self.heeded && self.bound.as_ref().is_some_and(near);
        let came = self.came && self.bound.is_some_and(|old| old.layer == bound.layer);
        let (sent, trim) = if heeded { (self.sent, self.trim) } else { (0, 0) };
        self.lift();
        if !open {
            (self.bound, self.heeded, self.came) = (Some(bound), heeded, came);
            (self.sent, self.trim) = (sent, trim);
        }
    }
}

#[cfg(test)]
mod tests;
