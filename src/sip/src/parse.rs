//! Bytes to messages (RFC 3261 §7, with the answers that RFC 4475 and RFC 5118 give to doubts).
//!
//! Whatever is wrong, the reader goes on to the end of the head, so that a bad request can be answered:
//! that takes its Via, From, To, Call-ID and CSeq. What cannot be answered is a [`Drop`].
//! What is right in form may still ask for something that we do not do; [`Screen`] says so.

mod fault;
mod head;
mod screen;

use crate::message::Message;

pub use fault::{Drop, Fault, Refusal, Rejected};
pub use screen::Screen;

pub(crate) use head::{end_of_head, header as header_of, is_clean, lines as unfolded};

/// Longest message read, head and body: what a UDP datagram can carry.
pub const MAX_MESSAGE: usize = 65_535;
/// Longest line of a head, after unfolding. A Via list of 71 hops takes about 6 KiB.
pub const MAX_LINE: usize = 8192;
/// Most headers of a message.
pub const MAX_HEADERS: usize = 200;

/// The message in a datagram (RFC 3261 §18.3): without a Content-Length the body is the rest, a body
/// that is longer than it says is cut, one that is shorter is a fault.
pub fn datagram(bytes: &[u8]) -> Result<Message, Rejected> {
    head::message(bytes, head::Extent::Datagram)
}

/// One message taken off a stream by [`crate::framing`]; its body is exactly what Content-Length said.
pub fn framed(bytes: &[u8]) -> Result<Message, Rejected> {
    head::message(bytes, head::Extent::Stream)
}

#[cfg(test)]
mod tests;
