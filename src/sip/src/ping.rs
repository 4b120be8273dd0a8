//! Whether a trunk answers: OPTIONS now and then, with some patience in both directions.

use core::time::Duration;

use crate::agent::{Agent, By, Ended, Event, Failure, Handle, Owner, Ping, Plan, Timer};
use crate::auth;
use crate::header::{CSeq, Name, NameAddr};
use crate::message::{Method, Request, Response};
use crate::uri::SipUri;

/// A trunk that is watched.
#[derive(Debug)]
pub(crate) struct Keepalive {
    wanted: Ping,
    pub(crate) auth: auth::Client,
    /// `None` before the first answer or failure.
    up: Option<bool>,
    /// In a row, of what is not yet believed.
    streak: u8,
}

impl Agent {
    /// Watches a trunk.
    pub(crate) fn ping(&mut self, handle: Handle, wanted: Ping) {
        if self.pings.contains_key(&handle) {
            return;
        }
        let auth = auth::Client::new(wanted.trunk.credentials.clone());
        self.pings.insert(handle, Keepalive { wanted, auth, up: None, streak: 0 });
        self.ping_timeout(handle);
    }

    /// Stops watching.
    pub(crate) fn stop_ping(&mut self, handle: Handle) {
        self.timers.clear(Timer::Ping(handle));
        if self.pings.remove(&handle).is_some() {
            self.event(handle, Event::Ended(Ended::new(By::Us, 200)));
        }
    }

    pub(crate) fn ping_timeout(&mut self, handle: Handle) {
        let (call_id, tag) = (self.word(), self.word());
        let Some(Keepalive { wanted, .. }) = self.pings.get(&handle) else { return };
        let mut request = Request::new(Method::Options, wanted.target.clone());
        let headers = &mut request.headers;
        self.preload(headers, &wanted.trunk);
        let door = self.config.doors.first();
        let ours = door.map(|door| SipUri::new(None, door.advertised.clone()));
        let from = ours.map_or_else(|| NameAddr::new(wanted.target.clone()), NameAddr::new);
        headers.push(Name::MaxForwards, 70_u32);
        headers.push(Name::From, &from.with_tag(tag));
        headers.push(Name::To, &NameAddr::new(wanted.target.clone()));
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, &CSeq { number: 1, method: Method::Options });
        headers.push(Name::Accept, "application/sdp");
        headers.push(Name::UserAgent, self.config.product.as_str());
        let peer = wanted.trunk.peer;
        self.start(Plan {
            owner: Owner::Ping(handle),
            request,
            peer,
            contact: Some("".into()),
            patience: self.config.timers.patience(),
            ack_of: None,
        });
    }

    pub(crate) fn ping_done(&mut self, handle: Handle, outcome: Result<Response, Failure>) {
        // Any answer shows that somebody is there, but for those that say that nobody is.
        let good = outcome.is_ok_and(|response| !matches!(response.status, 408 | 502..=504));
        let Some(ping) = self.pings.get_mut(&handle) else { return };
        let Ping { interval, down_after, up_after, .. } = ping.wanted;
        let (believed, event) = match good {
            true => (up_after, Event::TrunkUp),
            false => (down_after, Event::TrunkDown),
        };
        let change = match ping.up {
            None => true,
            Some(up) if up == good => {
                ping.streak = 0;
                false
            }
            Some(_) => {
                ping.streak = ping.streak.saturating_add(1);
                ping.streak >= believed
            }
        };
        if change {
            ping.up = Some(good);
            ping.streak = 0;
            self.event(handle, event);
        }
        // A tenth at random, so that trunks are not asked all at once.
        let jitter = self.rng.below(101);
        let wait = interval.max(Duration::from_secs(1)) * (950 + jitter) / 1000;
        self.timers.set(Timer::Ping(handle), self.now + wait);
    }
}
