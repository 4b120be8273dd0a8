//! What is wrong with a message, and what follows from that.

use core::fmt;

use offhook_types::counted;

use crate::header::{BadHeader, Headers, Name};
use crate::message::{Response, reason_phrase};
use crate::text::Text;

/// Bytes that did not become a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// A request that can be told so.
    Refused(Box<Refusal>),
    /// Anything else; count it and say nothing.
    Dropped(Drop),
}

/// A request that is refused before anything else looks at it. Answer without keeping state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub fault: Fault,
    /// What could be read of the request; enough to answer.
    pub request: Headers,
    /// What the answer says besides, such as Allow or Unsupported.
    pub extra: Headers,
}

impl Refusal {
    /// The answer, with this tag on To unless there is one or To cannot be read.
    pub fn response(&self, tag: impl Into<Text>) -> Response {
        let mut response = Response::to(&self.request, self.fault.status());
        response.headers.set_to_tag(tag);
        response.headers.extend(self.extra.iter());
        if self.fault.status() == 400 {
            response.reason = Text::from(format!("Bad Request: {}", self.fault));
        }
        response
    }
}

/// What a request does wrong, or asks in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The first line is not `METHOD URI VERSION` with single spaces.
    StartLine,
    /// Another version than 2.0.
    Version,
    /// A Request-URI beyond [`crate::uri::MAX_URI`].
    UriTooLong,
    /// A Request-URI that cannot be read, or has what only other URIs may have.
    Uri,
    /// A Request-URI that is neither SIP nor tel.
    Scheme,
    /// A line that is no header: no name, no colon, a line break or NUL where none may be.
    Line,
    /// A line beyond [`super::MAX_LINE`], or more than [`super::MAX_HEADERS`].
    TooLarge,
    /// No empty line ends the head.
    Unterminated,
    /// A header.
    Header(BadHeader),
    /// CSeq names another method.
    MethodMismatch,
    /// The body is not as long as Content-Length says.
    BodyLength,
    /// A method that we know and do not take.
    MethodNotAllowed,
    /// A method that we do not know.
    MethodUnknown,
    /// Extensions that are required and that we do not have.
    Extension,
    /// A body that we cannot read.
    MediaType,
    /// A body that is too long for us.
    BodyTooLarge,
    /// Every body that could answer is unwelcome.
    NotAcceptable,
}

impl Fault {
    /// What to answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::StartLine
            | Self::Uri
            | Self::Line
            | Self::Unterminated
            | Self::Header(_)
            | Self::MethodMismatch
            | Self::BodyLength => 400,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::MediaType => 415,
            Self::Scheme => 416,
            Self::Extension => 420,
            Self::MethodUnknown => 501,
            Self::Version => 505,
            Self::TooLarge => 513,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartLine => f.write_str("malformed request line"),
            Self::Uri => f.write_str("malformed Request-URI"),
            Self::Line => f.write_str("malformed header line"),
            Self::Unterminated => f.write_str("unfinished head"),
            Self::Header(header) if header.name == Name::ContentLength => {
                f.write_str("bad Content-Length")
            }
            Self::Header(header) => header.fmt(f),
            Self::MethodMismatch => f.write_str("CSeq names another method"),
            Self::BodyLength => f.write_str("body shorter than Content-Length"),
            other => f.write_str(reason_phrase(other.status())),
        }
    }
}

counted! {
    /// Why bytes that were to be SIP were passed over in silence.
    pub enum Drop {
        /// Line breaks alone, which keep a binding of a NAT open (RFC 3261 §7.5, RFC 5626 §3.5).
        KeepAlive = "keep_alive",
        /// Longer than [`super::MAX_MESSAGE`].
        TooLarge = "too_large",
        /// No request and no response.
        Garbage = "garbage",
        /// A bad request without the headers that an answer needs.
        Unanswerable = "unanswerable",
        /// A bad ACK, which nothing answers.
        BadAck = "bad_ack",
        /// A bad response, which nothing answers.
        BadResponse = "bad_response",
    }
}
