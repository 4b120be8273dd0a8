//! Who gets how much of a link that is too narrow for everything. Pure arithmetic: [`Claim`]s and a budget go
//! in, every claim's rung comes out. Start at [`allocate`].
//!
//! Each track is a ladder of [`Rung`]s, each better and more expensive than the one below. Everyone gets the
//! first rung before anyone gets the second; what is left goes to the most important, rung by rung. What the
//! first rung of does not fit gets nothing.
//!
//! Two things keep it from swinging. A rung above the one held must fit with a margin, and rises may be
//! forbidden for a while after something had to go down; falls never wait. The last picture is not given up so
//! easily: its first rung may be insisted on, as an estimate that has just begun is often too low.

use core::cmp::Reverse;

use offhook_types::media::Weight;

/// Streams times temporal layers that a ladder may distinguish.
const RUNGS: usize = 8;

/// How far up a track's layers somebody gets: streams of simulcast, or spatial layers of the only stream, and
/// temporal layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reach {
    pub layer: u8,
    pub temporal: u8,
}

/// One way to get a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rung {
    pub reach: Reach,
    /// Bits a second.
    pub rate: u64,
    /// Its publisher keeps it to this rate, which follows what there is room for.
    pub follows: bool,
}

/// The ways to get a track, cheapest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ladder {
    rungs: [Option<Rung>; RUNGS],
    len: usize,
}

impl Ladder {
    /// A better rung. Those below that cost as much serve nobody.
    pub(crate) fn push(&mut self, rung: Rung) {
        while self.top().is_some_and(|top| top.rate >= rung.rate) {
            self.len -= 1;
        }
        if let Some(place) = self.rungs.get_mut(self.len) {
            *place = Some(rung);
            self.len += 1;
        }
    }

    pub(crate) fn top(&self) -> Option<Rung> {
        self.rung(self.len.checked_sub(1)?)
    }

    fn rung(&self, index: usize) -> Option<Rung> {
        self.rungs.get(..self.len)?.get(index).copied().flatten()
    }

    /// The highest rung within reach; the lowest when none is.
    fn within(&self, reach: Reach) -> Option<usize> {
        let within =
            |rung: Rung| rung.reach.layer <= reach.layer && rung.reach.temporal <= reach.temporal;
        let found = (0..self.len).rev().find(|&index| self.rung(index).is_some_and(within));
        found.or_else(|| (self.len > 0).then_some(0))
    }
}

/// What a claim had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// How far up it is; `None` when it gets nothing.
    pub reach: Option<Reach>,
    /// Its wish is new, so that it need not wait for more.
    pub fresh: bool,
}

impl Held {
    /// Never had its turn.
    pub(crate) const NEW: Self = Self { reach: None, fresh: true };

    /// It got nothing although it had its turn.
    pub(crate) fn is_paused(&self) -> bool {
        self.reach.is_none() && !self.fresh
    }
}

/// One track that a receiver wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<K> {
    /// Whose.
    pub key: K,
    pub weight: Weight,
    /// Its publisher speaks; decides among equals.
    pub speaks: bool,
    pub ladder: Ladder,
    pub held: Held,
    given: Option<usize>,
}

impl<K> Claim<K> {
    pub(crate) fn new(
        key: K,
        (weight, speaks): (Weight, bool),
        ladder: Ladder,
        held: Held,
    ) -> Self {
        Self { key, weight, speaks, ladder, held, given: None }
    }

    /// Whether the least of it fits into a budget.
    pub(crate) fn fits(&self, budget: u64) -> bool {
        self.cost(0) <= budget
    }

    /// What came out.
    pub(crate) fn given(&self) -> Option<Rung> {
        self.ladder.rung(self.given?)
    }

    /// It got the best there is.
    pub(crate) fn has_all(&self) -> bool {
        self.given.is_some() && self.given == self.ladder.len.checked_sub(1)
    }

    /// What a rung counts for: the part above what is held must leave a margin of an eighth. One that follows has
    /// its margin in it; a larger picture that follows is, while it is held, on its way after a budget that fell by
    /// so much, and nothing below it stands in its way.
    fn cost(&self, index: usize) -> u64 {
        let Some(Rung { rate, follows, .. }) = self.ladder.rung(index) else { return 0 };
        let held = self.held.reach.and_then(|reach| self.ladder.within(reach));
        if Some(index) > held {
            return if follows { rate } else { rate.saturating_add(rate / 8) };
        }
        let larger = |held: &Rung| held.follows && held.reach.layer > 0;
        match held.and_then(|held| self.ladder.rung(held)).filter(larger) {
            Some(held) => rate.min(held.rate - held.rate / 4),
            None => rate,
        }
    }

    /// The highest rung it may have now.
    fn ceiling(&self, rise: bool) -> Option<usize> {
        let top = self.ladder.len.checked_sub(1);
        if rise || self.held.fresh { top } else { self.ladder.within(self.held.reach?) }
    }
}

/// What is shared, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Bits a second.
    pub budget: u64,
    /// More may be given than is held.
    pub rise: bool,
    /// The most important claim gets its first rung even when that does not fit.
    pub insist: bool,
}

/// Share a budget among claims. Among equals who speaks comes
/// first, then who has most already. The claims come back in order of importance; the answer is what they take
/// together.
pub(crate) fn allocate<K>(claims: &mut [Claim<K>], terms: Terms) -> u64 {
    let Terms { budget, rise, insist } = terms;
    claims.sort_by_key(|claim| Reverse((claim.weight, claim.speaks, claim.held.reach)));
    let mut left = budget;
    for claim in claims.iter_mut() {
        let cost = claim.cost(0);
        if claim.ceiling(rise).is_some() && cost <= left {
            left -= cost;
            claim.given = Some(0);
        }
    }
    if let Some(first) = claims.first_mut()
        && insist
        && first.given.is_none()
        && first.ceiling(rise).is_some()
    {
        first.given = Some(0);
        left = 0;
    }
    for equals in claims.chunk_by_mut(|a, b| a.weight == b.weight) {
        let mut climbing = true;
        while core::mem::take(&mut climbing) {
            for claim in equals.iter_mut() {
                climbing |= climb(claim, &mut left, rise);
            }
        }
    }
    claims.iter().filter_map(Claim::given).map(|rung| rung.rate).sum()
}

/// One rung up, if it fits.
fn climb<K>(claim: &mut Claim<K>, left: &mut u64, rise: bool) -> bool {
    let Some(given) = claim.given else { return false };
    if Some(given) >= claim.ceiling(rise) {
        return false;
    }
    let more = claim.cost(given + 1).saturating_sub(claim.cost(given));
    match left.checked_sub(more) {
        Some(rest) => {
            *left = rest;
            claim.given = Some(given + 1);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
