//! Reaching a number: one trunk after the other, until one answers or there is no reason to go on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use offhook_billing::authorize::Allowance;
use offhook_billing::cdr::{Direction, Opening, Pinned, Recorded};
use offhook_billing::rate::Rate;
use offhook_billing::route::{Observed, Shown};
use offhook_bridge::{Order, Side, Sound, Tone};
use offhook_sip::agent::{
    Body, By, Command as Sip, Ended, Event as SipEvent, Handle, Identity, Invite,
};
use offhook_sip::cause::Why;
use offhook_sip::header::{NameAddr, ReasonValue};
use offhook_sip::uri::Uri;
use offhook_types::phone::{self, Cause, Event};
use offhook_types::{AccountId, CdrId, Dialed, PhoneId, Time, UserId, WallTime};

use super::ending::Ending;
use super::words::{Authorized, Dial, Refused, Way};
use super::{Bridge, Known, Leg, Line, Now, OpenRefused, Output, Stage};
use crate::trunk::Trunk;

/// A number that is being reached.
#[derive(Debug)]
pub(super) struct Dialing {
    pub(super) to: Dialed,
    quote: Option<offhook_types::QuoteId>,
    pinned: Option<Rate>,
    redirected_from: Option<Dialed>,
    anonymous: bool,
    /// Set once routing has answered.
    plan: Option<Plan>,
    tried: u16,
    redirected: u8,
    /// The last attempt's end: what the caller is told when nothing is left to try.
    last: Option<Ending>,
}

/// How the number is reached, as routing said.
#[derive(Debug)]
pub(super) struct Plan {
    account: AccountId,
    emergency: bool,
    sell: Pinned,
    destination: String,
    pub(super) ways: VecDeque<Way>,
    allowance: Allowance,
}

/// One try over one trunk, and the call over it once it is answered.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) cdr: CdrId,
    pub(super) handle: Handle,
    pub(super) trunk: Arc<Trunk>,
    pub(super) line: Line,
    /// Its record is durable.
    pub(super) open: bool,
    /// Its record is to be closed no more.
    pub(super) closed: bool,
    pub(super) known: Known,
    pub(super) account: AccountId,
    pub(super) emergency: bool,
    pub(super) allowance: Option<Allowance>,
    /// For the INVITE.
    shown: Shown,
    number: Option<Dialed>,
    sent: Option<Time>,
    post_dial: Option<Duration>,
}

impl Dialing {
    pub(super) fn new(dial: &phone::Dial) -> Self {
        Self {
            to: dial.to.clone(),
            quote: dial.quote,
            pinned: None,
            redirected_from: None,
            anonymous: dial.anonymous,
            plan: None,
            tried: 0,
            redirected: 0,
            last: None,
        }
    }

    /// What to ask of routing.
    pub(super) fn question(&self, user: UserId) -> Dial {
        Dial {
            user,
            to: self.to.clone(),
            quote: self.quote,
            pinned: self.pinned,
            redirected_from: self.redirected_from.clone(),
            anonymous: self.anonymous,
        }
    }
}

impl Attempt {
    pub(super) fn new(
        (cdr, handle): (CdrId, Handle),
        trunk: Arc<Trunk>,
        line: Line,
        account: AccountId,
    ) -> Self {
        Self {
            cdr,
            handle,
            trunk,
            line,
            open: false,
            closed: false,
            known: Known::default(),
            account,
            emergency: false,
            allowance: None,
            shown: Shown::Anonymous,
            number: None,
            sent: None,
            post_dial: None,
        }
    }

    pub(super) fn first_media(&mut self, at: WallTime, from: Side) {
        let place = match from {
            Side::Carrier => &mut self.known.times.first_in,
            Side::Room => &mut self.known.times.first_out,
        };
        place.get_or_insert(at);
    }

    /// The far phone rings, or something else shows that the call got through.
    pub(super) fn got_through(&mut self, now: Time) {
        if let Some(sent) = self.sent {
            self.post_dial.get_or_insert(now.since(sent));
        }
    }

    /// What the trunk's quality learns from this attempt.
    pub(super) fn observed(&self) -> Option<Observed> {
        self.sent?;
        let times = &self.known.times;
        let answered = times.answered.is_some();
        let heard = (times.first_in.is_some(), times.first_out.is_some());
        let one_way = answered && heard.0 != heard.1;
        Some(Observed { answered, post_dial_delay: self.post_dial, one_way })
    }
}

