//! Why a call ended, in three languages: SIP statuses, causes of the telephone network (Q.850), and
//! [`phone::Cause`](Cause). One table between the first two (RFC 3398, RFC 4497, RFC 6432), one between
//! them and the third.

use offhook_types::phone::Cause;

use crate::header::{Headers, ReasonValue};
use crate::message::{Response, reason_phrase};
use crate::text::Text;

/// What the other side said about a call that ended or never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why {
    /// The status of a response, or of a Reason header; 200 for a plain BYE.
    pub status: u16,
    /// The cause of the telephone network, where it is told. It is closer to the truth than the status
    /// (RFC 6432 §3).
    pub q850: Option<u8>,
}

impl Why {
    /// What a final response to an INVITE says.
    pub fn of_response(response: &Response) -> Self {
        Self { status: response.status, q850: q850(&response.headers) }
    }

    /// What a BYE or CANCEL with these headers says.
    pub fn of_request(headers: &Headers) -> Self {
        let sip = headers.reasons().into_iter().find(|reason| reason.protocol.is("SIP"));
        let status = sip.and_then(|reason| reason.cause).unwrap_or(200);
        Self { status, q850: q850(headers) }
    }

    /// In our words.
    pub fn cause(self) -> Cause {
        let by_status = self.cause_of_status();
        match self.q850 {
            // These say no more than "it failed"; the status may know better.
            None | Some(31 | 127) => by_status,
            Some(_) if self.status / 100 == 6 || self.status == 487 => by_status,
            Some(1..=3 | 20 | 22 | 23 | 26 | 27) => Cause::Unavailable,
            Some(16) if self.status < 300 => Cause::HungUp,
            Some(16) => by_status,
            Some(17) => Cause::Busy,
            Some(18 | 19) => Cause::NoAnswer,
            Some(21) => Cause::Declined,
            Some(28) => Cause::InvalidNumber,
            Some(34 | 42 | 44 | 46 | 47) => Cause::Congestion,
            Some(_) if self.status < 300 => Cause::HungUp,
            Some(_) => Cause::NoRoute,
        }
    }

    /// May the call be tried over the next trunk? Not when its far end has spoken: busy, declined, no such
    /// number, and everything that is said for all trunks (6xx). Once a phone has rung, only a
    /// server's failure is worth another try.
    pub fn may_try_next(self, rang: bool) -> bool {
        let final_word = matches!(self.q850, Some(1 | 16..=20 | 22 | 28));
        if final_word && self.status / 100 != 5 {
            return false;
        }
        // The network behind the trunk is full or broken, whatever the status.
        let network = matches!(self.q850, Some(2 | 25 | 27 | 34..=47 | 58 | 88..=127));
        match self.status {
            500..=599 => self.q850 != Some(17),
            _ if rang => false,
            410 | 480 | 484..=487 | 491 => network && self.status == 480,
            300..=499 => true,
            _ => false,
        }
    }

    fn cause_of_status(self) -> Cause {
        match self.status {
            0..=299 => Cause::HungUp,
            486 | 600 => Cause::Busy,
            403 | 433 | 603 | 607 | 608 => Cause::Declined,
            404 | 410 | 480 | 604 => Cause::Unavailable,
            408 => Cause::NoAnswer,
            414 | 416 | 484 | 485 => Cause::InvalidNumber,
            487 => Cause::Cancelled,
            503 => Cause::Congestion,
            _ => Cause::NoRoute,
        }
    }
}

/// The status and the telephone network's cause with which we end or turn away a call.
pub const fn spoken(cause: Cause) -> (u16, u8) {
    match cause {
        Cause::HungUp => (480, 16),
        Cause::Declined => (603, 21),
        Cause::Busy => (486, 17),
        Cause::Cancelled => (487, 16),
        Cause::NoAnswer => (480, 19),
        Cause::Unavailable => (480, 20),
        Cause::InvalidNumber => (484, 28),
        Cause::NotPermitted | Cause::Suspended | Cause::NoCredit => (403, 21),
        Cause::CreditEnded => (480, 31),
        Cause::TimeLimit => (480, 102),
        Cause::Congestion => (503, 42),
        Cause::NoRoute => (404, 3),
        Cause::MediaLost => (504, 41),
        Cause::Server => (500, 41),
    }
}

/// The Reason headers of a BYE, CANCEL or final response with this cause (RFC 3326, RFC 6432).
pub fn reasons(cause: Cause) -> Vec<ReasonValue> {
    let (_, q850) = spoken(cause);
    vec![ReasonValue { protocol: Text::from("Q.850"), cause: Some(q850.into()), text: None }]
}

