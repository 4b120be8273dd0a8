//! Whether another trunk is worth trying.

/// How an attempt over one trunk ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// A final SIP response, 300 to 699.
    Status(u16),
    /// No response in time.
    Timeout,
    /// The carrier could not be reached at all.
    Unreachable,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    /// Try the next trunk: this one could not, another may.
    Next,
    /// Tell the caller: the called side has decided.
    Stop,
}

/// Whether the next trunk is tried. Once the far phone has rung it never is: it would ring a second time.
pub const fn failover(response: Response, rang: bool) -> Failover {
    match response {
        _ if rang => Failover::Stop,
        Response::Timeout | Response::Unreachable => Failover::Next,
        Response::Status(status) => by_status(status),
    }
}

const fn by_status(status: u16) -> Failover {
    match status {
        // Gone, temporarily unavailable, incomplete, busy, taken back, a decision that stands everywhere
        // (RFC 3261 §21.4, §21.6).
        410 | 480 | 484 | 486 | 487 | 600..=699 => Failover::Stop,
        // The rest speaks of the trunk. 404 too: carriers say it of what they do not serve.
        _ => Failover::Next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_called_sides_decision_is_final() {
        for status in [410, 480, 484, 486, 487, 600, 603, 604, 606, 607, 699] {
            assert_eq!(failover(Response::Status(status), false), Failover::Stop, "{status}");
        }
    }

    #[test]
    fn what_a_carrier_cannot_do_another_may() {
        for status in [302, 401, 403, 404, 407, 408, 420, 488, 500, 502, 503, 504, 580] {
            assert_eq!(failover(Response::Status(status), false), Failover::Next, "{status}");
        }
        assert_eq!(failover(Response::Timeout, false), Failover::Next);
        assert_eq!(failover(Response::Unreachable, false), Failover::Next);
    }

    #[test]
    fn a_phone_that_rang_does_not_ring_again() {
        for response in [Response::Status(503), Response::Timeout, Response::Unreachable] {
            assert_eq!(failover(response, true), Failover::Stop);
        }
    }
}
