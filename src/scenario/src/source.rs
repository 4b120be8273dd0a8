//! What tracks carry: frames and talk in the shapes that real encoders give them, with stamps inside and
//! nothing to see. [`Picture`] makes the frames of one video layer, [`Voice`] the packets of one microphone.

mod h264;
mod picture;
mod voice;
mod vp8;

pub use picture::Picture;
pub use voice::{Talk, Voice};
