//! One peer connection over WHIP or WHEP, through the `webrtc` crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{Mutex, watch};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState,
};

use super::source::sent_at;

/// What a receiver saw.
#[derive(Default)]
pub struct Seen {
    /// Packets of the measured window.
    pub packets: AtomicU64,
    /// Counting is on.
    pub counting: AtomicBool,
    /// Delays of every eighth packet, in nanoseconds.
    pub delays: Mutex<Vec<u64>>,
    /// Nanoseconds after the origin at which the first packet came; 0 while none came.
    pub first: AtomicU64,
}

/// A live session.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    location: String,
    token: String,
    http: reqwest::Client,
}

struct Handler {
    gathered: watch::Sender<bool>,
    connected: watch::Sender<bool>,
    origin: Instant,
    seen: Arc<Seen>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.send(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            let _ = self.connected.send(true);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        tokio::spawn(count(track, self.origin, self.seen.clone()));
    }
}

async fn count(track: Arc<dyn TrackRemote>, origin: Instant, seen: Arc<Seen>) {
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let now = u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let _ = seen.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        if !seen.counting.load(Ordering::Relaxed) {
            continue;
        }
        let nth = seen.packets.fetch_add(1, Ordering::Relaxed);
        if nth.is_multiple_of(8)
            && let Some(sent) = sent_at(&packet.payload)
        {
            seen.delays.lock().await.push(now.saturating_sub(sent));
        }
    }
}

fn vp8() -> RTCRtpCodec {
    RTCRtpCodec { mime_type: "video/VP8".into(), clock_rate: 90_000, ..Default::default() }
}

/// The server and the token to use at it.
pub struct Access {
    /// Endpoint of this session.
    pub endpoint: String,
    /// Bearer token.
    pub token: String,
    /// Shared client.
    pub http: reqwest::Client,
    /// Times are counted from here.
    pub origin: Instant,
}

/// Publish a video track. The second value asks for key frames, as the receiver's feedback does.
pub async fn publish(access: Access) -> Result<(Peer, Arc<TrackLocalStaticRTP>, Arc<AtomicBool>)> {
    let ssrc = 0x0f_f0_0c + (std::process::id() & 0xffff);
    let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "load".into(),
        "video".into(),
        "load".into(),
        RtpCodecKind::Video,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            active: true,
            codec: vp8(),
            ..Default::default()
        }],
    )));
    let (connection, gathered, connected) = build(&access, Arc::default()).await?;
    connection.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
    let peer = negotiate(access, connection, gathered, connected).await?;
    let key_wanted = Arc::new(AtomicBool::new(true));
    let (asked, events) = (key_wanted.clone(), track.clone());
    tokio::spawn(async move {
        while let Some(event) = events.poll().await {
            if matches!(event, TrackLocalEvent::OnRtcpPacket(_)) {
                asked.store(true, Ordering::Relaxed);
            }
        }
    });
    Ok((peer, track, key_wanted))
}

/// Play one video track.
pub async fn play(access: Access, seen: Arc<Seen>) -> Result<Peer> {
    let (connection, gathered, connected) = build(&access, seen).await?;
    let receive = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Recvonly,
        ..Default::default()
    };
    connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await?;
    negotiate(access, connection, gathered, connected).await
}

type Built = (Arc<dyn PeerConnection>, watch::Receiver<bool>, watch::Receiver<bool>);

async fn build(access: &Access, seen: Arc<Seen>) -> Result<Built> {
    let (gathered, gathered_seen) = watch::channel(false);
    let (connected, connected_seen) = watch::channel(false);
    let mut media = MediaEngine::default();
    media.register_default_codecs()?;
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    let handler = Arc::new(Handler { gathered, connected, origin: access.origin, seen });
    let connection = PeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_handler(handler as Arc<dyn PeerConnectionEventHandler>)
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await?;
    Ok((Arc::new(connection), gathered_seen, connected_seen))
}

async fn negotiate(
    access: Access,
    connection: Arc<dyn PeerConnection>,
    mut gathered: watch::Receiver<bool>,
    mut connected: watch::Receiver<bool>,
) -> Result<Peer> {
    let offer = connection.create_offer(None).await?;
    connection.set_local_description(offer).await?;
    tokio::time::timeout(Duration::from_secs(5), gathered.wait_for(|done| *done))
        .await
        .context("gathering")??;
    let offer = connection.local_description().await.context("no local description")?;
    let answer = access
        .http
        .post(&access.endpoint)
        .bearer_auth(&access.token)
        .header("content-type", "application/sdp")
        .body(offer.sdp)
        .send()
        .await?;
    let status = answer.status();
    let location = answer
        .headers()
        .get("location")
        .and_then(|l| l.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = answer.text().await?;
    ensure!(status.as_u16() == 201, "{} answered {status}: {body}", access.endpoint);
    connection.set_remote_description(RTCSessionDescription::answer(body)?).await?;
    tokio::time::timeout(Duration::from_secs(15), connected.wait_for(|done| *done))
        .await
        .context("connecting")??;
    let location = reqwest::Url::parse(&access.endpoint)?.join(&location)?.to_string();
    Ok(Peer { connection, location, token: access.token, http: access.http })
}

impl Peer {
    /// Leave politely.
    pub async fn close(self) {
        let _ = self.http.delete(&self.location).bearer_auth(&self.token).send().await;
        let _ = self.connection.close().await;
    }
}
