//! What bridges count.

use offhook_rtc::srtp;
use offhook_types::counted;

counted! {
    /// What a bridge counts: traffic, and every packet that it did not use, with the reason.
    pub enum Count {
        /// A packet of sound or events from a carrier was used.
        FromCarrier = "from_carrier",
        /// A packet of sound from a room was used.
        FromRoom = "from_room",
        /// A packet of sound or events went to a carrier.
        ToCarrier = "to_carrier",
        /// A packet of sound went to a room.
        ToRoom = "to_room",
        /// The system did not take a packet.
        Unsent = "unsent",
        /// A drop: not RTP or RTCP, or damaged.
        Malformed = "malformed",
        /// A drop: from an address that was not signaled and did not authenticate.
        ForeignSource = "foreign_source",
        /// A drop: from the signaled host, but not (yet) a consistent stream.
        Unlatched = "unlatched",
        /// A drop: a payload type that was not agreed.
        PayloadType = "payload_type",
        /// A drop: the tag does not verify.
        Unauthenticated = "unauthenticated",
        /// A drop: seen before, or too old to tell.
        Replayed = "replayed",
        /// A drop: one stream more than is kept apart.
        TooManyStreams = "too_many_streams",
        /// A drop: the first packet of a source while another one is sending.
        Probing = "probing",
        /// A drop: nothing is agreed or connected yet.
        NotReady = "not_ready",
        /// A drop: a stream of the room that the phone does not hear.
        Unheard = "unheard",
        /// A drop: sound that may not come now, on hold.
        OnHold = "on_hold",
        /// A drop: too late to be played.
        Late = "late",
        /// A drop: a second copy.
        Duplicate = "duplicate",
        /// A drop: more than the jitter buffer holds.
        Overflow = "overflow",
        /// A drop: the codec cannot read it.
        Undecodable = "undecodable",
    }
}

impl From<srtp::Drop> for Count {
    fn from(drop: srtp::Drop) -> Self {
        match drop {
            srtp::Drop::Malformed | srtp::Drop::NoSpace => Self::Malformed,
            srtp::Drop::Unauthenticated | srtp::Drop::Unencrypted => Self::Unauthenticated,
            srtp::Drop::Replayed | srtp::Drop::TooOld => Self::Replayed,
            srtp::Drop::TooManySources => Self::TooManyStreams,
        }
    }
}
