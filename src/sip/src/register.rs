//! Registrations (RFC 3261 §10): kept alive, tried again with growing pauses, taken back. What they say of
//! the way of further requests (RFC 3608) counts for those of the same trunk.

use core::time::Duration;

use crate::agent::{Agent, By, Ended, Event, Failure, Handle, Owner, Plan, Register, Timer, Trunk};
use crate::auth;
use crate::header::{CSeq, Contacts, Headers, Name, NameAddr};
use crate::invite::route;
use crate::message::{Method, Request, Response};
use crate::text::Text;
use crate::uri::Uri;

/// A registration.
#[derive(Debug)]
pub(crate) struct Registration {
    wanted: Register,
    pub(crate) auth: auth::Client,
    call_id: Text,
    tag: Text,
    number: u32,
    expires: Duration,
    failures: u32,
    /// What the registrar wants requests to pass (RFC 3608).
    services: Vec<NameAddr>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A REGISTER is under way.
    Asking,
    /// Until the next is due.
    Waiting,
    /// The one that takes it back is under way, or follows the one under way.
    Leaving { asked: bool },
}

/// The first pause after a failure, and the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The longest registration that a registrar may ask us to make.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest way that a registrar may send our requests.
const MOST_SERVICES: usize = 8;

impl Agent {
    /// Registers, and stays registered.
    pub(crate) fn register(&mut self, handle: Handle, wanted: Register) {
        if self.registrations.contains_key(&handle) {
            return;
        }
        let registration = Registration {
            auth: auth::Client::new(wanted.trunk.credentials.clone()),
            call_id: self.word().into(),
            tag: self.word().into(),
            number: 0,
            expires: wanted.expires,
            failures: 0,
            services: Vec::new(),
            state: State::Asking,
            wanted,
        };
        self.registrations.insert(handle, registration);
        self.ask_registrar(handle);
    }

    /// Takes a registration back.
    pub(crate) fn unregister(&mut self, handle: Handle) {
        let Some(registration) = self.registrations.get_mut(&handle) else { return };
        match registration.state {
            State::Asking => registration.state = State::Leaving { asked: false },
            State::Waiting => self.leave(handle),
            State::Leaving { .. } => {}
        }
    }

    fn leave(&mut self, handle: Handle) {
        self.timers.clear(Timer::Register(handle));
        if let Some(registration) = self.registrations.get_mut(&handle) {
            registration.state = State::Leaving { asked: true };
            registration.expires = Duration::ZERO;
            self.ask_registrar(handle);
        }
    }

    pub(crate) fn register_timeout(&mut self, handle: Handle) {
        if let Some(registration) = self.registrations.get_mut(&handle) {
            registration.state = State::Asking;
            self.ask_registrar(handle);
        }
    }

