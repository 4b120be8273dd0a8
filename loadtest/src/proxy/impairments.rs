//! What a link does to datagrams, as people say it: options on the command line, and the same on a line of its own
//! later.

use std::time::Duration;

use clap::Parser;
use offhook_link::{Bursts, Conditions, Schedule, Share};
use offhook_scenario::Paths;

/// What happens on the way.
#[derive(Parser, Clone)]
pub struct Impairments {
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

impl Impairments {
    /// From a line of the same options, which stand for themselves: nothing is kept of what was said
    /// before.
    pub fn read(line: &str) -> Result<Self, clap::Error> {
        Self::try_parse_from(std::iter::once("link").chain(line.split_whitespace()))
    }

    /// Both ways.
    pub fn paths(&self) -> Paths {
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
        Paths { name: "proxy".into(), up, down }
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
    let (digits, whole) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let wrong = || "a share from 0 to 1, or in %".to_owned();
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    match (0.0..=whole).contains(&number) {
        true => Ok(Share::of_million((number / whole * 1e6).round() as u32)),
        false => Err(wrong()),
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
    use std::net::SocketAddr;
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::caller::road::{Parcel, Road};

    #[test]
    fn conditions_are_read_as_people_write_them() {
        let rates = ["500k", "1.5M", "64000", "7k", "x", ""].map(|text| rate(text).ok());
        assert_eq!(rates, [Some(500_000), Some(1_500_000), Some(64_000), None, None, None]);
        let shares = ["0", "0.02", "1", "2%", "1.1", "101%", "-1", "NaN"];
        let shares = shares.map(|text| share(text).ok());
        let percent = |many| Some(Share::percent(many));
        assert_eq!(
            shares,
            [percent(0), percent(2), percent(100), percent(2), None, None, None, None]
        );
        assert_eq!(bursts("200:5"), Ok(Bursts { every: 200, length: 5 }));
        assert!(["200", "0:5", "a:b"].iter().all(|text| bursts(text).is_err()));
    }

    #[test]
    fn a_line_stands_for_itself() {
        let read = |line| Impairments::read(line).map(|said| said.paths().down.at(Duration::ZERO));
        let late_by = Duration::from_millis(20);
        let open = Conditions { late_by, ..Conditions::default() };
        let narrow = Conditions { rate_bps: Some(300_000), ..open.clone() };
        assert_eq!(read("--rate 300k").unwrap(), narrow);
        assert_eq!(read("").unwrap(), open);
        assert_eq!(read("--way up --loss 1").unwrap(), Conditions::default());
        assert!(read("300k").is_err() && read("--seed 2").is_err());
    }

    #[test]
    fn a_line_changes_a_road_from_then_on() {
        let read = |line| Impairments::read(line).unwrap().paths();
        let mut road = Road::new(&read("--way up --loss 1"), Instant::now(), 1);
        assert_eq!(passes(&mut road), (false, true));
        road.change(&read("--way down --loss 1"));
        assert_eq!(passes(&mut road), (true, false));
        road.change(&read(""));
        assert_eq!(passes(&mut road), (true, true));
    }

    /// To the server and back.
    fn passes(road: &mut Road) -> (bool, bool) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let parcel = || Parcel { flow: 0, peer, bytes: Bytes::from_static(b"?") };
        road.send_up(parcel());
        road.send_down(parcel());
        (road.poll_up().is_some(), road.poll_down().is_some())
    }
}
