//! What a worker counts. Each thread owns its counters and publishes a copy a few times a second; a [`Snapshot`] is
//! the sum of the copies.

use offhook_types::counted;
use offhook_types::counters::{Counted, Counters};
use offhook_types::media::{DtlsVersion, SrtpProfile};

counted! {
    /// Why a packet, or something asked for, was not processed.
    pub enum Drop {
        /// Not STUN, DTLS, RTP or RTCP by its first byte (RFC 7983 §7).
        Unrecognized = "unrecognized",
        /// Media or DTLS from an address that neither a connectivity check nor the control plane vouched for.
        UnknownAddress = "unknown_address",
        /// A STUN message that does not parse or has a wrong fingerprint.
        StunMalformed = "stun_malformed",
        /// A STUN message that names no leg of ours.
        StunUnknownUser = "stun_unknown_user",
        /// A STUN message without valid integrity, or of a kind that a lite agent does not take.
        StunRefused = "stun_refused",
        /// The association thread does not keep up.
        DtlsQueueFull = "dtls_queue_full",
        /// More DTLS datagrams from one peer than a data channel needs.
        DtlsRate = "dtls_rate",
        /// DTLS from the address of a relay leg, which was given its keys.
        DtlsRefused = "dtls_refused",
        /// As many handshakes are in progress as the node allows.
        HandshakeLimit = "handshake_limit",
        /// Media before the keys were there.
        NoKeys = "no_keys",
        /// More packets or bits a second than one leg may send.
        LegRate = "leg_rate",
        /// Longer than a packet slot.
        TooLong = "too_long",
        /// Does not parse as RTP.
        RtpMalformed = "rtp_malformed",
        /// RTP that does not authenticate.
        RtpForged = "rtp_forged",
        /// RTP received before, or older than the replay window.
        RtpReplayed = "rtp_replayed",
        /// RTP of a stream that no negotiated track has.
        RtpUnknownStream = "rtp_unknown_stream",
        /// RTP with a payload type that was not negotiated.
        RtpUnknownPayloadType = "rtp_unknown_payload_type",
        /// Only padding, sent to probe the way to us.
        Padding = "padding",
        /// A retransmission that is too short, or of no known stream.
        RtxMalformed = "rtx_malformed",
        /// Does not parse as RTCP.
        RtcpMalformed = "rtcp_malformed",
        /// RTCP that does not authenticate.
        RtcpForged = "rtcp_forged",
        /// RTCP received before, or older than the replay window.
        RtcpReplayed = "rtcp_replayed",
        /// Another worker handed over a packet of a track that nobody here receives any more.
        HandoffStale = "handoff_stale",
        /// RTCP that was too long, or not encrypted.
        RtcpRefused = "rtcp_refused",
        /// Every packet slot is taken.
        NoSlot = "no_slot",
        /// Another worker does not keep up with what is handed to it.
        HandoffFull = "handoff_full",
        /// A packet came out longer than a datagram may be.
        HeaderTooLong = "header_too_long",
        /// Encryption failed: more packets than one key may protect.
        ProtectFailed = "protect_failed",
        /// The leg's path vanished while packets for it waited.
        NoPath = "no_path",
        /// The kernel's send buffer is full.
        SendBufferFull = "send_buffer_full",
        /// The kernel refused to send: unreachable, filtered.
        SendFailed = "send_failed",
        /// The transport at the other end of the tunnel does not keep up.
        TunnelFull = "tunnel_full",
        /// The tunnel brought a packet of a leg that is gone.
        TunnelStray = "tunnel_stray",
        /// A receiver asked for a packet that is no longer, or never was, kept.
        ResendGone = "resend_gone",
        /// A receiver asks for more retransmissions than its share.
        ResendRate = "resend_rate",
        /// A pacer's queue, or the worker's room for such, is full.
        PacerFull = "pacer_full",
        /// It waited too long in a pacer's queue.
        PacerLate = "pacer_late",
        /// Transport-wide feedback about a packet that was never sent, is forgotten, or was told of before.
        FeedbackUnknown = "feedback_unknown",
        /// A data message for a channel that is not open, or of a leg that is gone.
        DataNotOpen = "data_not_open",
        /// A data message longer than allowed, or more than the lossy channel takes now.
        DataRefused = "data_refused",
        /// A command about something that is gone, or beyond a limit.
        CommandStale = "command_stale",
        /// A stream too many: of its address, of those that have proved nothing, or of all.
        StreamLimit = "stream_limit",
        /// A stream that carries no frames that begin with a check, nor TURN.
        StreamMalformed = "stream_malformed",
        /// A stream whose first check names no leg of ours.
        StreamUnknownUser = "stream_unknown_user",
        /// A stream that proved nothing in time, or took nothing for long.
        StreamTimeout = "stream_timeout",
        /// TLS that failed, or that there is no certificate for.
        StreamTls = "stream_tls",
        /// A message of a TURN client without effect.
        StreamTurn = "stream_turn",
        /// Video for a stream that does not take as much as there is.
        StreamVideo = "stream_video",
        /// Something else for such a stream.
        StreamFull = "stream_full",
        /// Packets between a stream and its worker that one side did not take in time.
        StreamBehind = "stream_behind",
        /// Video left out before it was read, because the worker cannot do all that is asked of it.
        Overload = "overload",
        /// Datagrams that arrived faster than a worker took them, counted by the kernel.
        ReceiveBufferFull = "receive_buffer_full",
    }
}

