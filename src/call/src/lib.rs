//! The brain of the control plane: which calls exist, who is rung, who may see what in a room.
//! Machines without clock, socket, thread or store: they are handed the time and an input, and
//! answer with effects as values.
//!
//! It knows no protocol (the doors in `signaling` translate) and sees no packet. Start at
//! [`calls::Calls`] for calls between people and at [`room`] for what happens once they meet.

#![deny(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod calls;
pub mod cause;
pub mod effect;
pub mod input;
pub mod record;
pub mod room;

pub use calls::{Calls, Config, Stats};
pub use cause::{Cause, Refusal};
pub use effect::{Direction, Effect, Event, RecordStep, Seating, Snapshot, State, Venue};
pub use input::{By, Input, Place, Reach, Reply};
pub use record::{Caller, Ending, Media, Party, Record, Via};
