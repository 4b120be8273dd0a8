//! Native clients over QUIC: one publisher and one player in a room, each over QUIC or, through the `webrtc`
//! crate, over WHIP and WHEP. It ends when the player has what was asked for, and says so in one line of JSON.

pub mod client;
mod pin;
mod play;
mod publish;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::token;
use crate::video::peer::{self, Access, Seen};
use client::Client;

/// Who publishes, who plays, and how much is enough.
#[derive(Args, Clone)]
pub struct Pair {
    /// Server to aim at, such as http://127.0.0.1:7880.
    #[arg(long)]
    url: String,
    /// API key and secret that the server knows.
    #[arg(long, default_value = "devkey")]
    key: String,
    /// See --key.
    #[arg(long, default_value = "development-secret-of-offhook-0001")]
    secret: String,
    /// The room to meet in.
    #[arg(long, default_value = "native")]
    room: String,
    /// How the publisher is connected.
    #[arg(long, value_enum, default_value = "quic")]
    publish: Way,
    /// How the player is connected.
    #[arg(long, value_enum, default_value = "quic")]
    play: Way,
    /// Packets that the player must get.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    packets: u64,
    /// Bytes of RTP payload in a packet.
    #[arg(long, default_value_t = 1060, value_parser = clap::value_parser!(u16).range(64..=1400))]
    payload: u16,
    /// Half way, the native clients change their address and their keys.
    #[arg(long)]
    restless: bool,
    /// Seconds after which it has failed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,
}

/// How a side is connected.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// RTP over QUIC.
    Quic,
    /// WHIP to publish, WHEP to play.
    Webrtc,
}

/// Play until the player has enough.
pub async fn run(pair: Pair) -> Result<()> {
    let origin = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = publish::start(&pair, origin, stop.clone()).await.context("publisher")?;
    let seen = Arc::new(Seen::default());
    seen.counting.store(true, Ordering::Relaxed);
    let player = match pair.play {
        Way::Quic => Player::Native(Client::connect(&pair.access("player")).await?),
        Way::Webrtc => {
            let peer = peer::play(pair.webrtc("whep", "player", origin), seen.clone()).await?;
            Player::Webrtc(peer)
        }
    };
    let player = player.start(origin, &seen);
    let enough = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut settled = !pair.restless;
        while seen.packets.load(Ordering::Relaxed) < pair.packets {
            ticks.tick().await;
            if !settled && seen.packets.load(Ordering::Relaxed) >= pair.packets / 2 {
                settled = true;
                publisher.move_on()?;
                player.move_on()?;
            }
        }
        anyhow::Ok(())
    };
    let done = tokio::time::timeout(Duration::from_secs(pair.patience), enough).await;
    let received = seen.packets.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    let (sent, streams) = (publisher.sent(), player.in_streams());
    player.close().await;
    publisher.close().await;
    println!("{}", json!({ "sent": sent, "received": received, "in_streams": streams }));
    ensure!(matches!(done, Ok(Ok(()))), "{received} of {} packets came", pair.packets);
    Ok(())
}

impl Pair {
    fn access(&self, identity: &str) -> client::Access {
        client::Access {
            url: self.url.clone(),
            room: self.room.clone(),
            token: token::mint(&self.key, &self.secret, &self.room, identity),
        }
    }

    fn webrtc(&self, door: &str, identity: &str, origin: Instant) -> Access {
        Access {
            endpoint: format!("{}/{door}/{}", self.url, self.room),
            token: token::mint(&self.key, &self.secret, &self.room, identity),
            http: reqwest::Client::new(),
            origin,
        }
    }
}

enum Player {
    Native(Client),
    Webrtc(peer::Peer),
}

enum Playing {
    Native(play::Player),
    Webrtc(peer::Peer),
}

impl Player {
    fn start(self, origin: Instant, seen: &Arc<Seen>) -> Playing {
        match self {
            Self::Native(client) => {
                Playing::Native(play::Player::start(client, origin, seen.clone()))
            }
            Self::Webrtc(peer) => Playing::Webrtc(peer),
        }
    }
}

impl Playing {
    fn move_on(&self) -> Result<()> {
        match self {
            Self::Native(player) => player.connection.move_on(),
            Self::Webrtc(_) => Ok(()),
        }
    }

    fn in_streams(&self) -> u64 {
        match self {
            Self::Native(player) => player.in_streams(),
            Self::Webrtc(_) => 0,
        }
    }

    async fn close(self) {
        match self {
            Self::Native(player) => player.close().await,
            Self::Webrtc(peer) => peer.close().await,
        }
    }
}
