//! `offhook-loadtest floor`: the minimal relay by itself, to see what forwarding costs at the least on a machine.
//! Beside our worker it runs in `cargo bench -p offhook-media --bench relay`.

use anyhow::Result;

use crate::floor::stage::measure;
use crate::floor::{self, Cipher, Frame, Publisher, Relay, Stage};

/// How much.
#[derive(clap::Args)]
pub struct Options {
    /// Publishers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=50))]
    publishers: u8,
    /// Receivers of each.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    receivers: u16,
    /// Measurements; the median is shown.
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    trials: u16,
    /// Receivers are sockets on the loopback, even where a device that drops can be had.
    #[arg(long)]
    loopback: bool,
}

/// Measure and print.
pub fn run(options: &Options) -> Result<()> {
    let mut stage = if options.loopback { Stage::loopback() } else { Stage::enter() };
    let socket = floor::stage::bind(64 << 20);
    let server = floor::relay::address(&socket);
    let mut relay = Relay::new(socket);
    let mut publishers = Vec::new();
    for nth in 0..options.publishers {
        let key = ([nth + 1; 16], [9; 12]);
        let cipher = Cipher::new(&key.0, key.1);
        let seal = move |at: (u32, u64), payload: &[u8], out: &mut [u8]| {
            cipher.seal((at.0, at.1 & 0xffff), payload, out);
        };
        let publisher = Publisher::new(server, (77, Frame::VIDEO), Box::new(seal));
        let receivers = stage.receivers(options.receivers.into());
        relay.add(publisher.address().port(), (&key.0, key.1), &receivers);
        publishers.push(publisher);
    }
    let mut costs = Vec::new();
    for _ in 0..options.trials {
        publishers.iter_mut().for_each(|publisher| publisher.burst(false));
        let before = relay.forwarded;
        let cost = measure(|| while relay.turn() {});
        costs.push(cost.nanos as f64 / (relay.forwarded - before) as f64);
        stage.drain();
    }
    costs.sort_by(f64::total_cmp);
    let (median, least) = (costs[costs.len() / 2], costs[0]);
    println!("to {:?}: {median:.0} ns a forwarded packet, {least:.0} at the least", stage.sink);
    Ok(())
}
