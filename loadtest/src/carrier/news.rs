//! What the carrier tells, one line of JSON for each event on its standard output.

use offhook_types::phone::Digit;
use serde::{Serialize, Serializer};

use super::sound::Heard;

/// Something happened. `id` names a call and is never used again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// SIP is taken here from now on.
    Listening {
        /// Address and port.
        address: String,
    },
    /// Somebody calls the carrier.
    Invite {
        /// Which call.
        id: u64,
        /// Who, as `From` says.
        from: String,
        /// Who, as `P-Asserted-Identity` says.
        asserted: Option<String>,
        /// The request's user.
        to: String,
    },
    /// The carrier calls.
    Calling {
        /// Which call.
        id: u64,
        /// Who.
        from: String,
        /// Whom.
        to: String,
    },
    /// A call that the carrier places has got on.
    Progress {
        /// Which call.
        id: u64,
        /// 100 to 199.
        status: u16,
    },
    /// Both sides have agreed on an answered call.
    Answered {
        /// Which call.
        id: u64,
        /// What the carrier sends.
        codec: &'static str,
    },
    /// The far side pressed a key.
    Digit {
        /// Which call.
        id: u64,
        /// Which key.
        #[serde(serialize_with = "face")]
        digit: Digit,
        /// How that was said.
        by: DigitBy,
    },
    /// The far side put the carrier's phone on hold, or took the call back.
    Hold {
        /// Which call.
        id: u64,
        /// On hold from now on.
        held: bool,
    },
    /// An offer that the carrier made, or asked for, in an answered call was responded to.
    Reoffered {
        /// Which call.
        id: u64,
        /// With this.
        status: u16,
    },
    /// How a transfer that the carrier asked for goes.
    Transfer {
        /// Which call.
        id: u64,
        /// Of the new call.
        status: u16,
        /// Nothing more will come.
        done: bool,
    },
    /// What a second of a call sounded like.
    Heard {
        /// Which call.
        id: u64,
        /// Power and tone.
        #[serde(flatten)]
        heard: Heard,
        /// Packets of the whole call.
        #[serde(flatten)]
        traffic: Traffic,
    },
    /// A BYE came.
    Bye {
        /// Which call.
        id: u64,
    },
    /// The call is over. The last that is told of it.
    Ended {
        /// Which call.
        id: u64,
        /// It had been answered.
        answered: bool,
        /// Who ended it: `us`, `them`, `timer`, `network` or `protocol`.
        by: &'static str,
        /// The final response, or 200 after a BYE.
        status: u16,
        /// The cause of `Reason`, if any.
        cause: Option<u16>,
        /// Keys that were heard.
        digits: String,
        /// Packets of the whole call.
        #[serde(flatten)]
        traffic: Traffic,
    },
    /// A line on the standard input that means nothing.
    Unknown {
        /// What is wrong with it.
        why: &'static str,
    },
}

/// How a key was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DigitBy {
    /// RFC 4733.
    Rtp,
    /// SIP INFO.
    Info,
}

/// Packets of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// RTP packets that came.
    pub packets: u64,
    /// RTP packets that did not come, by their numbers.
    pub lost: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// RTCP packets that came.
    pub rtcp: u64,
}

fn face<S: Serializer>(digit: &Digit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_char(digit.face())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_flat_lines() {
        let line = |news: &News| serde_json::to_string(news).unwrap();
        let digit = Digit::from_face('#').unwrap();
        assert_eq!(
            line(&News::Digit { id: 1, digit, by: DigitBy::Rtp }),
            r##"{"event":"digit","id":1,"digit":"#","by":"rtp"}"##
        );
        let heard = Heard { db: Some(-13.5), hz: Some(440) };
        let traffic = Traffic { packets: 50, lost: 1, sent: 49, rtcp: 0 };
        assert_eq!(
            line(&News::Heard { id: 2, heard, traffic }),
            r#"{"event":"heard","id":2,"db":-13.5,"hz":440,"packets":50,"lost":1,"sent":49,"rtcp":0}"#
        );
    }
}
