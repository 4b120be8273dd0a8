//! The publishing side: a synthetic VP8 stream in frames, a key frame each second and when one is asked for, lost
//! packets again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use offhook_proto::quic::{Kind, Layer, Publish, Source as Shows, from_client, from_server};
use offhook_types::media::Extension;
use offhook_types::{PayloadType, Ssrc};
use offhook_wire::{roq, rtcp, rtp};
use webrtc::media_stream::Track;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use super::client::{Client, RTCP, Wire};
use super::{Pair, Way};
use crate::video::peer::{self, Peer};
use crate::video::source::{Piece, Source};

/// The flow and the stream of the picture.
const FLOW: u64 = 2;
const SSRC: u32 = 0x0ff0_0c01;
/// Frames a second, and packets in each.
const FPS: u32 = 30;
const PACKETS: u32 = 4;
/// Packets kept to be sent again.
const KEPT: usize = 512;

/// Somebody who publishes.
pub struct Publisher {
    progress: Arc<Progress>,
    side: Side,
}

enum Side {
    /// With the session, which ends when it is dropped.
    Native(Client),
    Webrtc(Peer),
}

struct Progress {
    origin: Instant,
    stop: Arc<AtomicBool>,
    key_wanted: Arc<AtomicBool>,
    sent: AtomicU64,
}

/// Where packets go.
enum Out {
    Native(Native),
    Webrtc { track: Arc<TrackLocalStaticRTP>, ssrc: u32 },
}

#[derive(Clone)]
struct Native {
    wire: Wire,
    payload_type: u8,
    transport_cc: u8,
    kept: Arc<Mutex<VecDeque<(u16, Bytes)>>>,
}

/// Connect and send until told to stop.
pub async fn start(pair: &Pair, origin: Instant, stop: Arc<AtomicBool>) -> Result<Publisher> {
    let (out, side, key_wanted) = match pair.publish {
        Way::Webrtc => {
            let access = pair.webrtc("whip", "publisher", origin);
            let (peer, track, key_wanted) = peer::publish(access).await?;
            let ssrc = *track.ssrcs().await.first().context("the track has no SSRC")?;
            (Out::Webrtc { track, ssrc }, Side::Webrtc(peer), key_wanted)
        }
        Way::Quic => {
            let client = announce(Client::connect(&pair.access("publisher")).await?).await?;
            let native = Native {
                wire: client.wire.clone(),
                payload_type: client.payload_type("video/VP8")?,
                transport_cc: client.extension(Extension::TransportCc.uri()),
                kept: Arc::default(),
            };
            let key_wanted = Arc::new(AtomicBool::new(true));
            tokio::spawn(listen(native.clone(), key_wanted.clone()));
            (Out::Native(native), Side::Native(client), key_wanted)
        }
    };
    let progress = Arc::new(Progress { origin, stop, key_wanted, sent: AtomicU64::new(0) });
    let source = Source::new(PACKETS, usize::from(pair.payload));
    tokio::spawn(send(out, source, progress.clone()));
    Ok(Publisher { progress, side })
}

async fn announce(mut client: Client) -> Result<Client> {
    let layer = Layer { ssrc: SSRC, width: 640, height: 360, ..Layer::default() };
    let publish = Publish {
        name: "picture".into(),
        kind: Kind::Video.into(),
        source: Shows::Camera.into(),
        flow: FLOW,
        mime: "video/VP8".into(),
        layers: vec![layer],
        muted: false,
    };
    match client.ask(from_client::Body::Publish(publish)).await? {
        from_server::Body::Published(_) => Ok(client),
        other => bail!("not published: {other:?}"),
    }
}

/// Send frames at their times.
async fn send(out: Out, mut source: Source, progress: Arc<Progress>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / FPS);
    let (mut sequence, mut timestamp, mut frames) = (1u16, 1u32, 0u32);
    while !progress.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let asked = progress.key_wanted.swap(false, Ordering::Relaxed);
        let key = asked || frames.is_multiple_of(FPS);
        frames += 1;
        for piece in source.frame(progress.origin, key) {
            if out.send(piece, sequence, timestamp).await.is_ok() {
                progress.sent.fetch_add(1, Ordering::Relaxed);
            }
            sequence = sequence.wrapping_add(1);
        }
        timestamp = timestamp.wrapping_add(90_000 / FPS);
    }
}

impl Out {
    async fn send(&self, piece: Piece, sequence: u16, timestamp: u32) -> Result<()> {
        match self {
            Self::Native(native) => native.send(piece, sequence, timestamp),
            Self::Webrtc { track, ssrc } => {
                let header = ::rtc::rtp::header::Header {
                    version: 2,
                    marker: piece.last,
                    payload_type: 96,
                    sequence_number: sequence,
                    timestamp,
                    ssrc: *ssrc,
                    ..Default::default()
                };
                Ok(track.write_rtp(::rtc::rtp::Packet { header, payload: piece.payload }).await?)
            }
        }
    }
}

impl Native {
    fn send(&self, piece: Piece, sequence: u16, timestamp: u32) -> Result<()> {
        let header = rtp::Header {
            marker: piece.last,
            payload_type: PayloadType(self.payload_type),
            sequence,
            timestamp,
            ssrc: Ssrc(SSRC),
        };
        // This stream is all that is sent, so its numbers can count packets of the transport as well.
        let counted = sequence.to_be_bytes();
        let extensions = [(self.transport_cc, &counted[..])].into_iter().filter(|(id, _)| *id != 0);
        let mut packet = vec![0; 64];
        let len = rtp::write_header(&mut packet, &header, extensions).context("header")?;
        packet.truncate(len);
        packet.extend_from_slice(&piece.payload);
        let sent = self.wire.send(FLOW, &packet);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front((sequence, packet.into()));
        sent
    }

    fn again(&self, sequence: u16) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, packet)) = kept.iter().find(|(known, _)| *known == sequence) {
            let _ = self.wire.send(FLOW, packet);
        }
    }
}

/// Hear what the server says of the picture.
async fn listen(native: Native, key_wanted: Arc<AtomicBool>) {
    while let Ok(datagram) = native.wire.connection.read_datagram().await {
        let Ok((flow, packet)) = roq::datagram(&datagram) else { continue };
        if flow.get() != RTCP {
            continue;
        }
        for packet in rtcp::packets(packet).flatten() {
            match packet {
                rtcp::Packet::Pli { .. } => key_wanted.store(true, Ordering::Relaxed),
                rtcp::Packet::Nack(nack) => {
                    nack.sequences().for_each(|missing| native.again(missing))
                }
                _ => {}
            }
        }
    }
}

impl Publisher {
    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.progress.sent.load(Ordering::Relaxed)
    }

    /// Go on from another address, where that is ours to do.
    pub fn move_on(&self) -> Result<()> {
        match &self.side {
            Side::Native(client) => client.wire.move_on(),
            Side::Webrtc(_) => Ok(()),
        }
    }

    /// Leave politely.
    pub async fn close(self) {
        match self.side {
            Side::Native(client) => client.wire.close().await,
            Side::Webrtc(peer) => peer.close().await,
        }
    }
}