impl Leg {
    /// Routing has answered.
    pub(super) fn authorized(&mut self, now: Now, result: Result<Box<Authorized>, Refused>) {
        if self.transfer.is_some() {
            return self.transfer_authorized(now, result);
        }
        let Stage::Dialing(dialing) = &mut self.stage else { return };
        match result {
            Err(Refused { cause }) => {
                let last = dialing.last.take();
                self.end(now, last.unwrap_or_else(|| Ending::ours(now, cause)));
            }
            Ok(authorized) => {
                dialing.pinned = Some(authorized.sell.rate);
                dialing.plan = Some(Plan::from(*authorized));
                self.try_next(now);
            }
        }
    }

    /// Open a record for the next trunk, once everything it needs is there.
    pub(super) fn try_next(&mut self, now: Now) {
        let Bridge::Open(opened) = self.bridge else { return };
        let Stage::Dialing(dialing) = &mut self.stage else { return };
        let Some(plan) = &mut dialing.plan else { return };
        let next = plan.ways.pop_front().filter(|_| dialing.tried < self.limits.attempts);
        let Some(way) = next else {
            let last = dialing.last.take();
            return self.end(now, last.unwrap_or_else(|| Ending::ours(now, Cause::NoRoute)));
        };
        dialing.tried = dialing.tried.saturating_add(1);
        let try_ = Try {
            ids: (CdrId::random(&mut self.rng), Handle(self.rng.next_u64() >> 1)),
            line: Line::new(&mut self.rng, &way.trunk, opened.carrier, &way.secret.0),
            of: (self.phone, self.user),
            to: dialing.to.clone(),
            nth: dialing.tried,
        };
        let (attempt, opening) = plan.over(now, way, try_);
        self.attempt = Some(attempt);
        self.due = Some(now.time + self.limits.prepare);
        self.say(Output::Open(Box::new(opening)));
    }

    /// The books have answered.
    pub(super) fn attempt_opened(&mut self, now: Now, result: Result<(), OpenRefused>) {
        match result {
            Ok(()) => self.invite(now),
            Err(refused) => {
                self.attempt = None;
                let cause = match refused {
                    OpenRefused::TrunkFull => {
                        self.remember(Ending::ours(now, Cause::Congestion));
                        return self.try_next(now);
                    }
                    OpenRefused::NoCredit => Cause::NoCredit,
                    OpenRefused::NotPermitted => Cause::NotPermitted,
                    OpenRefused::Unavailable => Cause::Server,
                };
                self.end(now, Ending::ours(now, cause));
            }
        }
    }

    fn invite(&mut self, now: Now) {
        // From here the agent's own limit counts; ours is for an agent that says nothing at all.
        self.due = Some(now.time + self.limits.ring + self.limits.prepare);
        let (phone, ring) = (self.phone, self.limits.ring);
        let Some(attempt) = &mut self.attempt else { return };
        let command = invite(now, phone, attempt, ring);
        let handle = attempt.handle;
        tracing::info!(%phone, call = ?self.call, trunk = %attempt.trunk.way.name, "invite sent");
        self.sip(handle, command);
    }

