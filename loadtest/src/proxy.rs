//! A link under clients that are not ours, browsers above all: datagrams to one address go on to the server, and
//! what it answers comes back, through the same machine that scenarios use. Every client has a link of its own. A
//! line on standard input changes what happens on the way, for everyone and from now on: `--rate 300k --delay 50`.
//!
//! ICE candidates name the server's own address, so the server must name ours instead. On one machine: the server
//! listens on 127.0.0.1 (`media.bind`) and advertises 127.0.0.2 (`media.advertise`), and the proxy listens on
//! 127.0.0.2 with the same ports.

mod impairments;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Args;
use offhook_link::{Fate, Link};
use offhook_scenario::{Paths, Scenario};
use offhook_types::Rng;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::caller::road::{Parcel, Road, WAITING, until};
use impairments::Impairments;

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
    #[command(flatten)]
    impairments: Impairments,
    /// Replays the same losses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Listen on an address that other machines can reach.
    #[arg(long)]
    allow_remote: bool,
}

/// Carry datagrams until the process is ended.
pub async fn run(options: Options) -> Result<()> {
    let loopback = options.listen.ip().is_loopback() && options.to.ip().is_loopback();
    ensure!(loopback || options.allow_remote, "not on loopback: say --allow-remote");
    let (say, paths) = watch::channel(Arc::new(options.paths()?));
    std::thread::spawn(move || take_orders(&say));
    let began = Instant::now();
    let mut ports = JoinSet::new();
    for nth in 0..options.ports {
        let listen = beside(options.listen, nth)?;
        let socket = UdpSocket::bind(listen).await.with_context(|| format!("on {listen}"))?;
        println!("listening on {}", socket.local_addr()?);
        let (paths, to) = (paths.clone(), beside(options.to, nth)?);
        let seed = options.seed + u64::from(nth) * CLIENTS as u64;
        let port = Port { socket: Arc::new(socket), to, paths, began, seed };
        ports.spawn(port.serve());
    }
    ports.join_next().await.context("no port")??
}

/// Read what happens from now on, until there is no more to read.
fn take_orders(say: &watch::Sender<Arc<Paths>>) {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match Impairments::read(&line) {
            Ok(said) => drop(say.send_replace(Arc::new(said.paths()))),
            Err(error) => eprintln!("{error}"),
        }
    }
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
        Ok(self.impairments.paths())
    }
}

/// One port.
struct Port {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    paths: watch::Receiver<Arc<Paths>>,
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
        let seed = Rng::from_seed(self.seed + nth).next_u64();
        let road = Road::new(&self.paths.borrow(), self.began, seed);
        let (sender, outgoing) = mpsc::channel(WAITING);
        let ends = Ends { socket: self.socket.clone(), client: from, server };
        tokio::spawn(carry(road, ends, outgoing, self.paths.clone()));
        Ok(sender)
    }
}

/// Silence after which a client is gone.
const GONE: Duration = Duration::from_secs(60);

/// Where one client's datagrams come out.
struct Ends {
    socket: Arc<UdpSocket>,
    client: SocketAddr,
    server: UdpSocket,
}

/// One client's datagrams, both ways, until it is gone.
async fn carry(
    mut road: Road,
    Ends { socket, client, server }: Ends,
    mut outgoing: mpsc::Receiver<Bytes>,
    mut paths: watch::Receiver<Arc<Paths>>,
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
            Ok(()) = paths.changed() => road.change(&paths.borrow_and_update()),
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

#[cfg(test)]
mod tests {
    use offhook_link::{Conditions, Schedule};

    use super::*;

    #[tokio::test]
    async fn datagrams_go_there_and_back_and_each_client_keeps_its_own() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let listen = socket.local_addr().unwrap();
        let delay = Duration::from_millis(5);
        let schedule = Schedule::constant(Conditions { delay, ..Conditions::default() });
        let paths = Paths { name: "p".into(), up: schedule.clone(), down: schedule };
        let (_say, paths) = watch::channel(Arc::new(paths));
        let port = Port { socket, to, paths, began: Instant::now(), seed: 1 };
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
