//! What tracks carry: frames and talk in the shapes that real encoders give them, with stamps inside and
//! nothing to see. [`Feed`] is a published track on its clock; [`Picture`] makes the frames of one of its
//! layers, [`Voice`] the packets of a microphone.

mod allowance;
mod feed;
mod h264;
mod picture;
mod voice;
mod vp8;

pub(crate) use allowance::OVERHEAD;
pub use feed::{Feed, Piece};
pub use picture::Picture;
pub use voice::{Talk, Voice};
