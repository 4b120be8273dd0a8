//! A link under clients that are not ours, browsers above all: datagrams to one address go on to the server, and
//! what it answers comes back, through the same machine that scenarios use. Every client has a link of its own.
//!
//! ICE candidates name the server's own address, so the server must name ours instead. On one machine: the server
//! listens on 127.0.0.1 (`media.bind`) and advertises 127.0.0.2 (`media.advertise`), and the proxy listens on
//! 127.0.0.2 with the same ports.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Args;
use offhook_link::{Bursts, Conditions, Fate, Link, Schedule, Share};
use offhook_types::Rng;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::caller::road::{Parcel, Road, WAITING, until};
use crate::scenario::{Paths, Scenario};

/// Longest datagram.
const LONGEST: usize = 65_536;
/// Clients at once.
const CLIENTS: usize = 1000;

/// Where, and what happens on the way.
#[derive(Args, Clone)]
pub struct Options {
    /// Address and first port to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// The server's address and first port.
    #[arg(long)]
    to: SocketAddr,
    /// How many ports one after another, as a server with several workers has.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    ports: u16,
    /// Take the conditions from a link of a scenario's file: FILE:NAME. They begin when the proxy does.
    #[arg(long, conflicts_with_all = ["rate", "loss", "burst", "delay", "jitter", "late", "double"])]
    scenario: Option<String>,
    /// Bits per second, with k or M behind it.
    #[arg(long, value_parser = rate)]
    rate: Option<u64>,
    /// Longest wait for the rate, in milliseconds.
    #[arg(long, default_value_t = 200)]
    queue: u64,
    /// Share of packets lost.
    #[arg(long, default_value = "0", value_parser = share)]
    loss: Share,
    /// Lose packets in bursts: EVERY:LENGTH, both in packets on average.
    #[arg(long, value_parser = bursts)]
    burst: Option<Bursts>,
    /// One way, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Added to the delay at most, in milliseconds.
    #[arg(long, default_value_t = 0)]
    jitter: u64,
    /// Share of packets that come --late-by milliseconds later than the others.
    #[arg(long, default_value = "0", value_parser = share)]
    late: Share,
    /// See --late.
    #[arg(long, default_value_t = 20)]
    late_by: u64,
    /// Share of packets that come twice.
    #[arg(long, default_value = "0", value_parser = share)]
    double: Share,
    /// Which way is impaired.
    #[arg(long, value_enum, default_value = "both")]
    way: Way,
    /// Replays the same losses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Listen on an address that other machines can reach.
    #[arg(long)]
    allow_remote: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// To the server and from it.
    Both,
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// Carry datagrams until the process is ended.
pub async fn run(options: Options) -> Result<()> {
    let loopback = options.listen.ip().is_loopback() && options.to.ip().is_loopback();
    ensure!(loopback || options.allow_remote, "not on loopback: say --allow-remote");
    let paths = Arc::new(options.paths()?);
    let began = Instant::now();
    let mut ports = JoinSet::new();
    for nth in 0..options.ports {
        let listen = beside(options.listen, nth)?;
        let socket = UdpSocket::bind(listen).await.with_context(|| format!("on {listen}"))?;
        println!("listening on {listen}");
        let (paths, to) = (paths.clone(), beside(options.to, nth)?);
        let seed = options.seed + u64::from(nth) * CLIENTS as u64;
        let port = Port { socket: Arc::new(socket), to, paths, began, seed };
        ports.spawn(port.serve());
    }
    ports.join_next().await.context("no port")??
}

fn beside(first: SocketAddr, nth: u16) -> Result<SocketAddr> {
    let port = first.port().checked_add(nth).context("ports end at 65535")?;
    Ok(SocketAddr::new(first.ip(), port))
}

impl Options {
    fn paths(&self) -> Result<Paths> {
        if let Some(place) = &self.scenario {
            let (file, name) = place.rsplit_once(':').context("--scenario FILE:NAME")?;
            let scenario = Scenario::read(file.as_ref())?;
            let link = scenario.links.get(name).with_context(|| format!("no link {name:?}"))?;
            return Ok((**link).clone());
        }
        let conditions = Conditions {
            rate_bps: self.rate,
            queue: Duration::from_millis(self.queue),
            loss: self.loss,
            bursts: self.burst,
            delay: Duration::from_millis(self.delay),
            jitter: Duration::from_millis(self.jitter),
            late: self.late,
            late_by: Duration::from_millis(self.late_by),
            double: self.double,
        };
        let impaired = Schedule::constant(conditions);
        let (up, down) = match self.way {
            Way::Both => (impaired.clone(), impaired),
            Way::Up => (impaired, Schedule::default()),
            Way::Down => (Schedule::default(), impaired),
        };
        Ok(Paths { name: "proxy".into(), up, down })
    }
}

/// One port.
struct Port {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    paths: Arc<Paths>,
    began: Instant,
    seed: u64,
}

impl Port {
    /// Give every client a link of its own.
    async fn serve(self) -> Result<()> {
        let mut clients: HashMap<SocketAddr, mpsc::Sender<Bytes>> = HashMap::new();
        let mut buffer = vec![0; LONGEST];
        loop {
            let (len, from) = self.socket.recv_from(&mut buffer).await?;
            if !clients.contains_key(&from) {
                clients.retain(|_, client| !client.is_closed());
                if clients.len() >= CLIENTS {
                    continue;
                }
                let client = self.client(from, clients.len() as u64).await?;
                clients.insert(from, client);
            }
            if let Some(client) = clients.get(&from) {
                let _ = client.try_send(Bytes::copy_from_slice(&buffer[..len]));
            }
        }
    }

