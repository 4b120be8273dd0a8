//! Legs whose way is too narrow for all that they want: what they may take is shared among their tracks, and
//! looked at anew when wishes, layers or budgets change, else a few times a second as rates do.

use core::time::Duration;

use offhook_types::{LegId, MediaKind, Time, TrackId};

use super::Router;
use crate::allocate::{Claim, Held, Terms, allocate};
use crate::ceiling::Leeway;
use crate::subscription::Share;

/// Between two looks at a leg whose tracks change rate by themselves.
const REVIEW: Duration = Duration::from_millis(250);
/// After something had to go down nothing goes up for this long: a link that was just too full needs time to
/// drain, and a wrong estimate to be corrected.
const AFTER_FALL: Duration = Duration::from_secs(2);
/// After something went up the estimate must have seen it before more does.
const AFTER_RISE: Duration = Duration::from_millis(500);

/// How long the most important picture is sent although it does not fit. An estimate begins low and learns
/// from what is sent; when it has not caught up after this long, the way is too narrow.
const INSISTENCE: Duration = Duration::from_secs(3);

/// What a budget may lack of the most important picture, as a part of it, before that counts as not fitting.
const NEARLY: u64 = 4;

/// A track that a leg wants was paused because it does not fit, or is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The receiver.
    pub leg: u32,
    /// Which track.
    pub track: TrackId,
    /// True is paused.
    pub paused: bool,
}

/// What a leg may be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// Bits a second.
    budget: u64,
    /// What was shared out of it at the last look.
    taken: u64,
    /// Since when not even the most important picture fits.
    short_since: Option<Time>,
    /// Nothing goes up before.
    rise_at: Time,
    review_at: Time,
}

/// Whose claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    track: TrackId,
    /// All that its track can offer is known.
    complete: bool,
    /// Its publisher sends less than it might.
    capped: bool,
}

/// What a budget comes to when it was shared.
struct Spare {
    budget: u64,
    taken: u64,
    /// Of what is left, for each of those that have not got all there is.
    part: u64,
    /// Of the whole, for each.
    even: u64,
}

impl Spare {
    fn of(claims: &[Claim<Key>], budget: u64, taken: u64) -> Self {
        let short = claims.iter().filter(|claim| !is_whole(claim)).count().max(1) as u64;
        let all = claims.len().max(1) as u64;
        Self { budget, taken, part: budget.saturating_sub(taken) / short, even: budget / all }
    }

    /// What could be given to one claim if its track came at any rate. It is no less than an even part, so that it does
    /// not depend on who happens to speak.
    fn leeway(&self, claim: &Claim<Key>) -> Leeway {
        let given = claim.given().map_or(0, |rung| rung.rate);
        // What is held although it does not quite fit takes no more than there is.
        let fits = given.min(given.saturating_mul(self.budget) / self.taken.max(1));
        let bits = fits.saturating_add(self.part).max(self.even);
        Leeway { bits, whole: is_whole(claim) }
    }
}

/// Nothing is missing.
fn is_whole(claim: &Claim<Key>) -> bool {
    claim.has_all() && claim.key.complete && !claim.key.capped
}

impl Router {
    /// What may be sent to a leg from now on, in bits a second with headers; `None` is no limit. Less than
    /// what goes out takes effect at once, more when its time has come. Poll key frames and pauses
    /// afterwards.
    pub fn set_budget(&mut self, now: Time, leg: u32, bits_per_second: Option<u64>) {
        let known = self.legs.entry(leg).or_default();
        match (bits_per_second, &mut known.limit) {
            (Some(budget), Some(limit)) => {
                limit.budget = budget;
                if budget < limit.taken {
                    self.review_leg(now, leg);
                }
            }
            (Some(budget), none) => {
                *none = Some(Limit {
                    budget,
                    taken: 0,
                    short_since: None,
                    rise_at: now,
                    review_at: now,
                });
                self.review_leg(now, leg);
            }
            (None, limit) => {
                if limit.take().is_some() {
                    self.lift_limit(now, leg);
                }
            }
        }
    }

    /// Bits a second that a leg would be sent without a limit, as far as its tracks have been measured.
    pub fn wanted(&self, leg: u32) -> u64 {
        let mut sum = 0u64;
        for (_, id) in self.streams(leg) {
            let place = self.places.get(&id).copied();
            let Some(track) = place.and_then(|place| self.tracks.get(place)) else { continue };
            let Some(subscription) = track.subscription(leg) else { continue };
            let want = subscription.want();
            let heard = subscription.kind() == MediaKind::Video || self.stage.hears(id);
            if heard && !want.paused {
                let now = track.offer(want).ladder.top().map_or(0, |top| top.rate);
                let rate = track.uncapped(want).unwrap_or(now);
                sum = sum.saturating_add(rate);
            }
        }
        sum
    }

    /// The next track that was paused or resumed. Call until `None`.
    pub fn poll_pause(&mut self) -> Option<Pause> {
        self.pauses.pop_front()
    }

    /// Share anew what is due.
    pub fn review(&mut self, now: Time) {
        if now < self.reviews_at {
            return;
        }
        let mut due = core::mem::take(&mut self.due);
        let late = |limit: &Limit| limit.review_at <= now;
        let legs = self.legs.iter().filter(|(_, leg)| leg.limit.as_ref().is_some_and(late));
        due.extend(legs.map(|(&leg, _)| leg));
        for leg in due.drain(..) {
            self.review_leg(now, leg);
        }
        self.due = due;
        let looks_at = self.look_at_ceilings(now);
        let next = self.legs.values().filter_map(|leg| leg.limit).map(|limit| limit.review_at);
        self.reviews_at = next.min().unwrap_or(Time::MAX).min(looks_at);
    }

