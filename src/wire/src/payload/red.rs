//! Redundant audio (RFC 2198): finding the primary block, so that a receiver without RED can be
//! served.

use crate::cursor::Reader;
use crate::{Malformed, Parsed};

/// The newest block of a redundant payload and its payload type.
pub fn primary(payload: &[u8]) -> Parsed<(u8, &[u8])> {
    let mut reader = Reader::new(payload);
    let mut redundant = 0usize;
    // Every turn consumes a header.
    let payload_type = loop {
        let first = reader.u8()?;
        if first & 0x80 == 0 {
            break first;
        }
        // Fourteen bits of timestamp offset, ten bits of length.
        redundant += (reader.u24()? & 0x3ff) as usize;
    };
    reader.take(redundant).map_err(|_| Malformed::Length)?;
    Ok((payload_type, reader.rest()))
}
