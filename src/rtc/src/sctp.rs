//! The data channels of a leg: SCTP over DTLS (RFC 8831, by `sctp-proto`) and their opening
//! handshake (RFC 8832). Only the two channels of [`DataKind`] carry messages; others are accepted
//! and ignored.
//!
//! What waits here is bounded in both directions: messages by [`Setup::max_message`], unsent bytes
//! by [`Setup::max_buffered`], streams by a constant. A peer that breaks the protocol ends its
//! association, not its leg.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use offhook_types::counted;
use offhook_types::counters::Counters;
use offhook_types::media::{DataKind, DtlsRole};
use offhook_types::time::Time;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier, ServerConfig, StreamEvent, TransportConfig,
};

use dcep::{ChannelType, Message};

mod dcep;

counted! {
    /// What was thrown away.
    pub enum Drop {
        /// Not an SCTP packet of this association.
        Malformed = "malformed",
        /// A message on a channel that means nothing to us.
        UnknownChannel = "unknown_channel",
        /// A message longer than the limit.
        TooLong = "too_long",
        /// A lossy message that found the send buffer full.
        LossyOverflow = "lossy_overflow",
        /// Not a valid channel-opening message.
        BadOpen = "bad_open",
        /// More streams than the limit, which ended the association.
        TooManyChannels = "too_many_channels",
    }
}

/// How to run an association.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The side that we took in DTLS; it decides whose channels have even ids (RFC 8832 §6).
    pub role: DtlsRole,
    /// Open the two channels ourselves.
    pub opens_channels: bool,
    /// Longest message in either direction, in bytes.
    pub max_message: usize,
    /// Most bytes that wait to be sent on one channel.
    pub max_buffered: usize,
    /// The instant that [`Time::ZERO`] stands for.
    pub base: Instant,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The channel is not open yet.
    #[error("the channel is not open")]
    NotOpen,
    /// Longer than the limit.
    #[error("the message is longer than the limit")]
    TooLong,
    /// The reliable channel's buffer is full: the peer does not read.
    #[error("the peer does not read")]
    Full,
    /// The association is over.
    #[error("the association is over")]
    Closed,
}

/// What [`Sctp::poll`] yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this over DTLS.
    Packet(Bytes),
    /// A channel can be sent on from now on.
    Opened(DataKind),
    /// A message from the peer.
    Message {
        /// On which channel.
        kind: DataKind,
        /// As sent.
        payload: Vec<u8>,
    },
    /// The association ended. Comes once; the leg's media is not affected.
    Closed,
}

/// One leg's SCTP association.
pub struct Sctp {
    setup: Setup,
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    channels: Vec<Channel>,
    /// Streams that the peer made and did not reset.
    peer_streams: usize,
    /// The stream that is being read out.
    reading: Option<u16>,
    ready: VecDeque<Output>,
    ended: Ended,
    drops: Counters<Drop>,
}

/// A stream with a label.
struct Channel {
    id: u16,
    /// `None` carries nothing for us.
    kind: Option<DataKind>,
    is_open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    No,
    Untold,
    Told,
}

impl Sctp {
    /// Call once DTLS is connected.
    pub fn new(now: Time, setup: Setup) -> Self {
        let mut endpoint_config = EndpointConfig::new();
        endpoint_config.max_payload_size(MAX_PAYLOAD);
        let mut server = ServerConfig::new();
        server.transport = Arc::new(transport(&setup));
        let mut this = Self {
            setup,
            endpoint: Endpoint::new(Arc::new(endpoint_config), Some(Arc::new(server))),
            association: None,
            channels: Vec::new(),
            peer_streams: 0,
            reading: None,
            ready: VecDeque::new(),
            ended: Ended::No,
            drops: Counters::default(),
        };
        // Every stack sends INIT from the DTLS client; most send it from both sides, and ours then
        // answers theirs.
        if setup.role == DtlsRole::Client {
            this.connect(now);
        }
        this
    }