    /// The agent says something of the attempt that is under way.
    pub(super) fn dialing_said(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Provisional { status, body, .. } => self.progressed(now, status, body),
            SipEvent::Answered { body, .. } => self.answered_by(now, body),
            SipEvent::Ended(ended) => self.turned_away(now, &ended),
            SipEvent::Reoffer { body } => self.reoffered(body),
            _ => {}
        }
    }

    fn progressed(&mut self, now: Now, status: u16, body: Option<Body>) {
        let Some(attempt) = &mut self.attempt else { return };
        if status == 180 {
            attempt.known.times.ringing.get_or_insert(now.wall);
        }
        if matches!(status, 180 | 183) {
            attempt.got_through(now.time);
        }
        let phone = self.phone;
        // An offer in a response to our offer is no offer; a description that does not fit is one that
        // the answer may still replace.
        let carrier = body.and_then(|body| attempt.line.take_answer(&body.bytes).ok());
        if status == 180 && !self.told.ringing {
            self.told.ringing = true;
            self.tell(Event::Ringing { phone });
        }
        if let Some(carrier) = carrier {
            self.order(Order::SetCarrier(Box::new(carrier)));
            if !self.told.early {
                self.told.early = true;
                self.tell(Event::EarlyMedia { phone });
            }
        }
        // The bridge stops its own ringback when the carrier sends sound.
        if status == 180 {
            self.play(Side::Room, Sound::Tone(Tone::Ringback), 0);
        }
    }

    fn answered_by(&mut self, now: Now, body: Option<Body>) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.got_through(now.time);
        let agreed = match &body {
            Some(body) => attempt.line.take_answer(&body.bytes).map(Some),
            // It came with a provisional response.
            None if attempt.line.is_agreed() => Ok(None),
            None => Err(super::Unfit),
        };
        let Ok(carrier) = agreed else {
            // Nothing that we can hear was agreed, so nothing is charged.
            tracing::warn!(phone = %self.phone, "a carrier answered without a codec that was offered");
            return self.end(now, Ending::unfit(now));
        };
        attempt.known.times.answered = Some(now.wall);
        if let Some(carrier) = carrier {
            self.order(Order::SetCarrier(Box::new(carrier)));
        }
        self.order(Order::StopPlay(Side::Room));
        self.begin_talking(now);
    }

    /// The attempt failed: close its record, and go on where that makes sense.
    fn turned_away(&mut self, now: Now, ended: &Ended) {
        let ending = Ending::of_refusal(now, ended);
        let rang = self.told.ringing;
        let trunk_takes_redirects =
            self.attempt.as_ref().is_some_and(|attempt| attempt.trunk.settings.redirects);
        self.close_attempt(&ending);
        self.attempt = None;
        if (300..400).contains(&ended.status) && trunk_takes_redirects && self.redirect(ended) {
            self.remember(ending);
            self.due = Some(now.time + self.limits.prepare);
            return;
        }
        let another = match ended.by {
            By::Us => false,
            By::Network => !rang,
            By::Them | By::Timer | By::Protocol => why(ended).may_try_next(rang),
        };
        if another {
            self.remember(ending);
            self.try_next(now);
        } else {
            self.end(now, ending);
        }
    }

    /// Follow a 3xx to another number, which is routed and priced like any other; the caller pays what
    /// was agreed.
    fn redirect(&mut self, ended: &Ended) -> bool {
        let Some(user) = self.user else { return false };
        let most = self.limits.redirections;
        let Stage::Dialing(dialing) = &mut self.stage else { return false };
        let number =
            ended.contacts.iter().filter_map(Uri::subscriber).find_map(|to| to.parse().ok());
        let Some(number) = number.filter(|_| dialing.redirected < most) else { return false };
        dialing.redirected += 1;
        let from = core::mem::replace(&mut dialing.to, Dialed::Number(number));
        dialing.redirected_from = Some(from);
        dialing.plan = None;
        let question = dialing.question(user);
        self.say(Output::Authorize(question));
        true
    }

    fn remember(&mut self, ending: Ending) {
        if let Stage::Dialing(dialing) = &mut self.stage {
            dialing.last = Some(ending);
        }
    }

    /// Whom the leg calls.
    pub(super) fn dialed(&self) -> Option<&Dialed> {
        match &self.stage {
            Stage::Dialing(dialing) => Some(&dialing.to),
            _ => self.attempt.as_ref().and_then(|attempt| attempt.number.as_ref()),
        }
    }

    /// The country whose tones are played: that of the number.
    pub(super) fn country(&self) -> [u8; 2] {
        let country = self.dialed_country();
        let code = country.and_then(|country| country.as_str().as_bytes().try_into().ok());
        code.unwrap_or(*b"DE")
    }
}

/// A carrier that answers at all says 100 within this; then its next address is tried, or the next trunk.
const FIRST_RESPONSE: Duration = Duration::from_secs(5);

