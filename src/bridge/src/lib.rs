//! Phone media: the bridge between a carrier's RTP and a room's relay leg. Start at [`Bridge`], the
//! machine of one phone leg, without clock or socket; [`Bridges`] is the runtime that gives many of
//! them sockets and time. [`words`] has what the gateway says to a bridge and hears from it.
//!
//! A bridge knows neither SIP nor money, and it never sends to an address that was not signaled or
//! that an authentic packet did not come from.

#![deny(missing_docs)]

mod carrier;
pub mod codec;
mod conceal;
mod count;
mod dtmf;
mod jitter;
mod latch;
mod machine;
mod mix;
mod noise;
mod outbox;
mod playout;
mod protection;
mod quality;
mod reports;
mod room;
pub mod runtime;
mod stream;
mod stretch;
mod tone;
pub mod words;

pub use count::Count;
pub use machine::{Bridge, Output, Port};
pub use runtime::{Bridges, Config, Handle, Notice};
pub use tone::Announcements;
pub use words::{
    Carrier, Event, Events, Figures, Format, Latch, Opened, Options, Order, PhoneCodec, Play,
    Refused, Report, RtcpPath, Sdes, Side, Sound, Tone,
};