    fn ask_registrar(&mut self, handle: Handle) {
        let product = self.config.product.clone();
        let Some(registration) = self.registrations.get_mut(&handle) else { return };
        registration.number += 1;
        let Registration { wanted, call_id, tag, number, expires, .. } = &*registration;
        let mut request = Request::new(Method::Register, wanted.registrar.clone());
        let headers = &mut request.headers;
        if let Some(proxy) = &wanted.trunk.proxy {
            headers.push(Name::Route, &route(proxy));
        }
        let identity = NameAddr::new(wanted.identity.clone());
        headers.push(Name::MaxForwards, 70_u32);
        headers.push(Name::From, &identity.clone().with_tag(tag));
        headers.push(Name::To, &identity);
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, &CSeq { number: *number, method: Method::Register });
        let seconds = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
        headers.push(Name::Expires, seconds);
        // A proxy on the way may put itself into Path, for what comes back (RFC 3327 §5.1).
        headers.push(Name::Supported, "path");
        headers.push(Name::UserAgent, product);
        let (peer, contact) = (wanted.trunk.peer, Text::from(wanted.contact_user.as_str()));
        self.start(Plan {
            owner: Owner::Register(handle),
            request,
            peer,
            contact: Some(contact),
            patience: self.config.timers.patience(),
            ack_of: None,
        });
    }

    pub(crate) fn register_done(&mut self, handle: Handle, outcome: Result<Response, Failure>) {
        let Some(registration) = self.registrations.get_mut(&handle) else { return };
        match registration.state {
            State::Leaving { asked: true } => {
                let status = outcome.map_or_else(|f| f.status(), |response| response.status);
                self.registrations.remove(&handle);
                self.timers.clear(Timer::Register(handle));
                return self.event(handle, Event::Ended(Ended::new(By::Us, status)));
            }
            State::Leaving { asked: false } => return self.leave(handle),
            State::Asking | State::Waiting => {}
        }
        match outcome {
            Ok(response) if response.is_success() => self.registered(handle, &response),
            Ok(response) if response.status == 423 && registration.lengthen(&response) => {
                self.ask_registrar(handle);
            }
            outcome => self.registration_failed(handle, outcome),
        }
    }

    /// The registrar decides for how long; ours is the address that it lists under our user.
    fn registered(&mut self, handle: Handle, response: &Response) {
        let Some(registration) = self.registrations.get_mut(&handle) else { return };
        let user = &registration.wanted.contact_user;
        let listed = match response.headers.contacts() {
            Ok(Contacts::List(list)) => {
                let ours = |c: &&NameAddr| c.uri.subscriber().as_ref() == Some(user);
                list.iter().find(ours).or(list.first()).and_then(NameAddr::expires)
            }
            _ => None,
        };
        let services = response.headers.service_routes().unwrap_or_default();
        registration.services = services.into_iter().take(MOST_SERVICES).collect();
        let seconds = listed.or_else(|| response.headers.expires());
        let expires = seconds.map_or(registration.expires, |s| Duration::from_secs(s.into()));
        let expires = expires.clamp(Duration::from_secs(1), LONGEST);
        registration.failures = 0;
        registration.state = State::Waiting;
        // Early enough for a few tries: a tenth before the end, half a minute where that is less.
        let early = (expires / 2).min((expires / 10).max(Duration::from_secs(30)));
        self.timers.set(Timer::Register(handle), self.now + (expires - early));
        self.event(handle, Event::Registered { expires });
    }

    /// The way of a request of ours outside of a dialog: the trunk's proxy, then what its registrar said.
    /// A proxy that the registrar names first itself is not passed twice.
    pub(crate) fn preload(&self, headers: &mut Headers, trunk: &Trunk) {
        let mut of = self.registrations.values().filter(|r| r.wanted.trunk.peer == trunk.peer);
        let services = of.next().map_or(&[][..], |registration| &registration.services);
        let same = |first: &NameAddr, proxy: &Uri| match (&first.uri, proxy) {
            (Uri::Sip(first), Uri::Sip(proxy)) => first.user.is_none() && first.at == proxy.at,
            _ => false,
        };
        let mut services = services.iter().peekable();
        if let Some(proxy) = &trunk.proxy {
            headers.push(Name::Route, &route(proxy));
            services.next_if(|first| same(first, proxy));
        }
        for service in services {
            headers.push(Name::Route, service);
        }
    }

    fn registration_failed(&mut self, handle: Handle, outcome: Result<Response, Failure>) {
        let wanted = outcome.as_ref().ok().and_then(|response| response.headers.retry_after());
        let status = outcome.map_or_else(|f| f.status(), |response| response.status);
        let Some(registration) = self.registrations.get_mut(&handle) else { return };
        let pause = PAUSE.saturating_mul(1 << registration.failures.min(6)).min(LONGEST_PAUSE);
        registration.failures = registration.failures.saturating_add(1);
        registration.state = State::Waiting;
        // Half of it at random, so that trunks that failed together do not come back together.
        let percent = 50 + self.rng.below(51);
        let retry_in = (pause * percent / 100).max(wanted.map_or(Duration::ZERO, |w| w.wait));
        self.timers.set(Timer::Register(handle), self.now + retry_in);
        self.event(handle, Event::RegistrationFailed { status, retry_in });
    }
}

impl Registration {
    /// RFC 3261 §10.2.8.
    fn lengthen(&mut self, response: &Response) -> bool {
        let Some(shortest) = response.headers.min_expires() else { return false };
        let shortest = Duration::from_secs(shortest.into());
        let longer = shortest > self.expires && shortest <= LONGEST;
        if longer {
            self.expires = shortest;
        }
        longer
    }
}
