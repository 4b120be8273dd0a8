//! One publisher to N receivers, with the `webrtc` crate at both ends: a stack that shares no code with the server.

pub mod peer;
pub mod report;
pub mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rtc::rtp::{self, header::Header};
use webrtc::media_stream::Track;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use crate::server::Server;
use crate::{Load, process, token};

use peer::{Access, Peer, Seen};
use report::{Delay, Run, median};
use source::Source;

/// Key frames without being asked.
const KEY_FRAME_EVERY: Duration = Duration::from_secs(1);
/// From the last join to the measurement, so that handshakes and first key frames are not in it.
const SETTLE: Duration = Duration::from_secs(2);

/// One video publisher to N receivers, several times against one server.
pub async fn run(load: Load) -> Result<()> {
    let server = match &load.url {
        Some(url) => Server::running(url.clone(), load.pid),
        None => {
            let keys = format!("[api_keys]\n{} = {:?}\n", load.key, load.secret);
            Server::start(&load.server, &keys).await?
        }
    };
    let mut runs = Vec::new();
    for number in 0..load.runs {
        runs.push(
            one_run(&load, &server, number).await.with_context(|| format!("run {}", number + 1))?,
        );
    }
    report::print(&runs, load.json)
}

async fn one_run(load: &Load, server: &Server, number: u8) -> Result<Run> {
    let room = format!("load-{number}");
    let origin = Instant::now();
    let http = reqwest::Client::new();
    let access = |door: &str, identity: &str| Access {
        endpoint: format!("{}/{door}/{room}", server.url),
        token: token::mint(&load.key, &load.secret, &room, identity),
        http: http.clone(),
        origin,
    };
    let before = server.pid.map(process::usage).transpose()?;
    let (publisher, track, key_wanted) = peer::publish(access("whip", "publisher")).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn(send(load.clone(), track, key_wanted, stop.clone(), origin));

    let mut receivers: Vec<(Peer, Arc<Seen>, u64)> = Vec::new();
    for i in 0..load.receivers {
        let seen = Arc::new(Seen::default());
        let asked = u64::try_from(origin.elapsed().as_nanos())?;
        let peer = peer::play(access("whep", &format!("receiver-{i}")), seen.clone()).await?;
        receivers.push((peer, seen, asked));
    }
    tokio::time::sleep(SETTLE).await;

    let start = server.pid.map(process::usage).transpose()?;
    let clock = Instant::now();
    receivers.iter().for_each(|(_, seen, _)| seen.counting.store(true, Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(load.seconds)).await;
    receivers.iter().for_each(|(_, seen, _)| seen.counting.store(false, Ordering::Relaxed));
    let (end, elapsed) = (server.pid.map(process::usage).transpose()?, clock.elapsed());
    stop.store(true, Ordering::Relaxed);
    let sent_per_second = sender.await??;

    let received: u64 =
        receivers.iter().map(|(_, seen, _)| seen.packets.load(Ordering::Relaxed)).sum();
    let sent = (sent_per_second * elapsed.as_secs_f64()) as u64;
    let mut delays = Vec::new();
    let mut joins = Vec::new();
    for (_, seen, asked) in &receivers {
        delays.append(&mut *seen.delays.lock().await);
        joins.push(seen.first.load(Ordering::Relaxed).saturating_sub(*asked) as f64 / 1e6);
    }
    let cpu = start.zip(end).map(|(a, b)| (b.cpu_us - a.cpu_us) as f64);
    let grown = before.zip(end).map(|(a, b)| b.resident.saturating_sub(a.resident) as f64 / 1024.0);
    for (peer, _, _) in receivers {
        peer.close().await;
    }
    publisher.close().await;
    Ok(Run {
        sent,
        expected: sent * u64::from(load.receivers),
        received,
        cpu_us_per_packet: cpu.map(|us| us / received.max(1) as f64),
        cpu_cores: cpu.map(|us| us / elapsed.as_micros() as f64),
        delay_us: Delay::of(delays),
        memory_kib_per_participant: grown.map(|kib| kib / f64::from(load.receivers + 1)),
        join_ms: median(joins),
    })
}

/// Send frames at their times until told to stop; yields packets per second.
async fn send(
    load: Load,
    track: Arc<TrackLocalStaticRTP>,
    key_wanted: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    origin: Instant,
) -> Result<f64> {
    let mut source = Source::new(load.packets_per_frame, usize::from(load.payload));
    let ssrc = *track.ssrcs().await.first().context("the track has no SSRC")?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / load.fps);
    let (mut sequence, mut timestamp, mut packets) = (1u16, 1u32, 0u64);
    let (started, mut last_key) = (Instant::now(), None::<Instant>);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let asked = key_wanted.swap(false, Ordering::Relaxed);
        let key = asked || last_key.is_none_or(|at| at.elapsed() > KEY_FRAME_EVERY);
        if key {
            last_key = Some(Instant::now());
        }
        for piece in source.frame(origin, key) {
            let header = Header {
                version: 2,
                marker: piece.last,
                payload_type: 96,
                sequence_number: sequence,
                timestamp,
                ssrc,
                ..Default::default()
            };
            // A write that fails before the transport is up is a packet not sent, nothing else.
            if track.write_rtp(rtp::Packet { header, payload: piece.payload }).await.is_ok() {
                packets += 1;
            }
            sequence = sequence.wrapping_add(1);
        }
        timestamp = timestamp.wrapping_add(90_000 / load.fps);
    }
    Ok(packets as f64 / started.elapsed().as_secs_f64())
}
