//! What a phone call costs, who may make it and which way it goes: decks, rating, routing,
//! authorization, fraud limits, the double-entry ledger, call detail records, reconciliation. Pure:
//! integers only, no clock, no file, no float. It does not know what a room is.
//!
//! Start at [`route`], which turns a dialled number into a decision, and at [`rate`], which turns
//! time into money and money into time.

#![deny(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![deny(clippy::indexing_slicing, clippy::float_arithmetic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod authorize;
pub mod cdr;
pub mod deck;
pub mod fraud;
pub mod ledger;
pub mod number;
pub mod rate;
pub mod reconcile;
pub mod refusal;
pub mod route;