    async fn client(&self, from: SocketAddr, nth: u64) -> Result<mpsc::Sender<Bytes>> {
        let any = SocketAddr::new(loopback_or_any(self.to.ip()), 0);
        let server = UdpSocket::bind(any).await?;
        server.connect(self.to).await?;
        let road = Road::new(&self.paths, self.began, Rng::from_seed(self.seed + nth).next_u64());
        let (sender, outgoing) = mpsc::channel(WAITING);
        tokio::spawn(carry(road, (self.socket.clone(), from), server, outgoing));
        Ok(sender)
    }
}

/// Silence after which a client is gone.
const GONE: Duration = Duration::from_secs(60);

/// One client's datagrams, both ways, until it is gone.
async fn carry(
    mut road: Road,
    (socket, client): (Arc<UdpSocket>, SocketAddr),
    server: UdpSocket,
    mut outgoing: mpsc::Receiver<Bytes>,
) {
    let mut buffer = vec![0; LONGEST];
    let silence = tokio::time::sleep(GONE);
    tokio::pin!(silence);
    loop {
        tokio::select! {
            Some(bytes) = outgoing.recv() => {
                silence.as_mut().reset(tokio::time::Instant::now() + GONE);
                road.send_up(Parcel { flow: 0, peer: client, bytes });
            }
            Ok(len) = server.recv(&mut buffer) => {
                let bytes = Bytes::copy_from_slice(&buffer[..len]);
                road.send_down(Parcel { flow: 0, peer: client, bytes });
            }
            () = until(road.due()) => {}
            () = &mut silence => break,
        }
        while let Some(parcel) = road.poll_up() {
            let _ = server.try_send(&parcel.bytes);
        }
        while let Some(parcel) = road.poll_down() {
            let _ = socket.try_send_to(&parcel.bytes, client);
        }
    }
    for (way, link) in ["up", "down"].into_iter().zip(road.links()) {
        println!("a client is gone, {way}: {}", fates(link));
    }
}

fn fates(link: &Link<Parcel>) -> String {
    use offhook_types::counters::Counted;
    let each = Fate::ALL.iter().map(|&fate| format!("{} {}", fate.label(), link.fates().get(fate)));
    each.collect::<Vec<_>>().join(", ")
}

fn loopback_or_any(server: IpAddr) -> IpAddr {
    match server {
        server if server.is_loopback() => server,
        IpAddr::V4(_) => IpAddr::from([0, 0, 0, 0]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    }
}

fn rate(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k')) => (&text[..at], 1_000.0),
        Some((at, 'M')) => (&text[..at], 1_000_000.0),
        _ => (text, 1.0),
    };
    let number: f64 = digits.parse().map_err(|_| "a number, with k or M behind it".to_owned())?;
    let rate = number * unit;
    if (8_000.0..=1e10).contains(&rate) { Ok(rate as u64) } else { Err("8k to 10000M".into()) }
}

fn share(text: &str) -> Result<Share, String> {
    let number: f64 = text.parse().map_err(|_| "a share from 0 to 1".to_owned())?;
    match (0.0..=1.0).contains(&number) {
        true => Ok(Share::of_million((number * 1e6).round() as u32)),
        false => Err("a share from 0 to 1".into()),
    }
}

fn bursts(text: &str) -> Result<Bursts, String> {
    let wrong = || "EVERY:LENGTH, in packets".to_owned();
    let (every, length) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(wrong);
    Ok(Bursts { every: number(every)?, length: number(length)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_people_write_them() {
        let rates = ["500k", "1.5M", "64000", "7k", "x", ""].map(|text| rate(text).ok());
        assert_eq!(rates, [Some(500_000), Some(1_500_000), Some(64_000), None, None, None]);
        let shares = ["0", "0.02", "1", "1.1", "-1", "NaN"].map(|text| share(text).ok());
        let percent = |many| Some(Share::percent(many));
        assert_eq!(shares, [percent(0), percent(2), percent(100), None, None, None]);
        assert_eq!(bursts("200:5"), Ok(Bursts { every: 200, length: 5 }));
        assert!(["200", "0:5", "a:b"].iter().all(|text| bursts(text).is_err()));
    }

    #[tokio::test]
    async fn datagrams_go_there_and_back_and_each_client_keeps_its_own() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let listen = socket.local_addr().unwrap();
        let delay = Duration::from_millis(5);
        let schedule = Schedule::constant(Conditions { delay, ..Conditions::default() });
        let paths = Paths { name: "p".into(), up: schedule.clone(), down: schedule };
        let port = Port { socket, to, paths: Arc::new(paths), began: Instant::now(), seed: 1 };
        let serving = tokio::spawn(port.serve());
        let clients = [
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        ];
        let sent = Instant::now();
        let mut buffer = [0; 64];
        for (nth, client) in clients.iter().enumerate() {
            client.send_to(&[nth as u8; 10], listen).await.unwrap();
            let (len, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[..len], [nth as u8; 10]);
            server.send_to(&[nth as u8 + 100; 3], from).await.unwrap();
        }
        for (nth, client) in clients.iter().enumerate() {
            let (len, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..len], from), (&[nth as u8 + 100; 3][..], listen));
        }
        assert!(sent.elapsed() >= delay * 2);
        serving.abort();
    }
}
