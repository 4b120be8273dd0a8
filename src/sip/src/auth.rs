//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), both sides.
//!
//! [`Client`] answers challenges; [`Challenger`] makes them and judges the answers without keeping a
//! nonce that nobody has used. Neither shows a secret in its `Debug`.

mod challenge;
mod challenger;
mod client;
mod digest;

pub use challenge::{Challenge, Qop};
pub use challenger::{Challenger, Denied};
pub use client::{Client, Credentials, NoAnswer};
pub use digest::Algorithm;

#[cfg(test)]
mod tests;
