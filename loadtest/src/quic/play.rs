//! The playing side: counts what comes, and tells the server how it came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offhook_proto::quic::from_server::Body;
use offhook_rtc::twcc::Recorder;
use offhook_types::media::Extension;
use offhook_types::{Ssrc, Time};
use offhook_wire::rtcp::Writer;
use offhook_wire::{roq, rtp};
use tokio::task::JoinHandle;

use super::client::{self, Client, RTCP, Wire};
use crate::video::peer::Seen;
use crate::video::source::sent_at;

/// Whose reports these are.
const OURS: Ssrc = Ssrc(0x0ff0_0d01);
/// Between two looks at whether feedback is due.
const TICK: Duration = Duration::from_millis(20);

/// Somebody who plays.
pub struct Player {
    /// Its connection.
    pub connection: Wire,
    in_streams: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Player {
    /// Play everything that is sent to this client.
    pub fn start(client: Client, origin: Instant, seen: Arc<Seen>) -> Self {
        let (connection, in_streams) = (client.wire.clone(), Arc::new(AtomicU64::new(0)));
        let listener = Listener {
            transport_cc: client.extension(Extension::TransportCc.uri()),
            client,
            origin,
            seen,
            flows: Vec::new(),
            recorder: Recorder::new(OURS),
            in_streams: in_streams.clone(),
        };
        Self { connection, in_streams, task: tokio::spawn(listener.run()) }
    }

    /// Packets that came in streams.
    pub fn in_streams(&self) -> u64 {
        self.in_streams.load(Ordering::Relaxed)
    }

    /// Leave.
    pub async fn close(self) {
        self.connection.close().await;
        self.task.abort();
    }
}

struct Listener {
    client: Client,
    transport_cc: u8,
    origin: Instant,
    seen: Arc<Seen>,
    /// Flow and stream of each track.
    flows: Vec<(u64, Ssrc)>,
    recorder: Recorder,
    in_streams: Arc<AtomicU64>,
}

impl Listener {
    async fn run(mut self) {
        let wire = self.client.wire.clone();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                news = self.client.news() => match news {
                    Some(Body::Subscribed(track)) => self.flows.push((track.flow, Ssrc(track.ssrc))),
                    Some(_) => {}
                    None => return,
                },
                datagram = wire.connection.read_datagram() => match datagram {
                    Ok(datagram) => {
                        if let Ok((flow, packet)) = roq::datagram(&datagram) {
                            self.take(flow.get(), packet);
                        }
                    }
                    Err(_) => return,
                },
                stream = wire.connection.accept_uni() => {
                    let Ok(stream) = stream else { return };
                    for (flow, packet) in client::packets(stream).await.unwrap_or_default() {
                        self.in_streams.fetch_add(1, Ordering::Relaxed);
                        self.take(flow.get(), &packet);
                    }
                }
                _ = ticks.tick() => self.report(),
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn take(&mut self, flow: u64, packet: &[u8]) {
        let Ok(packet) = rtp::Packet::parse(packet) else { return };
        let (now, ssrc) = (self.now(), packet.header().ssrc);
        let counted = packet.extension(self.transport_cc).and_then(|bytes| bytes.try_into().ok());
        if let Some(number) = counted {
            self.recorder.received(now, u16::from_be_bytes(number), ssrc);
        }
        if self.flows.contains(&(flow, ssrc)) && sent_at(packet.payload).is_some() {
            self.seen.packets.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn report(&mut self) {
        let now = self.now();
        while self.recorder.next_timeout().is_some_and(|due| due <= now) {
            let mut out = [0; 1200];
            let mut writer = Writer::new(&mut out);
            let Some(()) = writer.receiver_report(OURS, &[]) else { return };
            let head = writer.len();
            let Some(len) = self.recorder.poll(now, &mut out[head..]) else { return };
            let _ = self.client.wire.send(RTCP, &out[..head + len]);
        }
    }
}