/// The INVITE of an attempt whose record is durable.
pub(super) fn invite(now: Now, phone: PhoneId, attempt: &mut Attempt, ring_limit: Duration) -> Sip {
    attempt.known.times.invited = Some(now.wall);
    attempt.sent = Some(now.time);
    let trunk = &attempt.trunk;
    let user = attempt.number.as_ref().map(|number| trunk.way.format.write(number));
    Sip::Invite(Box::new(Invite {
        trunk: trunk.reach(),
        target: trunk.uri(user.as_deref()),
        from: from(trunk, &attempt.shown),
        to: NameAddr::new(trunk.uri(user.as_deref())),
        contact_user: phone.to_string(),
        identity: identity(trunk, &attempt.shown),
        headers: Vec::new(),
        body: Some(Body::sdp(attempt.line.offer())),
        reliable: trunk.reliable(),
        refresh: trunk.refresh(),
        first_response: FIRST_RESPONSE,
        ring_limit,
    }))
}

/// What one try is known by.
pub(super) struct Try {
    pub(super) ids: (CdrId, Handle),
    pub(super) line: Line,
    /// The leg, and whose it is.
    pub(super) of: (PhoneId, Option<UserId>),
    pub(super) to: Dialed,
    /// Which try of the leg.
    pub(super) nth: u16,
}

impl Plan {
    /// A try over one trunk, and the record that has to be durable before it.
    pub(super) fn over(&self, now: Now, way: Way, try_: Try) -> (Attempt, Opening) {
        let Try { ids, line, of: (phone, user), to, nth } = try_;
        let from = match &way.shown {
            Shown::Number(number) => Some(Recorded::from(&Dialed::Number(number.clone()))),
            Shown::Anonymous => None,
        };
        let opening = Opening {
            id: ids.0,
            phone,
            account: self.account,
            user,
            direction: Direction::Out,
            from,
            to: Recorded::from(&to),
            destination: self.destination.clone(),
            trunk: way.trunk.id(),
            attempt: nth,
            route: way.why,
            sell: self.sell.clone(),
            buy: way.buy,
            reserve: self.allowance.total,
            at: now.wall,
        };
        let mut attempt = Attempt::new(ids, way.trunk, line, self.account);
        attempt.emergency = self.emergency;
        attempt.allowance = Some(self.allowance);
        attempt.shown = way.shown;
        attempt.number = Some(to);
        (attempt, opening)
    }
}

impl From<Authorized> for Plan {
    fn from(authorized: Authorized) -> Self {
        let Authorized { account, emergency, sell, destination, ways, allowance } = authorized;
        Self { account, emergency, sell, destination, ways: ways.into(), allowance }
    }
}

/// `From`: the number that is shown, or nobody (RFC 3323 §4.1).
fn from(trunk: &Trunk, shown: &Shown) -> NameAddr {
    match shown {
        Shown::Number(number) => {
            let user = trunk.way.format.write(&Dialed::Number(number.clone()));
            NameAddr::new(trunk.uri(Some(&user)))
        }
        Shown::Anonymous => {
            let uri = Uri::parse(b"sip:anonymous@anonymous.invalid").ok();
            let mut name = NameAddr::new(uri.unwrap_or_else(|| trunk.uri(Some("anonymous"))));
            name.name = Some("Anonymous".into());
            name
        }
    }
}

/// `P-Asserted-Identity` and `Privacy`. The carrier is told nothing that may not be shown: it could not
/// be held to hide it.
fn identity(trunk: &Trunk, shown: &Shown) -> Identity {
    match shown {
        Shown::Number(_) => Identity { asserted: vec![from(trunk, shown)], ..Identity::default() },
        Shown::Anonymous => Identity { privacy: Some("id".into()), ..Identity::default() },
    }
}

/// What the far side said when it turned our call away, or the network when there was no far side.
pub(super) fn why(ended: &Ended) -> Why {
    Why { status: ended.status, q850: ended.reason.as_ref().and_then(q850) }
}

/// The cause of the telephone network, if a Reason names one.
pub(super) fn q850(reason: &ReasonValue) -> Option<u8> {
    let cause = reason.cause.filter(|_| reason.protocol.is("Q.850"))?;
    u8::try_from(cause).ok()
}

/// Why a call failed, in our words.
pub(super) fn cause_of(ended: &Ended) -> Cause {
    match ended.by {
        By::Network => Cause::NoRoute,
        // Nothing came at all, or it rang for too long: then our CANCEL is what ended it.
        By::Timer if matches!(ended.status, 200 | 408 | 487) => Cause::NoAnswer,
        _ => why(ended).cause(),
    }
}
