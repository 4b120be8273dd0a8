//! What we ask (RFC 3261 §17.1, RFC 6026 §8.4).

use core::time::Duration;

use offhook_types::Time;

use super::Repeat;
use crate::agent::Timers;

/// A client transaction's state.
#[derive(Debug, Clone)]
pub struct Client {
    invite: bool,
    /// Over a transport that does not lose: nothing is repeated, nothing need be absorbed.
    sure: bool,
    timers: Timers,
    state: State,
    /// Timers A and E.
    repeat: Option<Repeat>,
    /// Timers B and F; D, K and M later. `Time::MAX` while an INVITE is ringing.
    deadline: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Sent, nothing heard. Calling or Trying.
    Sent,
    Proceeding,
    /// A final response came; of an INVITE, not a 2xx.
    Completed,
    /// An INVITE was answered with 2xx (RFC 6026).
    Accepted,
    Terminated,
}

/// What its owner does with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Pass it to the user.
    Pass,
    /// The same, after an ACK of this transaction (RFC 3261 §17.1.1.3).
    AckAndPass,
    /// Only the ACK: it was passed before.
    Ack,
    /// Nothing.
    Absorb,
}

/// What its owner does when time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Nothing yet.
    Wait,
    /// Send the request again.
    Repeat,
    /// Nobody answered: tell the user, and forget the transaction.
    TimedOut,
    /// Forget the transaction.
    Over,
}

impl Client {
    /// A request that is being sent. `first_response` bounds how long an INVITE goes unanswered.
    pub fn new(
        now: Time,
        invite: bool,
        sure: bool,
        (timers, first_response): (Timers, Duration),
    ) -> Self {
        let longest = if invite { Duration::MAX } else { timers.t2 };
        let repeat = (!sure).then(|| Repeat::new(now, timers.t1, longest));
        let deadline = now + timers.patience().min(first_response);
        Self { invite, sure, timers, state: State::Sent, repeat, deadline }
    }

    /// When [`Client::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Time {
        self.repeat.map_or(self.deadline, |repeat| repeat.at.min(self.deadline))
    }

    /// Nothing final was heard yet.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Sent | State::Proceeding)
    }

    /// A provisional response was heard and nothing final yet, so that a CANCEL may be sent.
    pub fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    /// Nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.state == State::Terminated
    }

    /// A CANCEL was sent: if nothing final comes in 64 T1, nothing ever will (RFC 3261 §9.1).
    pub fn cancelled(&mut self, now: Time) {
        if self.is_open() {
            self.deadline = self.deadline.min(now + self.timers.patience());
        }
    }

    /// A response with this status came.
    pub fn handle_response(&mut self, now: Time, status: u16) -> Heard {
        match (self.state, status) {
            (State::Sent | State::Proceeding, 100..=199) => {
                if self.invite {
                    self.repeat = None;
                    if self.state == State::Sent {
                        self.deadline = Time::MAX;
                    }
                } else if let Some(repeat) = &mut self.repeat
                    && self.state == State::Sent
                {
                    repeat.slow_down(now);
                }
                self.state = State::Proceeding;
                Heard::Pass
            }
            (State::Sent | State::Proceeding, 200..=299) if self.invite => {
                self.enter(now, State::Accepted, self.timers.patience());
                Heard::Pass
            }
            (State::Accepted, 200..=299) => Heard::Pass,
            (State::Sent | State::Proceeding, _) => {
                let linger = match (self.sure, self.invite) {
                    (true, _) => Duration::ZERO,
                    // Timer D is at least 32 s; patience is that with the default T1.
                    (false, true) => self.timers.patience(),
                    (false, false) => self.timers.t4,
                };
                self.enter(now, State::Completed, linger);
                if self.invite { Heard::AckAndPass } else { Heard::Pass }
            }
            (State::Completed, 300..) if self.invite => Heard::Ack,
            _ => Heard::Absorb,
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) -> Tick {
        if now >= self.deadline {
            let open = self.is_open();
            self.state = State::Terminated;
            return if open { Tick::TimedOut } else { Tick::Over };
        }
        match &mut self.repeat {
            Some(repeat) if now >= repeat.at => {
                repeat.again(now);
                Tick::Repeat
            }
            _ => Tick::Wait,
        }
    }

    fn enter(&mut self, now: Time, state: State, linger: Duration) {
        self.state = state;
        self.repeat = None;
        self.deadline = now + linger;
    }
}

#[cfg(test)]
mod tests;