    fn connect(&mut self, now: Time) {
        let mut config = ClientConfig::new();
        config.transport = Arc::new(transport(&self.setup));
        match self.endpoint.connect(config, ADDRESS.into()) {
            Ok((handle, mut association)) => {
                association.handle_timeout(self.instant(now));
                self.association = Some((handle, association));
            }
            Err(_) => self.ended = Ended::Untold,
        }
        self.endpoint.reject_new_associations();
    }

    /// Takes one packet out of DTLS. Poll afterwards until `None`.
    pub fn handle_packet(&mut self, now: Time, packet: &[u8]) {
        let instant = self.instant(now);
        let data = Bytes::copy_from_slice(packet);
        match self.endpoint.handle(instant, ADDRESS.into(), None, None, data) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                // One association per leg: without this every further INIT would make another.
                self.endpoint.reject_new_associations();
                self.association = Some((handle, association));
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => self.drops.add(Drop::Malformed),
        }
    }

    /// Lets time pass. Poll afterwards until `None`.
    pub fn handle_timeout(&mut self, now: Time) {
        let instant = self.instant(now);
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(instant);
        }
    }

    /// The next output.
    pub fn poll(&mut self, now: Time) -> Option<Output> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Some(output);
            }
            if let Some(id) = self.reading {
                self.read(id);
            } else if let Some(event) = self.association.as_mut().and_then(|(_, a)| a.poll()) {
                self.handle_event(event);
            } else if !self.gather(now) {
                if self.ended != Ended::Untold {
                    return None;
                }
                self.ended = Ended::Told;
                return Some(Output::Closed);
            }
        }
    }

    /// When to call [`Sctp::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Time> {
        let (_, association) = self.association.as_ref()?;
        let since = association.poll_timeout()?.saturating_duration_since(self.setup.base);
        // Rounded up, or the association would be woken before its time.
        Some(Time::ZERO + since + Duration::from_micros(1))
    }

    /// Queues a message. Poll afterwards. A lossy message that finds the buffer full is dropped and
    /// counted.
    pub fn send(&mut self, kind: DataKind, payload: &[u8]) -> Result<(), SendError> {
        if self.ended != Ended::No {
            return Err(SendError::Closed);
        }
        if payload.len() > self.setup.max_message {
            return Err(SendError::TooLong);
        }
        let id = self.open_channel(kind).ok_or(SendError::NotOpen)?;
        if self.buffered(kind).saturating_add(payload.len()) > self.setup.max_buffered {
            if kind == DataKind::Reliable {
                return Err(SendError::Full);
            }
            self.drops.add(Drop::LossyOverflow);
            return Ok(());
        }
        let (_, association) = self.association.as_mut().ok_or(SendError::NotOpen)?;
        let mut stream = association.stream(id).map_err(|_| SendError::NotOpen)?;
        // A message without bytes cannot be sent: it becomes one byte under a type of its own (RFC
        // 8831 §6.6).
        let (payload, ppi) = match payload {
            [] => (&[0][..], PayloadProtocolIdentifier::BinaryEmpty),
            _ => (payload, PayloadProtocolIdentifier::Binary),
        };
        stream.write_with_ppi(payload, ppi).map(|_| ()).map_err(|_| SendError::Closed)
    }

    /// Bytes that wait to be sent or acknowledged on a channel.
    pub fn buffered(&mut self, kind: DataKind) -> usize {
        let Some(id) = self.open_channel(kind) else { return 0 };
        let Some((_, association)) = &mut self.association else { return 0 };
        association.stream(id).and_then(|stream| stream.buffered_amount()).unwrap_or(0)
    }

    /// What was thrown away.
    pub fn drops(&self) -> &Counters<Drop> {
        &self.drops
    }

    /// The newest open stream of a kind.
    fn open_channel(&self, kind: DataKind) -> Option<u16> {
        let is_it = |channel: &&Channel| channel.kind == Some(kind) && channel.is_open;
        self.channels.iter().rev().find(is_it).map(|channel| channel.id)
    }

    fn instant(&self, time: Time) -> Instant {
        let base = self.setup.base;
        base.checked_add(Duration::from_micros(time.as_micros())).unwrap_or(base)
    }

    /// Moves what wants to be sent into `ready`; false if there is nothing.
    fn gather(&mut self, now: Time) -> bool {
        let instant = self.instant(now);
        let association = self.association.as_mut();
        let transmit = self.endpoint.poll_transmit().or_else(|| {
            let (handle, association) = association?;
            while let Some(event) = association.poll_endpoint_event() {
                self.endpoint.handle_event(*handle, event);
            }
            association.poll_transmit(instant)
        });
        let Some(transmit) = transmit else { return false };
        if let Payload::RawEncode(packets) = transmit.payload {
            self.ready.extend(packets.into_iter().map(Output::Packet));
        }
        true
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected if self.setup.opens_channels => self.open_channels(),
            Event::Stream(StreamEvent::Opened { .. }) => {
                let Some((_, association)) = &mut self.association else { return };
                while association.accept_stream().is_some() {
                    self.peer_streams += 1;
                }
                if self.peer_streams > MAX_PEER_STREAMS {
                    self.drops.add(Drop::TooManyChannels);
                    // It reports its end like any other.
                    let _ = association.close();
                }
            }
            Event::Stream(StreamEvent::Readable { id }) => self.reading = Some(id),
            Event::Stream(StreamEvent::Finished { id }) => {
                self.channels.retain(|channel| channel.id != id);
                self.peer_streams = self.peer_streams.saturating_sub(1);
            }
            Event::HandshakeFailed { .. } | Event::AssociationLost { .. }
                if self.ended == Ended::No =>
            {
                self.ended = Ended::Untold;
                self.channels.clear();
            }
            _ => {}
        }
    }

    /// Reads one message of a stream.
    fn read(&mut self, id: u16) {
        let message = self
            .association
            .as_mut()
            .and_then(|(_, association)| association.stream(id).ok()?.read_sctp().ok()?);
        let Some(message) = message else {
            self.reading = None;
            return;
        };
        if message.len() > self.setup.max_message {
            self.drops.add(Drop::TooLong);
            return;
        }
        let mut payload = vec![0; message.len()];
        if message.read(&mut payload).is_err() {
            return;
        }
        match message.ppi {
            PayloadProtocolIdentifier::Dcep => self.handle_control(id, &payload),
            PayloadProtocolIdentifier::Binary | PayloadProtocolIdentifier::String => {
                self.deliver(id, payload);
            }
            PayloadProtocolIdentifier::BinaryEmpty | PayloadProtocolIdentifier::StringEmpty => {
                self.deliver(id, Vec::new());
            }
            PayloadProtocolIdentifier::Unknown => self.drops.add(Drop::UnknownChannel),
        }
    }

    fn deliver(&mut self, id: u16, payload: Vec<u8>) {
        let channel = self.channels.iter().find(|channel| channel.id == id);
        match channel.and_then(|channel| channel.kind) {
            Some(kind) => self.ready.push_back(Output::Message { kind, payload }),
            None => self.drops.add(Drop::UnknownChannel),
        }
    }

    fn handle_control(&mut self, id: u16, payload: &[u8]) {
        match dcep::read(payload) {
            Some(Message::Open { channel, label }) => self.accept(id, channel, label),
            Some(Message::Ack) => self.acknowledged(id),
            None => self.drops.add(Drop::BadOpen),
        }
    }

    fn accept(&mut self, id: u16, channel: ChannelType, label: &[u8]) {
        let kind = kind(label);
        // An id that is in use already cannot be opened again (RFC 8832 §6).
        let is_known = self.channels.iter().any(|known| known.id == id);
        if is_known || !self.write_control(id, &dcep::ACK, channel) {
            self.drops.add(Drop::BadOpen);
            return;
        }
        self.channels.push(Channel { id, kind, is_open: true });
        self.ready.extend(kind.map(Output::Opened));
    }

    fn acknowledged(&mut self, id: u16) {
        let channel = self.channels.iter_mut().find(|channel| channel.id == id);
        match channel {
            Some(channel) if !channel.is_open => {
                channel.is_open = true;
                self.ready.extend(channel.kind.map(Output::Opened));
            }
            _ => self.drops.add(Drop::BadOpen),
        }
    }

    /// The DTLS client's channels have even ids (RFC 8832 §6).
    fn open_channels(&mut self) {
        let first = match self.setup.role {
            DtlsRole::Client => 0,
            DtlsRole::Server => 1,
        };
        let Some((_, association)) = &mut self.association else { return };
        let offers = [
            (first, DataKind::Reliable, ChannelType::RELIABLE),
            (first + 2, DataKind::Lossy, ChannelType::LOSSY),
        ];
        for (id, _, _) in offers {
            // A stream that the peer used already is taken as it is.
            let _ = association.open_stream(id, PayloadProtocolIdentifier::Binary);
        }
        for (id, kind, channel) in offers {
            if self.write_control(id, &dcep::open(channel, label(kind)), channel) {
                self.channels.push(Channel { id, kind: Some(kind), is_open: false });
            }
        }
    }

    /// Writes a control message, ordered and reliable as RFC 8832 §6 wants it, and what follows as
    /// the channel is.
    fn write_control(&mut self, id: u16, message: &[u8], channel: ChannelType) -> bool {
        let Some((_, association)) = &mut self.association else { return false };
        let Ok(mut stream) = association.stream(id) else { return false };
        let ChannelType { unordered, reliability, limit } = ChannelType::RELIABLE;
        stream.set_reliability_params(unordered, reliability, limit).is_ok()
            && stream.write_with_ppi(message, PayloadProtocolIdentifier::Dcep).is_ok()
            && stream
                .set_reliability_params(channel.unordered, channel.reliability, channel.limit)
                .is_ok()
    }
}

