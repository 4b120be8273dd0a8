//! Virtual callers against a running Offhook, or any server that speaks WHIP and WHEP or the LiveKit client protocol.
//!
//! `offhook-loadtest run FILE` plays a scenario (`loadtest/scenarios`): it starts a server of its own or aims at one,
//! lets participants in ([`door`]), each a light client of our own ([`caller`]), and reports what arrived, how
//! late, and what it cost the server. `video` does one scenario with the `webrtc` crate, a stack that shares no code
//! with the server; `link` impairs the datagrams of clients that are not ours; `carrier` is the far end of phone calls,
//! and `phone` places many; `floor` is a minimal relay to hold ours against, and with the feature `standin` there is
//! another SFU and `compare`. Everything is bounded in count and time.

mod caller;
mod carrier;
mod door;
mod floor;
mod minimal;
mod phone;
mod process;
mod proxy;
mod report;
mod run;
mod server;
#[cfg(feature = "standin")]
mod standin;
mod token;
mod video;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Load generator for Offhook.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a scenario from a file.
    Run(run::Options),
    /// Impair the datagrams between clients and a server.
    Link(proxy::Options),
    /// One publisher, N receivers, video in frame bursts.
    Video(Load),
    /// A telephone company: takes calls over SIP, and places them.
    Carrier(carrier::Listen),
    /// Many calls over the phone network, from reservation to closed record.
    Phone(phone::Load),
    /// A minimal relay loop by itself: the floor under every relay.
    Floor(minimal::Options),
    /// A small SFU on the str0m crate that speaks WHIP and WHEP, to be measured like ours.
    #[cfg(feature = "standin")]
    Standin(standin::Options),
    /// Play scenarios against our server and against the stand-in by turns.
    #[cfg(feature = "standin")]
    Compare(standin::compare::Options),
}

/// What to play and against whom.
#[derive(Args, Clone)]
pub struct Load {
    /// Server to aim at, on this machine. Without it, a server is started from --server.
    #[arg(long)]
    url: Option<String>,
    /// Process id of that server, for its CPU time and memory.
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// The server binary to start.
    #[arg(long, default_value = "target/release/offhook")]
    server: PathBuf,
    /// API key and secret that the server knows.
    #[arg(long, default_value = "devkey")]
    key: String,
    /// See --key.
    #[arg(long, default_value = "development-secret-of-offhook-0001")]
    secret: String,
    /// How many receivers.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    receivers: u16,
    /// Seconds to measure after everyone joined.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Frames a second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    fps: u32,
    /// RTP packets in a frame.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=50))]
    packets_per_frame: u32,
    /// Bytes of RTP payload in a packet.
    #[arg(long, default_value_t = 1160, value_parser = clap::value_parser!(u16).range(64..=1180))]
    payload: u16,
    /// Repetitions; the medians are reported.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let command = Cli::parse().command;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let done = match command {
            Command::Run(options) => {
                let holds = run::run(options).await?;
                return Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(EXPECTATIONS) });
            }
            Command::Link(options) => proxy::run(options).await,
            Command::Video(load) => video::run(load).await,
            Command::Carrier(options) => carrier::run(options).await,
            Command::Phone(load) => phone::run(load).await,
            Command::Floor(options) => minimal::run(&options),
            #[cfg(feature = "standin")]
            Command::Standin(options) => standin::run(options).await,
            #[cfg(feature = "standin")]
            Command::Compare(options) => standin::compare::run(options).await,
        };
        done.map(|()| ExitCode::SUCCESS)
    })
}

/// What the program ends with when a scenario's bounds do not hold.
const EXPECTATIONS: u8 = 3;
