//! Requests and responses (RFC 3261 §7) as values.
//!
//! They come from [`crate::parse`] and go back to bytes with [`Message::to_bytes`]. What is printed
//! is canonical: full header names, one header a line, never folded, Content-Length always that of
//! the body.

mod body;
mod method;

use crate::header::{Headers, Name};
use crate::text::Text;
use crate::uri::Uri;

pub(crate) use body::part;
pub use method::Method;

/// One SIP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Asks.
    Request(Request),
    /// Answers.
    Response(Response),
}

/// What a user agent asks of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For what.
    pub method: Method,
    /// Of whom: the Request-URI.
    pub uri: Uri,
    /// In order.
    pub headers: Headers,
    /// May be any bytes.
    pub body: Vec<u8>,
}

/// What a user agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// For people; may be empty.
    pub reason: Text,
    /// In order.
    pub headers: Headers,
    /// May be any bytes.
    pub body: Vec<u8>,
}

impl Message {
    /// The headers of either.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The headers of either, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The body of either.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Vec::new() }
    }

    /// A response with the headers that every response copies: Via, From, To, Call-ID and CSeq, and
    /// Timestamp on a 100 (RFC 3261 §8.2.6). The tag of To is the caller's to add, with
    /// [`Headers::set_to_tag`].
    pub fn response(&self, status: u16) -> Response {
        Response::to(&self.headers, status)
    }

    /// The body of this type: the whole one, or the first such part of several (RFC 5621 §3). Trunks that
    /// carry ISUP send it beside the description.
    pub fn part(&self, kind: &str, subtype: &str) -> Option<&[u8]> {
        body::part(&self.headers, &self.body, (kind, subtype))
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::print::request(self)
    }
}

impl Response {
    /// A response to the request with these headers, with the usual reason phrase.
    pub fn to(request: &Headers, status: u16) -> Self {
        let mut headers = Headers::default();
        for (name, value) in request.iter() {
            let copied = match name {
                Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq => true,
                Name::Timestamp => status == 100,
                _ => false,
            };
            let single = !matches!(name, Name::Via);
            if copied && !(single && headers.get(name).is_some()) {
                headers.push(name.clone(), value);
            }
        }
        Self { status, reason: Text::from(reason_phrase(status)), headers, body: Vec::new() }
    }

    /// 1xx.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of this type: the whole one, or the first such part of several (RFC 5621 §3).
    pub fn part(&self, kind: &str, subtype: &str) -> Option<&[u8]> {
        body::part(&self.headers, &self.body, (kind, subtype))
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::print::response(self)
    }
}

/// What the standards call a status (RFC 3261 §21 and later ones); for one that they do not know, its
/// class.
pub fn reason_phrase(status: u16) -> &'static str {
    PHRASES.iter().find(|(code, _)| *code == status).map_or_else(
        || match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
        |(_, phrase)| phrase,
    )
}

const PHRASES: &[(u16, &str)] = &[
    (100, "Trying"),
    (180, "Ringing"),
    (181, "Call Is Being Forwarded"),
    (182, "Queued"),
    (183, "Session Progress"),
    (199, "Early Dialog Terminated"),
    (200, "OK"),
    (202, "Accepted"),
    (204, "No Notification"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (305, "Use Proxy"),
    (380, "Alternative Service"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (410, "Gone"),
    (412, "Conditional Request Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Unsupported URI Scheme"),
    (420, "Bad Extension"),
    (421, "Extension Required"),
    (422, "Session Interval Too Small"),
    (423, "Interval Too Brief"),
    (428, "Use Identity Header"),
    (429, "Provide Referrer Identity"),
    (433, "Anonymity Disallowed"),
    (436, "Bad Identity Info"),
    (437, "Unsupported Credential"),
    (438, "Invalid Identity Header"),
    (439, "First Hop Lacks Outbound Support"),
    (469, "Bad Info Package"),
    (470, "Consent Needed"),
    (480, "Temporarily Unavailable"),
    (481, "Call/Transaction Does Not Exist"),
    (482, "Loop Detected"),
    (483, "Too Many Hops"),
    (484, "Address Incomplete"),
    (485, "Ambiguous"),
    (486, "Busy Here"),
    (487, "Request Terminated"),
    (488, "Not Acceptable Here"),
    (489, "Bad Event"),
    (491, "Request Pending"),
    (493, "Undecipherable"),
    (494, "Security Agreement Required"),
    (500, "Server Internal Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Server Time-out"),
    (505, "Version Not Supported"),
    (513, "Message Too Large"),
    (580, "Precondition Failure"),
    (600, "Busy Everywhere"),
    (603, "Decline"),
    (604, "Does Not Exist Anywhere"),
    (606, "Not Acceptable"),
    (607, "Unwanted"),
    (608, "Rejected"),
];
