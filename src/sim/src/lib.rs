//! Whole systems of machines over a virtual network and clock, all drawn from a seed: what happens
//! in a run depends on its number and on nothing else.
//!
//! A run is judged at every step. One that fails says the command that shows it again, step by
//! step.
//! [`calls`] drives the call machine with devices that lose, repeat and reorder, [`sip`] two SIP user
//! agents and a fork over a network that does the same, [`media`] congestion control over a link that
//! narrows, delays and loses. [`rooms`] plays the scenario files of the load tool.

#![deny(missing_docs)]

pub mod calls;
pub mod media;
pub mod rooms;
pub mod sip;

use offhook_types::Time;

/// A run that broke a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which of the systems.
    pub world: &'static str,
    /// The run.
    pub seed: u64,
    /// When in the run.
    pub at: Time,
    /// Which promise, and how.
    pub what: String,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { world, seed, at, what } = self;
        writeln!(f, "seed {seed} at {} ms: {what}", at.as_millis())?;
        write!(f, "replay with: cargo run -p offhook-sim -- --world {world} --seed {seed}")
    }
}
