//! The AV1 aggregation header (AOMedia RTP payload format §4.4).

use crate::Parsed;
use crate::cursor::Reader;

/// One packet's aggregation header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Description {
    /// The first element continues one from the previous packet (Z).
    pub continues: bool,
    /// The last element goes on in the next packet (Y).
    pub continued: bool,
    /// First packet of a coded video sequence (N): a key frame starts here.
    pub key_frame: bool,
}

impl Description {
    /// Read the aggregation header of a payload.
    #[inline]
    pub fn parse(payload: &[u8]) -> Parsed<Self> {
        let first = Reader::new(payload).u8()?;
        let continues = first & 0x80 != 0;
        Ok(Self {
            continues,
            continued: first & 0x40 != 0,
            // §4.4: N set means Z is not; a packet that says both starts nothing.
            key_frame: first & 0x08 != 0 && !continues,
        })
    }
}