/// The Reason header that says which status ended the other forks or legs.
pub fn sip_reason(status: u16) -> ReasonValue {
    let text = Some(Text::from(reason_phrase(status)));
    ReasonValue { protocol: Text::from("SIP"), cause: Some(status), text }
}

/// The cause of the telephone network for a status. `None` where there is none: successes.
pub fn q850_of_status(status: u16) -> Option<u8> {
    let row = TABLE.iter().find(|(known, way, _)| *known == status && *way != Way::ToSip);
    row.map(|(_, _, cause)| *cause).or(match status {
        300..=399 => Some(23),
        400..=499 | 600..=699 => Some(31),
        500..=599 => Some(41),
        _ => None,
    })
}

/// The status for a cause of the telephone network. Unknown ones count as the last of their class
/// (Q.850 §2.2.2).
pub fn status_of_q850(cause: u8) -> u16 {
    let find =
        |cause: u8| TABLE.iter().find(|(_, way, known)| *known == cause && *way != Way::ToPhone);
    let class = match cause {
        0..=31 => 31,
        32..=47 => 47,
        48..=63 => 63,
        64..=79 => 79,
        80..=95 => 95,
        96..=111 => 111,
        _ => 127,
    };
    find(cause).or_else(|| find(class)).map_or(500, |(status, ..)| *status)
}

fn q850(headers: &Headers) -> Option<u8> {
    let named = |reason: &ReasonValue| reason.protocol.is("Q.850");
    let reason = headers.reasons().into_iter().find(named)?;
    reason.cause.and_then(|cause| u8::try_from(cause).ok()).filter(|cause| (1..128).contains(cause))
}

/// In which direction a row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Both,
    ToSip,
    ToPhone,
}

/// RFC 3398 §7.2.4.1 and §8.2.6.1; for 422, 433, 487, 488, 491, 580, 606, 607 and 608 the later RFCs that
/// define them.
const TABLE: &[(u16, Way, u8)] = {
    use Way::{Both, ToPhone, ToSip};
    &[
        (404, Both, 1),
        (404, ToSip, 2),
        (404, ToSip, 3),
        (486, Both, 17),
        (408, ToSip, 18),
        (480, ToPhone, 18),
        (480, ToSip, 19),
        (480, ToSip, 20),
        (403, Both, 21),
        (410, Both, 22),
        (410, ToSip, 23),
        (482, Both, 25),
        (483, ToPhone, 25),
        (404, ToSip, 26),
        (502, ToSip, 27),
        (484, Both, 28),
        (501, ToSip, 29),
        (480, ToSip, 31),
        (503, ToSip, 34),
        (503, ToSip, 38),
        (502, ToPhone, 38),
        (503, Both, 41),
        (503, ToSip, 42),
        (503, ToSip, 47),
        (580, ToPhone, 47),
        (403, ToSip, 55),
        (403, ToSip, 57),
        (503, ToSip, 58),
        (405, ToPhone, 63),
        (501, ToSip, 63),
        (488, Both, 65),
        (606, ToPhone, 65),
        (488, ToSip, 70),
        (501, Both, 79),
        (406, ToPhone, 79),
        (415, ToPhone, 79),
        (403, ToSip, 87),
        (503, ToSip, 88),
        (500, ToSip, 95),
        (504, Both, 102),
        (408, ToPhone, 102),
        (500, ToSip, 111),
        (500, ToSip, 127),
        (500, ToPhone, 41),
        (400, ToPhone, 41),
        (481, ToPhone, 41),
        (401, ToPhone, 21),
        (402, ToPhone, 21),
        (407, ToPhone, 21),
        (433, ToPhone, 21),
        (603, ToPhone, 21),
        (607, ToPhone, 21),
        (608, ToPhone, 21),
        (485, ToPhone, 1),
        (604, ToPhone, 1),
        (600, ToPhone, 17),
        (487, ToPhone, 16),
        (480, ToSip, 16),
        (413, ToPhone, 127),
        (414, ToPhone, 127),
        (416, ToPhone, 127),
        (420, ToPhone, 127),
        (421, ToPhone, 127),
        (422, ToPhone, 127),
        (423, ToPhone, 127),
        (491, ToPhone, 127),
        (505, ToPhone, 127),
        (513, ToPhone, 127),
    ]
};

#[cfg(test)]
mod tests;
