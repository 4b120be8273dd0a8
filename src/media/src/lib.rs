//! The media node: worker threads that own sockets, and forward encrypted packets between the legs of a room.
//!
//! It glues the sans-IO parts together: `wire` reads packets, `rtc` keeps each leg's transport, `sfu` decides which
//! packet goes to whom with which numbers. Here are the threads, the sockets, the memory that packets live in, and the
//! rings between threads. It knows no user and no SDP. Start at [`Node`]; the loop is in `worker`.

#![deny(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![deny(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod address;
mod association;
mod bucket;
mod clock;
mod config;
mod counters;
mod node;
mod rings;
mod secret;
mod slots;
mod socket;
mod streams;
mod transmit;
mod tunnel;
mod worker;

pub use config::{Config, Limits, StreamTls, Timeouts};
pub use counters::{Count, Drop, Snapshot};
pub use node::{Node, OnEvent, Refused, StartError, SteppedNode};
pub use offhook_rtc::congestion;
pub use offhook_rtc::turn::TurnCredentials;
pub use streams::TlsError;
pub use tunnel::{FromWorker, ToWorker, Tunnel};
