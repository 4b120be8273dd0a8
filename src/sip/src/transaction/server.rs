//! What we are asked (RFC 3261 §17.2, RFC 6026 §8.7).

use core::time::Duration;

use offhook_types::Time;

use super::Repeat;
use crate::agent::Timers;

/// A server transaction's state.
#[derive(Debug, Clone)]
pub struct Server {
    invite: bool,
    sure: bool,
    timers: Timers,
    state: State,
    /// Timer G; also what repeats a 2xx until its ACK (RFC 3261 §13.3.1.4).
    repeat: Option<Repeat>,
    /// Timers H, I, J and L; until then, how long the user may think.
    deadline: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No final response was sent.
    Proceeding,
    /// A final response was sent; to an INVITE, not a 2xx.
    Completed,
    /// The ACK of it came.
    Confirmed,
    /// An INVITE was answered with 2xx (RFC 6026).
    Accepted,
    /// The same, and its ACK came.
    Acknowledged,
    Terminated,
}

/// What its owner does when time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Nothing yet.
    Wait,
    /// Send the last response again.
    Repeat,
    /// The user did not respond in time: respond for it.
    Undecided,
    /// The ACK of a 2xx never came: tell the user, and forget the transaction.
    NeverAcknowledged,
    /// Forget the transaction.
    Over,
}

impl Server {
    /// A request came. The user has `think` to respond finally.
    pub fn new(now: Time, invite: bool, sure: bool, (timers, think): (Timers, Duration)) -> Self {
        let state = State::Proceeding;
        Self { invite, sure, timers, state, repeat: None, deadline: now + think }
    }

    /// When [`Server::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Time {
        self.repeat.map_or(self.deadline, |repeat| repeat.at.min(self.deadline))
    }

    /// No final response was sent yet.
    pub fn is_open(&self) -> bool {
        self.state == State::Proceeding
    }

    /// Nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.state == State::Terminated
    }

    /// Whether a 2xx waits for its ACK.
    pub fn wants_ack(&self) -> bool {
        self.state == State::Accepted
    }

    /// The request came again: whether the last response is to be sent again. A 2xx is not: it is
    /// repeated by the clock (RFC 6026 §7.1).
    pub fn handle_repeat(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed)
    }

    /// A final response is being sent.
    pub fn respond(&mut self, now: Time, status: u16) {
        if status < 200 || self.state != State::Proceeding {
            return;
        }
        let Timers { t1, t2, .. } = self.timers;
        let success = status < 300;
        self.state = if self.invite && success { State::Accepted } else { State::Completed };
        // A 2xx may cross proxies that lose, so it is repeated over any transport.
        self.repeat = (self.invite && (success || !self.sure)).then(|| Repeat::new(now, t1, t2));
        let linger = match (self.invite, self.sure) {
            (false, true) => Duration::ZERO,
            _ => self.timers.patience(),
        };
        self.deadline = now + linger;
    }

    /// The ACK came. True where it is the first.
    pub fn handle_ack(&mut self, now: Time) -> bool {
        match self.state {
            State::Completed if self.invite => {
                self.state = State::Confirmed;
                self.deadline = now + if self.sure { Duration::ZERO } else { self.timers.t4 };
            }
            // Timer L runs on: the INVITE may still come again.
            State::Accepted => self.state = State::Acknowledged,
            _ => return false,
        }
        self.repeat = None;
        true
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) -> Tick {
        if now >= self.deadline {
            return match self.state {
                State::Proceeding => {
                    // The user's response moves the deadline; should it send none, this comes again.
                    self.deadline = now + self.timers.t1;
                    Tick::Undecided
                }
                State::Accepted => {
                    self.state = State::Terminated;
                    Tick::NeverAcknowledged
                }
                _ => {
                    self.state = State::Terminated;
                    Tick::Over
                }
            };
        }
        match &mut self.repeat {
            Some(repeat) if now >= repeat.at => {
                repeat.again(now);
                Tick::Repeat
            }
            _ => Tick::Wait,
        }
    }
}

#[cfg(test)]
mod tests;