    /// A track's layers changed: whoever receives it shares anew before the next packet.
    #[cold]
    pub(super) fn review_receivers(&mut self, now: Time, track: TrackId) {
        let place = self.places.get(&track).copied();
        let Some(track) = place.and_then(|place| self.tracks.get(place)) else { return };
        for subscription in &track.subscriptions {
            let limit = self.legs.get_mut(&subscription.leg).and_then(|leg| leg.limit.as_mut());
            if let Some(limit) = limit {
                limit.review_at = now;
                self.reviews_at = now;
            }
        }
    }

    /// Share what a leg may take among its tracks.
    pub(super) fn review_leg(&mut self, now: Time, leg: u32) {
        let Some(limit) = self.legs.get(&leg).and_then(|leg| leg.limit) else { return };
        let mut claims = core::mem::take(&mut self.claims);
        let sound = self.claim(leg, &mut claims);
        let pictures = limit.budget.saturating_sub(sound);
        let patient = |since: Time| now.since(since) < INSISTENCE;
        let insist = limit.short_since.is_none_or(patient);
        let terms = Terms { budget: pictures, rise: now >= limit.rise_at, insist };
        let taken = allocate(&mut claims, terms);
        // By a little it is kept even so: a moment's estimate is off by as much, and no picture is worse than a late
        // one.
        let kept = claims.first().is_some_and(|first| !first.held.is_paused());
        let nearly = if kept { pictures.saturating_add(pictures / NEARLY) } else { pictures };
        let short = claims.first().is_some_and(|first| !first.fits(nearly));
        let short_since = if short { limit.short_since.or(Some(now)) } else { None };
        let mut rise_at = limit.rise_at;
        let spare = Spare::of(&claims, pictures, taken);
        for claim in claims.drain(..) {
            let leeway = spare.leeway(&claim);
            let reach = claim.given().map(|rung| rung.reach);
            if reach < claim.held.reach {
                rise_at = rise_at.max(now + AFTER_FALL);
            } else if reach > claim.held.reach {
                rise_at = rise_at.max(now + AFTER_RISE);
            }
            let fresh = claim.held.fresh && !claim.key.complete && reach.is_some();
            self.give(now, (leg, claim.key.track), (Held { reach, fresh }, leeway));
        }
        self.claims = claims;
        let review_at = (now + REVIEW).on_beat();
        self.reviews_at = self.reviews_at.min(review_at);
        if let Some(leg) = self.legs.get_mut(&leg) {
            let taken = taken.saturating_add(sound);
            leg.limit = Some(Limit { taken, short_since, rise_at, review_at, ..limit });
        }
    }

    /// What a leg's video claims, and what its audio takes, which comes before all else.
    fn claim(&mut self, leg: u32, claims: &mut Vec<Claim<Key>>) -> u64 {
        let mut sound = 0u64;
        let mut speaking = core::mem::take(&mut self.speaking_legs);
        for (_, id) in self.streams(leg) {
            let Some(track) = self.track(id) else { continue };
            let Some(subscription) = track.subscription(leg) else { continue };
            let want = subscription.want();
            if subscription.kind() == MediaKind::Video || want.paused || !self.stage.hears(id) {
                continue;
            }
            sound = sound.saturating_add(track.offer(want).ladder.top().map_or(0, |top| top.rate));
            if track.voice.speaks() {
                speaking.push(subscription.source);
            }
        }
        for (_, id) in self.streams(leg) {
            let Some(track) = self.track(id) else { continue };
            let Some(subscription) = track.subscription(leg) else { continue };
            let want = subscription.want();
            if subscription.kind() == MediaKind::Audio || want.paused {
                continue;
            }
            let offer = track.offer(want);
            if offer.ladder.top().is_some() {
                let speaks = speaking.contains(&subscription.source);
                let capped = track.ceiling.bound().is_some();
                let key = Key { track: id, complete: offer.complete, capped };
                let held = subscription.share().held;
                claims.push(Claim::new(key, (want.weight, speaks), offer.ladder, held));
            }
        }
        speaking.clear();
        self.speaking_legs = speaking;
        sound
    }

    /// A leg's track may take so much from now on.
    fn give(&mut self, now: Time, (leg, id): (u32, TrackId), (held, leeway): (Held, Leeway)) {
        let Some(track) = self.track_mut(id) else { return };
        let Some(subscription) = track.subscription_mut(leg) else { return };
        subscription.leeway = leeway;
        let was_paused = subscription.share().held.is_paused();
        if subscription.set_share(Share { limited: true, held }) {
            track.retarget_one(leg);
            track.ask_for(leg);
            self.look_at_key_frames(now);
        }
        if was_paused != held.is_paused() {
            self.pauses.push_back(Pause { leg, track: id, paused: held.is_paused() });
        }
    }

    fn lift_limit(&mut self, now: Time, leg: u32) {
        let tracks: Vec<TrackId> = self.streams(leg).map(|(_, id)| id).collect();
        for id in tracks {
            let Some(track) = self.track_mut(id) else { continue };
            let Some(subscription) = track.subscription_mut(leg) else { continue };
            let was_paused = subscription.share().held.is_paused();
            subscription.leeway = Leeway::ALL;
            subscription.set_share(Share { limited: false, held: Held::NEW });
            track.retarget_one(leg);
            track.ask_for(leg);
            if was_paused {
                self.pauses.push_back(Pause { leg, track: id, paused: false });
            }
        }
        self.look_at_key_frames(now);
    }
}

/// Publishers' legs that speak, while one receiver's tracks are looked at.
pub(super) type Speaking = Vec<LegId>;