counted! {
    /// What happened how often.
    pub enum Count {
        /// Datagrams received.
        DatagramsReceived = "datagrams_received",
        /// Bytes received, headers of UDP and IP excluded.
        BytesReceived = "bytes_received",
        /// Calls of recvmmsg that brought something.
        ReceiveCalls = "receive_calls",
        /// Messages received, each one datagram or several that the kernel merged.
        MessagesReceived = "messages_received",
        /// Media packets that authenticated.
        RtpReceived = "rtp_received",
        /// Control packets that authenticated.
        RtcpReceived = "rtcp_received",
        /// Media packets put on the wire for receivers, retransmissions included.
        PacketsForwarded = "packets_forwarded",
        /// Bytes of these packets, headers of UDP and IP excluded.
        BytesForwarded = "bytes_forwarded",
        /// Calls of sendmmsg.
        SendCalls = "send_calls",
        /// Messages sent, each one datagram or a run that the kernel or card segments.
        MessagesSent = "messages_sent",
        /// Runs of more than one datagram among these.
        SegmentedRuns = "segmented_runs",
        /// Runs that had to be sent packet by packet because they exceed the path's MTU.
        SegmentationRefused = "segmentation_refused",
        /// Packets handed to another worker.
        Handoffs = "handoffs",
        /// Turns of the loop that slept before.
        Sleeps = "sleeps",
        /// Packets that receivers reported missing.
        NacksReceived = "nacks_received",
        /// Packets sent again.
        Resent = "resent",
        /// Packets kept for retransmission that made room for new ones.
        PacketsForgotten = "packets_forgotten",
        /// Packets asked of publishers again.
        NacksSent = "nacks_sent",
        /// Key frame requests from receivers.
        KeyFramesWanted = "key_frames_wanted",
        /// Key frame requests sent to publishers.
        KeyFramesRequested = "key_frames_requested",
        /// Publishers told to send less, or more again, because that is what their receivers can be given.
        CeilingsSet = "ceilings_set",
        /// Publishers told that they may send what they like again.
        CeilingsLifted = "ceilings_lifted",
        /// Transport-wide feedback messages sent.
        FeedbackSent = "feedback_sent",
        /// Transport-wide feedback messages received.
        FeedbackReceived = "feedback_received",
        /// Packets that pacers held back.
        Held = "held",
        /// Packets of padding sent for probes.
        PaddingSent = "padding_sent",
        /// Legs opened.
        LegsOpened = "legs_opened",
        /// Legs that got keys.
        LegsUp = "legs_up",
        /// Legs ended.
        LegsDown = "legs_down",
        /// Handshakes begun.
        HandshakesStarted = "handshakes_started",
        /// Handshakes that failed.
        HandshakesFailed = "handshakes_failed",
        /// Relay legs that came up, under keys that the control plane gave.
        LegsKeyed = "legs_keyed",
        /// Legs that came up in a tunnel.
        LegsTunnelled = "legs_tunnelled",
        /// Packets that arrived through tunnels.
        DatagramsTunnelled = "datagrams_tunnelled",
        /// Legs that agreed on DTLS 1.2.
        Dtls12 = "dtls_12",
        /// Legs that agreed on DTLS 1.3.
        Dtls13 = "dtls_13",
        /// Legs that agreed on AEAD_AES_256_GCM.
        SrtpAes256Gcm = "srtp_aes_256_gcm",
        /// Legs that agreed on AEAD_AES_128_GCM.
        SrtpAes128Gcm = "srtp_aes_128_gcm",
        /// Legs that agreed on AES128_CM_SHA1_80.
        SrtpAes128CmSha1 = "srtp_aes128_cm_sha1_80",
        /// Data messages from peers.
        MessagesFromPeers = "messages_from_peers",
        /// Data messages to peers.
        MessagesToPeers = "messages_to_peers",
        /// Legs that moved to another address, after it had answered a check of ours.
        PathsMoved = "paths_moved",
        /// Checks of our own, to addresses that a live leg was to move to.
        PathsAsked = "paths_asked",
        /// Streams accepted.
        StreamsAccepted = "streams_accepted",
        /// Streams that led to a leg, or were allowed to use TURN.
        StreamsProven = "streams_proven",
        /// Of these, under TLS.
        StreamsTls = "streams_tls",
        /// Streams closed, by either side.
        StreamsClosed = "streams_closed",
        /// Packets from streams.
        StreamPacketsIn = "stream_packets_in",
        /// Packets to streams.
        StreamPacketsOut = "stream_packets_out",
    }
}

