//! The sound of one call: a task with two sockets (RTP and RTCP) that plays, listens and reports. It has
//! no jitter buffer: what comes is judged as it comes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use offhook_types::phone::Digit;
use offhook_types::{PayloadType, Rng, Ssrc};
use offhook_wire::phone_sdp::Events;
use offhook_wire::rtcp::{ReportBlock, SenderInfo, Writer};
use offhook_wire::rtp::{Header, MIN_HEADER, Packet, write_header};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::digits::{Keys, Presses};
use super::g711::Law;
use super::news::Traffic;
use super::reception::Reception;
use super::sound::{Ear, FRAME, Heard, Play, Voice};

/// What the sound of a call is told.
#[derive(Debug)]
pub enum Order {
    /// What was agreed on, or agreed on anew.
    Route(Route),
    /// What to play from now on.
    Play(Play),
    /// Keys to press.
    Press(Vec<Digit>),
    /// Beep as often as this digit says.
    Beep(Digit),
    /// The call is over.
    Stop,
}

/// What the sound of a call says.
#[derive(Debug)]
pub enum Told {
    /// A second has passed.
    Heard(Heard, Traffic),
    /// A key was heard.
    Digit(Digit),
    /// The last that is said.
    Stopped(Traffic),
}

/// What was agreed on.
#[derive(Debug, Clone)]
pub struct Route {
    /// Where RTP goes; `None` while nothing is to be sent.
    pub rtp: Option<SocketAddr>,
    /// Where RTCP goes.
    pub rtcp: Option<SocketAddr>,
    /// What is sent.
    pub law: Law,
    /// With which payload type.
    pub payload_type: u8,
    /// What may come.
    pub receives: Vec<(u8, Law)>,
    /// Keys as events, where that was agreed.
    pub events: Option<Events>,
    /// The payload type of comfort noise, where that was agreed.
    pub comfort_noise: Option<u8>,
}

/// The sound of one call, seen from its call.
#[derive(Debug)]
pub struct Sound {
    /// Where RTP comes to; RTCP comes to the next port.
    pub address: SocketAddr,
    orders: mpsc::UnboundedSender<Order>,
}

impl Sound {
    /// Opens the sockets and starts the task. What it has to say goes to `tell`.
    pub async fn start<F>(ip: IpAddr, seed: u64, tell: F) -> Result<Self>
    where
        F: Fn(Told) + Send + Sync + 'static,
    {
        let (rtp, rtcp) = open_pair(ip).await?;
        let address = rtp.local_addr()?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let task = Task::new(rtp, rtcp, seed);
        tokio::spawn(async move {
            let traffic = task.run(inbox, &tell).await;
            tell(Told::Stopped(traffic));
        });
        Ok(Self { address, orders })
    }

    /// Tells it something. It may have stopped.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

/// A pair of neighbouring ports, the first of them even (RFC 3550 §11).
async fn open_pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket)> {
    for _ in 0..100 {
        let first = UdpSocket::bind((ip, 0)).await?;
        let port = first.local_addr()?.port();
        if port % 2 != 0 {
            continue;
        }
        if let Ok(second) = UdpSocket::bind((ip, port + 1)).await {
            return Ok((first, second));
        }
    }
    None.context("no pair of ports is free")
}

struct Task {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    route: Option<Route>,
    voice: Voice,
    ear: Ear,
    keys: Keys,
    presses: Presses,
    reception: Reception,
    ssrc: Ssrc,
    sequence: u16,
    timestamp: u32,
    /// Of 20 ms.
    ticks: u64,
    /// The last 20 ms went out as sound.
    talking: bool,
    sent: u64,
    octets: u32,
    reports: u64,
}

impl Task {
    fn new(rtp: UdpSocket, rtcp: UdpSocket, seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        Self {
            rtp,
            rtcp,
            route: None,
            voice: Voice::new(),
            ear: Ear::default(),
            keys: Keys::default(),
            presses: Presses::default(),
            reception: Reception::default(),
            ssrc: Ssrc(rng.next_u32()),
            sequence: rng.below(1 << 15) as u16,
            timestamp: rng.next_u32(),
            ticks: 0,
            talking: false,
            sent: 0,
            octets: 0,
            reports: 0,
        }
    }

