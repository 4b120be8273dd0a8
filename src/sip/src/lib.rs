//! One user agent's protocol life in SIP (RFC 3261): messages, transactions, dialogs, registration,
//! authentication, timers. Machines without socket or clock; it knows no money and no media packet.
//!
//! Bytes become a [`message::Message`] in [`parse`] (after [`framing`] on a stream) and nowhere else.

#![deny(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod agent;
pub mod auth;
pub mod cause;
pub mod dialog;
pub mod framing;
pub mod header;
mod invite;
pub mod message;
pub mod parse;
mod ping;
mod print;
mod register;
mod scan;
pub mod target;
pub mod text;
pub mod transaction;
pub mod uri;
