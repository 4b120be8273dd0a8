//! Messages on a stream (RFC 3261 §18.3): where one ends is what Content-Length says and nothing else,
//! so that a request inside a body is never taken for a message.
//!
//! Bytes go in with [`Framing::feed`], whole messages come out of [`Framing::poll`] for
//! [`crate::parse::framed`]. A stream whose place is lost cannot be found again: after a fatal flaw
//! nothing more comes out, and the connection is to be closed.

use crate::header::Name;
use crate::parse::{MAX_HEADERS, MAX_LINE, MAX_MESSAGE, header_of, is_clean, unfolded};
use crate::scan;

/// Who opened the connection. Only that side sends pings (RFC 5626 §3.5.1), which decides what a lone
/// line break means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We did: a line break is a pong.
    Opened,
    /// The peer did: two line breaks are a ping.
    Accepted,
}

/// What came off the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One message, head and body.
    Message(Vec<u8>),
    /// Is to be answered with [`PONG`].
    Ping,
    /// Answers our [`PING`].
    Pong,
}

/// Sent by the side that opened the connection to keep it open.
pub const PING: &[u8] = b"\r\n\r\n";
/// Answers a ping.
pub const PONG: &[u8] = b"\r\n";

/// Why a stream is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A head without Content-Length, which a stream must have (RFC 3261 §20.14).
    #[error("message on a stream without Content-Length")]
    NoLength,
    /// A Content-Length that is no number, or two of them.
    #[error("message on a stream with a bad Content-Length")]
    BadLength,
    /// A line break alone, NUL, or a line that is no header: others may see other lines there.
    #[error("message on a stream with a malformed head")]
    BadHead,
    /// Beyond the limits of [`crate::parse`].
    #[error("message on a stream is too large")]
    TooLarge,
}

/// The reader of one connection. Holds at most [`MAX_MESSAGE`] bytes and what one read brought.
#[derive(Debug)]
pub struct Framing {
    side: Side,
    buffer: Vec<u8>,
    /// How much of the buffer is taken already.
    start: usize,
    /// Where to look on for the end of the head; nothing before it ends one.
    searched: usize,
    /// Length of the message in front, once its head is read.
    whole: Option<usize>,
    /// One line break of a ping has come.
    half_ping: bool,
    broken: Option<Broken>,
}

impl Framing {
    /// At the beginning of a connection.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            whole: None,
            half_ping: false,
            broken: None,
        }
    }

    /// Take bytes off the connection. Poll until there is nothing before feeding again. On a broken
    /// stream they are thrown away.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
            self.buffer.extend(bytes);
        }
    }

    /// The next message or keep-alive; `None` until more bytes come.
    pub fn poll(&mut self) -> Result<Option<Frame>, Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        self.next().inspect_err(|&broken| {
            self.broken = Some(broken);
            self.buffer = Vec::new();
            self.start = 0;
        })
    }

    /// Some of a message has come and the rest has not: worth a timeout.
    pub fn is_inside(&self) -> bool {
        self.start < self.buffer.len()
    }

    fn next(&mut self) -> Result<Option<Frame>, Broken> {
        if self.whole.is_none() {
            if let Some(keep_alive) = self.keep_alive() {
                return Ok(Some(keep_alive));
            }
            match self.find_length()? {
                Some(whole) => self.whole = Some(whole),
                None => return Ok(None),
            }
        }
        let whole = self.whole.unwrap_or_default();
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(message) = rest.get(..whole) else { return Ok(None) };
        let message = message.to_vec();
        self.start += whole;
        self.searched = 0;
        self.whole = None;
        Ok(Some(Frame::Message(message)))
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        while self.rest().starts_with(PONG) {
            self.start += PONG.len();
            self.searched = 0;
            if self.side == Side::Opened {
                return Some(Frame::Pong);
            }
            self.half_ping = !self.half_ping;
            if !self.half_ping {
                return Some(Frame::Ping);
            }
        }
        if !self.rest().is_empty() && self.rest() != b"\r" {
            self.half_ping = false;
        }
        None
    }

    /// Length of the message in front, if its head is there.
    fn find_length(&mut self) -> Result<Option<usize>, Broken> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let unseen = rest.get(self.searched..).unwrap_or_default();
        let Some(found) = crate::parse::end_of_head(unseen) else {
            if rest.len() > MAX_MESSAGE {
                return Err(Broken::TooLarge);
            }
            self.searched = rest.len().saturating_sub(3);
            return Ok(None);
        };
        let end = self.searched + found;
        let body = content_length(rest.get(..end).unwrap_or_default())?;
        let whole = end.saturating_add(4).saturating_add(body);
        if whole > MAX_MESSAGE { Err(Broken::TooLarge) } else { Ok(Some(whole)) }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}

fn content_length(head: &[u8]) -> Result<usize, Broken> {
    let mut length = None;
    for (index, line) in unfolded(head).enumerate() {
        if line.len() > MAX_LINE || index > MAX_HEADERS {
            return Err(Broken::TooLarge);
        }
        if !is_clean(&line) {
            return Err(Broken::BadHead);
        }
        if index == 0 {
            continue;
        }
        let (name, value) = header_of(&line).ok_or(Broken::BadHead)?;
        if name == Name::ContentLength {
            let number = scan::number(value).ok_or(Broken::BadLength)?;
            if length.replace(number).is_some() {
                return Err(Broken::BadLength);
            }
        }
    }
    let length = length.ok_or(Broken::NoLength)?;
    usize::try_from(length).map_err(|_| Broken::TooLarge)
}

#[cfg(test)]
mod tests;