fn transport(setup: &Setup) -> TransportConfig {
    let max = u32::try_from(setup.max_message).unwrap_or(u32::MAX);
    TransportConfig::default()
        .with_max_send_message_size(max)
        // Somewhat longer messages are read and counted, much longer ones end the association.
        .with_max_receive_message_size(max.saturating_mul(2))
        .with_max_receive_buffer_size(max.saturating_mul(4).max(MIN_RECEIVE_BUFFER))
        .with_max_num_inbound_streams(STREAMS)
        .with_max_num_outbound_streams(STREAMS)
        .with_rto_initial_ms(RTO_INITIAL_MS)
        .with_rto_min_ms(RTO_MIN_MS)
        .with_rto_max_ms(RTO_MAX_MS)
}

fn kind(label: &[u8]) -> Option<DataKind> {
    [DataKind::Reliable, DataKind::Lossy]
        .into_iter()
        .find(|&kind| self::label(kind).as_bytes() == label)
}

const fn label(kind: DataKind) -> &'static str {
    match kind {
        DataKind::Reliable => "_reliable",
        DataKind::Lossy => "_lossy",
    }
}

/// The library routes by address; over DTLS there is only one peer.
const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 5000);
/// With 28 bytes of SCTP and 37 of DTLS 1.2 around it a datagram has 1137 bytes. The library may
/// exceed that by the header and padding of chunks that it bundles; what is left up to the 1232
/// bytes of the smallest IPv6 path is for that.
const MAX_PAYLOAD: u32 = 1072;
const MIN_RECEIVE_BUFFER: u32 = 128 << 10;
/// What we tell the peer; it may not keep to it, so the next one is enforced.
const STREAMS: u16 = 1024;
/// A LiveKit client opens three; a page may have some of its own.
const MAX_PEER_STREAMS: usize = 64;
/// RFC 9260 §16 would wait 3 s, 1 s and 60 s; people talk here. The least must exceed the 200 ms by
/// which peers delay acknowledgements.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 300;
const RTO_MAX_MS: u64 = 10_000;

#[cfg(test)]
mod tests;
