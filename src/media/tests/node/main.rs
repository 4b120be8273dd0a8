//! The node as its peers and its control plane see it: real sockets on loopback, clients made of the other side of
//! `offhook-rtc`. Waiting is on events and packets, with a deadline.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod allocation;
mod bridge;
mod ceiling;
mod client;
mod congestion;
mod connect;
mod data;
mod forward;
mod hostile;
mod overload;
mod paths;
mod relay;
mod repair;
mod stepped;
mod streams;
mod tunnel;
mod wire;
mod world;
