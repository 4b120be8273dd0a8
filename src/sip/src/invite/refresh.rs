//! Session timers (RFC 4028): a call that nobody refreshes is over, so that a BYE that was lost, or a
//! peer that died, ends in time.

use core::time::Duration;

use super::{Clock, Phase};
use crate::agent::{Agent, Handle, TxId};
use crate::header::{Name, Refresher, SessionExpires};
use crate::message::{Request, Response};

/// What was agreed.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// How long the session lives without a refresh.
    interval: Option<Duration>,
    /// We are the ones to refresh it.
    ours: bool,
    /// The longest Min-SE that was seen.
    shortest: Duration,
}

/// How long after a refresh that failed, or that had to wait, the next is tried.
const RETRY: Duration = Duration::from_secs(10);

/// A peer that asks for less than RFC 4028 §4 allows is humoured, but not without end.
const SOONEST: Duration = Duration::from_secs(1);

impl Agent {
    /// A 2xx that we sent or received says how the session is kept alive.
    pub(super) fn session_agreed(
        &mut self,
        handle: Handle,
        agreed: Option<SessionExpires>,
        we_asked: bool,
    ) {
        self.stop_clock(handle, Clock::Refresh);
        self.stop_clock(handle, Clock::Expire);
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(SessionExpires { seconds, refresher }) = agreed else {
            call.session.interval = None;
            return;
        };
        let interval = Duration::from_secs(seconds.into());
        call.session.interval = Some(interval);
        call.session.ours = (refresher != Some(Refresher::Uas)) == we_asked;
        if call.session.ours {
            self.clock(handle, Clock::Refresh, (interval / 2).max(SOONEST));
            self.clock(handle, Clock::Expire, interval);
        } else {
            // RFC 4028 §10: the BYE is sent before the interval is over, by 32 s or a third.
            let early = Duration::from_secs(32).min(interval / 3);
            self.clock(handle, Clock::Expire, interval.saturating_sub(early));
        }
    }

    /// Time to refresh.
    pub(super) fn refresh(&mut self, handle: Handle) {
        if !self.offer_refresh(handle) {
            self.refresh_failed(handle);
        }
    }

    /// It is tried again until the session expires.
    pub(super) fn refresh_failed(&mut self, handle: Handle) {
        if self.calls.get(&handle).is_some_and(|call| call.phase == Phase::Up) {
            self.clock(handle, Clock::Refresh, RETRY);
        }
    }

    /// What a refreshing request of ours says (RFC 4028 §7.1): the refresher stays who it was.
    pub(super) fn keep_timer(&mut self, handle: Handle, request: &mut Request) {
        let Some(call) = self.calls.get(&handle) else { return };
        let Some(interval) = call.session.interval else { return };
        let refresher = if call.session.ours { Refresher::Uac } else { Refresher::Uas };
        let expires = SessionExpires { seconds: secs(interval), refresher: Some(refresher) };
        request.headers.set(Name::SessionExpires, &expires);
        let shortest = call.session.shortest.max(self.config.refresh.shortest);
        request.headers.set(Name::MinSe, secs(shortest));
    }

    /// A 422 to a refresh of ours (RFC 4028 §7.4).
    pub(super) fn widen_interval(&mut self, handle: Handle, response: &Response) -> bool {
        let Ok(Some(shortest)) = response.headers.min_se() else { return false };
        let Some(call) = self.calls.get_mut(&handle) else { return false };
        let session = &mut call.session;
        let shortest = Duration::from_secs(shortest.into());
        let Some(interval) = &mut session.interval else { return false };
        if shortest <= *interval {
            return false;
        }
        *interval = shortest;
        session.shortest = session.shortest.max(shortest);
        true
    }

    /// The 422 to a request whose interval is too small for us; only a side that knows session timers can
    /// take one (RFC 4028 §9).
    pub(super) fn interval_too_small(&self, tx: TxId, request: &Request) -> Option<Response> {
        let asked = request.headers.session_expires().ok()??;
        let shortest = self.config.refresh.shortest;
        let small = Duration::from_secs(asked.seconds.into()) < shortest;
        (small && request.headers.supports("timer")).then(|| {
            let mut response = self.reply(tx, 422);
            response.headers.push(Name::MinSe, secs(shortest));
            response
        })
    }

    /// What our 2xx says (RFC 4028 §9): the interval that was asked for or ours, and the refresher that was
    /// asked for or we.
    pub(super) fn answer_timer(
        &mut self,
        handle: Handle,
        request: &Request,
        response: &mut Response,
    ) {
        let config = self.config.refresh;
        let asked = request.headers.session_expires().ok().flatten();
        let knows = request.headers.supports("timer");
        let shortest = request.headers.min_se().ok().flatten().unwrap_or(0);
        let seconds = match asked {
            Some(asked) => asked.seconds.min(secs(config.interval)).max(shortest),
            None => secs(config.interval).max(shortest),
        };
        let seconds = seconds.max(secs(config.shortest));
        let theirs = knows && asked.is_some_and(|asked| asked.refresher == Some(Refresher::Uac));
        let refresher = Some(if theirs { Refresher::Uac } else { Refresher::Uas });
        let agreed = SessionExpires { seconds, refresher };
        response.headers.set(Name::SessionExpires, &agreed);
        if theirs {
            response.headers.push(Name::Require, "timer");
        }
        self.session_agreed(handle, Some(agreed), false);
    }
}

fn secs(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}
