//! What the endpoints count.

use std::sync::atomic::{AtomicU64, Ordering};

use offhook_types::counted;
use offhook_types::counters::{Counted, Counters};

counted! {
    /// Why a packet, message or connection was not taken.
    pub enum Drop {
        /// As many connections as the endpoint allows, or as may be waiting to join.
        ConnectionLimit = "connection_limit",
        /// As many connections from one address as allowed.
        AddressLimit = "address_limit",
        /// The handshake failed or took too long.
        Handshake = "handshake",
        /// A datagram without flow or packet.
        Malformed = "malformed",
        /// A flow that the client did not announce.
        UnknownFlow = "unknown_flow",
        /// A packet under another SSRC than its flow has, or RTP where RTCP belongs.
        ForeignStream = "foreign_stream",
        /// Media before the client was in a room.
        NotJoined = "not_joined",
        /// The worker does not keep up with what arrives.
        TunnelFull = "tunnel_full",
        /// Datagrams that waited for us longer than the receive buffer reaches.
        ReceiveBufferFull = "receive_buffer_full",
        /// A packet from the worker for a connection that is gone.
        ConnectionGone = "connection_gone",
        /// A packet from the worker of a stream that no flow was assigned to.
        NoFlow = "no_flow",
        /// Waited in the send buffer longer than it is worth sending.
        SendLate = "send_late",
        /// The send buffer was full; its oldest packet went.
        SendBufferFull = "send_buffer_full",
        /// Longer than a datagram of this path, and no stream was free to carry it.
        SendTooLong = "send_too_long",
    }
}

counted! {
    /// What happened how often.
    pub enum Count {
        /// Connections that came to be, the handshake finished.
        Connections = "connections",
        /// First packets that were answered by the demand to prove the address.
        Retries = "retries",
        /// Connections whose client came back under another address.
        Migrations = "migrations",
        /// RTP and RTCP packets from clients to workers.
        PacketsReceived = "packets_received",
        /// RTP and RTCP packets from workers to clients, in datagrams.
        PacketsSent = "packets_sent",
        /// Of these, packets that had to wait in the send buffer.
        PacketsQueued = "packets_queued",
        /// Packets that took a stream because they are longer than a datagram of their path.
        PacketsInStreams = "packets_in_streams",
        /// Session messages from clients.
        MessagesReceived = "messages_received",
        /// Session messages to clients.
        MessagesSent = "messages_sent",
    }
}

/// A copy of everything counted, summed over the endpoints.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What was not taken, by reason.
    pub drops: Counters<Drop>,
    /// Everything else that is counted.
    pub counts: Counters<Count>,
    /// Connections now.
    pub connections: u64,
    /// Of these, in a room.
    pub joined: u64,
}

/// Counters of one endpoint, added to by its tasks and by sessions.
pub(crate) struct Figures {
    drops: Vec<AtomicU64>,
    counts: Vec<AtomicU64>,
}

impl Default for Figures {
    fn default() -> Self {
        let zeros = |many: usize| (0..many).map(|_| AtomicU64::new(0)).collect();
        Self { drops: zeros(Drop::ALL.len()), counts: zeros(Count::ALL.len()) }
    }
}

impl Figures {
    pub(crate) fn drop_many(&self, reason: Drop, many: u64) {
        self.drops[reason.index()].fetch_add(many, Ordering::Relaxed);
    }

    pub(crate) fn drop_one(&self, reason: Drop) {
        self.drop_many(reason, 1);
    }

    pub(crate) fn count(&self, what: Count) {
        self.counts[what.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, snapshot: &mut Snapshot) {
        for &reason in Drop::ALL {
            let many = self.drops[reason.index()].load(Ordering::Relaxed);
            snapshot.drops.add_many(reason, many);
        }
        for &what in Count::ALL {
            let many = self.counts[what.index()].load(Ordering::Relaxed);
            snapshot.counts.add_many(what, many);
        }
    }
}