    async fn run<F>(mut self, mut orders: mpsc::UnboundedReceiver<Order>, tell: &F) -> Traffic
    where
        F: Fn(Told) + Send + Sync,
    {
        let mut ticks = interval(TICK);
        // A late tick is made up for, so that as many packets leave as the clock says.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut packet, mut report) = ([0; LONGEST], [0; LONGEST]);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None | Some(Order::Stop) => return self.traffic(),
                    Some(order) => self.obey(order),
                },
                Ok((length, _)) = self.rtp.recv_from(&mut packet) => {
                    if let Some(digit) = self.receive(packet.get(..length).unwrap_or(&[])) {
                        tell(Told::Digit(digit));
                    }
                }
                Ok(_) = self.rtcp.recv_from(&mut report) => self.reports += 1,
                _ = ticks.tick() => {
                    self.tick();
                    if self.ticks.is_multiple_of(SECOND) && self.route.is_some() {
                        tell(Told::Heard(self.ear.take(), self.traffic()));
                    }
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Route(route) => self.route = Some(route),
            Order::Play(play) => self.voice.play = play,
            Order::Press(digits) => self.presses.press(digits),
            Order::Beep(digit) => self.voice.beep(digit.event()),
            Order::Stop => {}
        }
    }

    fn traffic(&self) -> Traffic {
        let (packets, lost) = self.reception.totals();
        Traffic { packets, lost, sent: self.sent, rtcp: self.reports }
    }

    fn receive(&mut self, bytes: &[u8]) -> Option<Digit> {
        let route = self.route.as_ref()?;
        let Ok(packet) = Packet::parse(bytes) else { return None };
        let header = packet.header();
        let number = header.payload_type.0;
        let law = route.receives.iter().find(|(known, _)| *known == number).map(|(_, law)| *law);
        let event = route.events.is_some_and(|events| events.receive == number);
        if law.is_some() || event || route.comfort_noise == Some(number) {
            self.reception.hear(header);
        }
        if event {
            return self.keys.hear(header.timestamp, packet.payload);
        }
        let law = law?;
        let samples: Vec<_> = packet.payload.iter().map(|&byte| law.decode(byte)).collect();
        self.ear.hear(&samples);
        self.voice.hear(&samples);
        None
    }

    /// Twenty milliseconds have passed.
    fn tick(&mut self) {
        self.ticks += 1;
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        let frame = self.voice.frame();
        let Some(route) = self.route.clone() else { return };
        let spoke = match route.rtp {
            Some(remote) => self.speak(&route, remote, frame),
            None => false,
        };
        self.talking = spoke;
        let quiet = self.voice.play == Play::Nothing;
        let every = if self.voice.play == Play::Silence { SECOND } else { 5 * SECOND };
        if let Some(remote) = route.rtcp.filter(|_| !quiet)
            && self.ticks % every == SECOND / 2
        {
            self.report(remote);
        }
    }

    /// Sends what these 20 ms sound like. True where that is sound.
    fn speak(&mut self, route: &Route, to: SocketAddr, frame: Option<[i16; FRAME]>) -> bool {
        if let Some(events) = route.events
            && let Some(event) = self.presses.packet(self.timestamp)
        {
            self.send(to, (events.send, event.first, event.timestamp), &event.payload);
            return false;
        }
        if let Some(frame) = frame {
            let payload = frame.map(|sample| route.law.encode(sample));
            self.send(to, (route.payload_type, !self.talking, self.timestamp), &payload);
            return true;
        }
        if let Some(number) = route.comfort_noise
            && self.voice.play == Play::Silence
            && self.ticks % NOISE_EVERY == 1
        {
            self.send(to, (number, false, self.timestamp), &[NOISE_LEVEL]);
        }
        false
    }

    /// What the socket does not take now is lost, as on any network.
    fn send(
        &mut self,
        to: SocketAddr,
        (number, marker, timestamp): (u8, bool, u32),
        payload: &[u8],
    ) {
        let payload_type = PayloadType(number);
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut packet = vec![0; MIN_HEADER];
        if write_header(&mut packet, &header, core::iter::empty()).is_none() {
            return;
        }
        packet.extend_from_slice(payload);
        let _ = self.rtp.try_send_to(&packet, to);
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += 1;
        self.octets = self.octets.wrapping_add(payload.len() as u32);
    }

    fn report(&mut self, to: SocketAddr) {
        let mut bytes = [0; 256];
        let mut writer = Writer::new(&mut bytes);
        let blocks: Vec<ReportBlock> = self.reception.block().into_iter().collect();
        let head = if self.sent == 0 {
            writer.receiver_report(self.ssrc, &blocks)
        } else {
            let (packets, octets) = (self.sent as u32, self.octets);
            let info = SenderInfo { ntp: ntp_now(), rtp_time: self.timestamp, packets, octets };
            writer.sender_report(self.ssrc, &info, &blocks)
        };
        if head.and_then(|()| writer.cname(self.ssrc, "carrier")).is_none() {
            return;
        }
        let length = writer.len();
        let _ = self.rtcp.try_send_to(bytes.get(..length).unwrap_or(&[]), to);
    }
}

/// Seconds since 1900 as 32.32 fixed point (RFC 3550 §4).
fn ntp_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs() + SECONDS_BEFORE_1970;
    (seconds << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000)
}

const TICK: Duration = Duration::from_millis(20);
/// In ticks.
const SECOND: u64 = 50;
/// In ticks: 200 ms.
const NOISE_EVERY: u64 = 10;
/// -70 dBov (RFC 3389 §3).
const NOISE_LEVEL: u8 = 70;
const SECONDS_BEFORE_1970: u64 = 2_208_988_800;
/// Longer packets are cut.
const LONGEST: usize = 2048;