/// A copy of everything counted, summed over the threads. Counts only grow; the rest are levels at this moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Packets and requests not processed, by reason.
    pub drops: Counters<Drop>,
    /// Everything else that is counted.
    pub counts: Counters<Count>,
    /// Packets that routing gave to nobody, or not to a receiver who would have had them.
    pub routing: Counters<offhook_sfu::Drop>,
    /// DTLS datagrams without effect.
    pub handshake: Counters<offhook_rtc::dtls::Drop>,
    /// Data channel packets and messages thrown away.
    pub channels: Counters<offhook_rtc::sctp::Drop>,
    /// Legs open.
    pub legs: u64,
    /// Rooms with a leg, counted once per worker.
    pub rooms: u64,
    /// Tracks published.
    pub tracks: u64,
    /// Tracks forwarded, one per receiver.
    pub egress: u64,
    /// Handshakes in progress.
    pub handshakes: u64,
    /// Packet slots free now.
    pub free_slots: u64,
    /// Thousandths of a core that the workers used lately, in all.
    pub busy: u64,
    /// Streams open.
    pub streams: u64,
    /// Legs with an estimate of what they may be sent.
    pub estimated: u64,
    /// Of these, legs that may be sent less than they want.
    pub narrow: u64,
}

impl Snapshot {
    /// Add another thread's figures to these.
    pub fn merge(&mut self, other: &Self) {
        self.drops.merge(&other.drops);
        self.counts.merge(&other.counts);
        self.routing.merge(&other.routing);
        self.handshake.merge(&other.handshake);
        self.channels.merge(&other.channels);
        self.legs = self.legs.saturating_add(other.legs);
        self.rooms = self.rooms.saturating_add(other.rooms);
        self.tracks = self.tracks.saturating_add(other.tracks);
        self.egress = self.egress.saturating_add(other.egress);
        self.handshakes = self.handshakes.saturating_add(other.handshakes);
        self.free_slots = self.free_slots.saturating_add(other.free_slots);
        self.busy = self.busy.saturating_add(other.busy);
        self.streams = self.streams.saturating_add(other.streams);
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.narrow = self.narrow.saturating_add(other.narrow);
    }

    /// Become a copy without allocating.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        copy(&mut self.drops, &other.drops);
        copy(&mut self.counts, &other.counts);
        copy(&mut self.routing, &other.routing);
        copy(&mut self.handshake, &other.handshake);
        copy(&mut self.channels, &other.channels);
        (self.legs, self.rooms, self.tracks) = (other.legs, other.rooms, other.tracks);
        (self.egress, self.handshakes) = (other.egress, other.handshakes);
        (self.free_slots, self.busy) = (other.free_slots, other.busy);
        self.streams = other.streams;
        (self.estimated, self.narrow) = (other.estimated, other.narrow);
    }
}

fn copy<T: Counted>(to: &mut Counters<T>, from: &Counters<T>) {
    for (what, many) in from.iter() {
        to.add_many(what, many.wrapping_sub(to.get(what)));
    }
}

impl Count {
    pub(crate) fn of_version(version: Option<DtlsVersion>) -> Self {
        match version {
            Some(DtlsVersion::V12) => Self::Dtls12,
            Some(DtlsVersion::V13) => Self::Dtls13,
            None => Self::LegsKeyed,
        }
    }

    pub(crate) fn of_profile(profile: SrtpProfile) -> Self {
        match profile {
            SrtpProfile::AeadAes256Gcm => Self::SrtpAes256Gcm,
            SrtpProfile::AeadAes128Gcm => Self::SrtpAes128Gcm,
            SrtpProfile::Aes128CmSha1_80 | SrtpProfile::Aes128CmSha1_32 => Self::SrtpAes128CmSha1,
        }
    }
}
