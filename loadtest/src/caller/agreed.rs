//! What the server and we agreed on, by descriptions or as it said.

use std::collections::HashMap;

use offhook_types::media::Extensions;
use offhook_types::{Codec, Mid, PayloadType, Ssrc};

use super::transport::peer::Remote;
use super::transport::quic::Flows;

/// One transport's agreement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreed {
    /// The server's half of a peer connection; nothing over QUIC.
    pub remote: Option<Remote>,
    /// Over QUIC, the flows of the server's streams.
    pub flows: Flows,
    /// Header extension ids.
    pub extensions: Extensions,
    /// Codecs by payload type.
    pub codecs: Vec<(PayloadType, Codec)>,
    /// Retransmissions: their payload type and the one whose packets they repeat.
    pub rtx: Vec<(PayloadType, PayloadType)>,
    /// Streams of retransmissions, and whose they are, where the description says.
    pub repairs: HashMap<Ssrc, Ssrc>,
    /// Sections in which the server takes what we send.
    pub taken: Vec<Mid>,
    /// The server wants to know when packets came.
    pub transport_feedback: bool,
}

impl Agreed {
    /// The payload type of a codec.
    pub fn payload_type(&self, codec: Codec) -> Option<PayloadType> {
        self.codecs.iter().find(|(_, other)| *other == codec).map(|(number, _)| *number)
    }

    /// The payload type of a codec's retransmissions.
    pub fn rtx_type(&self, codec: Codec) -> Option<PayloadType> {
        let media = self.payload_type(codec)?;
        self.rtx.iter().find(|(_, of)| *of == media).map(|(number, _)| *number)
    }

    /// The codec of a payload type.
    pub fn codec(&self, number: PayloadType) -> Option<Codec> {
        self.codecs.iter().find(|(other, _)| *other == number).map(|(_, codec)| *codec)
    }

    /// The media payload type whose packets this one repeats.
    pub fn repeated(&self, number: PayloadType) -> Option<PayloadType> {
        self.rtx.iter().find(|(other, _)| *other == number).map(|(_, of)| *of)
    }
}
