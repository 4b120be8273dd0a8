//! Which packet goes to whom with which numbers. A [`Router`] is one room on one worker:
//! publishers' packets go in as [`Inbound`], each subscriber's come out as [`Outgoing`], renumbered
//! so that a receiver sees one unbroken stream whatever happens to layers behind it.
//!
//! It knows no user, socket, clock or key: receivers are numbers that the caller chose, time is
//! passed in, and packets are written and encrypted by the caller. Nothing is allocated per packet;
//! a subscription's memory is taken when it starts.

#![deny(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod allocate;
mod audience;
mod ceiling;
mod index;
mod mapping;
mod meter;
mod munge;
mod packet;
mod router;
mod speaker;
mod stage;
mod subscription;
mod track;

pub use packet::{Carried, Inbound, Kept, Outgoing, Patch};
pub use router::{
    Config, Drop, Full, Origin, Pause, Refusal, Report, Resend, Router, RtxStream, TrackSpec,
};
