//! The named conditions of the performance tables, and what a receiver gets under each.

use core::fmt::{self, Display};
use core::time::Duration;

use offhook_link::{Bursts, Conditions, Share};
use offhook_types::{Rng, Time};

use super::LAYERS;
use super::path::Path;

/// A link that may change while it is played.
pub struct Condition {
    /// What the row is called.
    pub name: &'static str,
    start: Conditions,
    change: Change,
}

#[derive(Clone, Copy)]
enum Change {
    Never,
    /// The rate falls to this, and returns.
    Drop(u64),
    /// The rate wanders, as that of a phone on the move.
    Wander,
    /// Others send so much every other five seconds.
    Cross(u64),
}

/// What a receiver got under a condition. Rates are kilobits a second, times milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    name: &'static str,
    link: u64,
    estimate: (u64, u64, u64),
    /// Until the estimate first reached what the link and the source have.
    found: Option<u64>,
    /// Until it was below the narrowed link, and until it was back after that.
    followed: Option<(u64, u64)>,
    queue: (u64, u64),
    dropped: u64,
    received: u64,
    padding: u64,
}

/// Every condition.
pub fn conditions() -> Vec<Condition> {
    let rate = |rate| Conditions {
        rate_bps: Some(rate),
        delay: Duration::from_millis(20),
        ..Conditions::default()
    };
    let plain = |name, bits| still(name, rate(bits));
    let lossy = |name, percent| {
        still(name, Conditions { loss: Share::percent(percent), ..rate(3_000_000) })
    };
    let bursts = Some(Bursts { every: 160, length: 5 });
    let bursts = Conditions { bursts, ..rate(3_000_000) };
    let shallow = Conditions { queue: Duration::from_millis(30), ..rate(1_000_000) };
    let two = || rate(2_000_000);
    vec![
        plain("open", 100_000_000),
        plain("300 kbit/s", 300_000),
        plain("500 kbit/s", 500_000),
        plain("1 Mbit/s", 1_000_000),
        plain("2 Mbit/s", 2_000_000),
        plain("3 Mbit/s", 3_000_000),
        lossy("3 Mbit/s, 2 % loss", 2),
        lossy("3 Mbit/s, 5 % loss", 5),
        lossy("3 Mbit/s, 10 % loss", 10),
        still("3 Mbit/s, 3 % loss in bursts of 5", bursts),
        uneven("2 Mbit/s, 30 ms there and back, 10 ms jitter", 30, 10),
        uneven("2 Mbit/s, 100 ms there and back, 20 ms jitter", 100, 20),
        uneven("2 Mbit/s, 200 ms there and back, 30 ms jitter", 200, 30),
        uneven("2 Mbit/s, 200 ms there and back, 50 ms jitter", 200, 50),
        still("1 Mbit/s, 30 ms of queue", shallow),
        Condition {
            name: "2 Mbit/s, 500 kbit/s, 2 Mbit/s",
            start: two(),
            change: Change::Drop(500_000),
        },
        Condition { name: "0.6 to 4 Mbit/s, wandering", start: two(), change: Change::Wander },
        Condition {
            name: "2 Mbit/s, 1 of it others'",
            start: two(),
            change: Change::Cross(1_000_000),
        },
    ]
}

fn still(name: &'static str, start: Conditions) -> Condition {
    Condition { name, start, change: Change::Never }
}

/// A link of 2 Mbit/s that takes so many milliseconds there and back on average, each way up to `jitter` more than at
/// least.
fn uneven(name: &'static str, round_trip: u64, jitter: u64) -> Condition {
    let delay = Duration::from_millis(round_trip.saturating_sub(jitter) / 2);
    let jitter = Duration::from_millis(jitter);
    let rate_bps = Some(2_000_000);
    still(name, Conditions { rate_bps, delay, jitter, ..Conditions::default() })
}

/// Play one condition.
pub fn play(condition: &Condition, seed: u64, trace: &mut dyn FnMut(Time, &str)) -> Row {
    let mut rng = Rng::from_seed(seed);
    let mut path = Path::new(&condition.start, LAYERS, &mut rng);
    let mut watch = Watch::new(condition.start.rate_bps.unwrap_or(u64::MAX));
    for millis in 1..=SECONDS * 1000 {
        let now = Time::from_millis(millis);
        let taken = condition.change(now, &mut path, &mut rng);
        path.step(now);
        watch.look(millis, taken, &path);
        if millis % 100 == 0 {
            let (estimate, queue) = (path.leg.estimate(), path.queue_delay());
            let (rate, loss) = (path.rate(), path.leg.lost_permille());
            trace(
                now,
                &format!("{rate:?} link, {estimate} estimate, {queue:?} queued, {loss}/1000"),
            );
        }
    }
    watch.row(condition, &path)
}

impl Condition {
    /// What the link is like now. Bits a second that others take of it.
    fn change(&self, now: Time, path: &mut Path, rng: &mut Rng) -> u64 {
        let millis = now.as_millis();
        match self.change {
            Change::Drop(rate) if millis == DROP.0 => {
                self.narrow(now, path, rate);
            }
            Change::Drop(_) if millis == DROP.1 => path.forth.change(now, self.start.clone()),
            Change::Wander if millis.is_multiple_of(100) => {
                let present = path.rate().unwrap_or(0);
                let rate =
                    (present * u64::from(80 + rng.below(41)) / 100).clamp(600_000, 4_000_000);
                self.narrow(now, path, rate);
            }
            Change::Cross(rate) if (millis / 5000) % 2 == 1 => {
                path.cross(now, rate);
                return rate;
            }
            _ => {}
        }
        0
    }

    fn narrow(&self, now: Time, path: &mut Path, rate: u64) {
        path.forth.change(now, Conditions { rate_bps: Some(rate), ..self.start.clone() });
    }
}

/// What is noted while a condition is played.
struct Watch {
    start: u64,
    links: u64,
    estimates: Vec<u64>,
    queues: Vec<u64>,
    found: Option<u64>,
    fell: Option<u64>,
    back: Option<u64>,
    received: u64,
}

impl Watch {
    const fn new(start: u64) -> Self {
        Self {
            start,
            links: 0,
            estimates: Vec::new(),
            queues: Vec::new(),
            found: None,
            fell: None,
            back: None,
            received: 0,
        }
    }

    fn look(&mut self, millis: u64, taken: u64, path: &Path) {
        let link = path.rate().unwrap_or(0).saturating_sub(taken);
        let estimate = path.leg.estimate();
        let goal = (self.start * 8 / 10).min(2_500_000);
        if estimate >= goal && estimate <= self.start {
            self.found.get_or_insert(millis);
        }
        if millis > DROP.0 && estimate <= link {
            self.fell.get_or_insert(millis - DROP.0);
        }
        if millis > DROP.1 && estimate >= self.start * 8 / 10 {
            self.back.get_or_insert(millis - DROP.1);
        }
        if millis == SETTLED {
            self.received = path.received;
        }
        if millis > SETTLED {
            self.links += link / 1000;
            self.estimates.push(estimate / 1000);
            self.queues.push(path.queue_delay().as_millis() as u64);
        }
    }

    fn row(mut self, condition: &Condition, path: &Path) -> Row {
        let steps = SECONDS * 1000 - SETTLED;
        let followed = match condition.change {
            Change::Drop(_) => self.fell.zip(self.back),
            _ => None,
        };
        self.estimates.sort_unstable();
        self.queues.sort_unstable();
        let mean = |values: &[u64]| values.iter().sum::<u64>() / steps;
        let part = |values: &[u64], percent: usize| {
            values.get(values.len() * percent / 100).copied().unwrap_or(0)
        };
        let estimate = (mean(&self.estimates), part(&self.estimates, 5), part(&self.estimates, 95));
        Row {
            name: condition.name,
            link: self.links / steps,
            estimate,
            found: self.found,
            followed,
            queue: (mean(&self.queues), part(&self.queues, 95)),
            dropped: path.dropped(),
            received: (path.received - self.received) * 8 / steps,
            padding: path.padding * 8 / (SECONDS * 1000),
        }
    }
}

/// The head of a table in Markdown, whose lines are [`Row`]s.
pub const HEAD: &str = "\
| condition | link | estimate, mean (5 % to 95 %) | media received | found after | \
queue, mean / 95 % | dropped | padding |
|---|---|---|---|---|---|---|---|";

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, low, high) = self.estimate;
        write!(
            f,
            "| {} | {} | {mean} ({low} to {high}) | {} | ",
            self.name, self.link, self.received
        )?;
        match self.found {
            Some(found) => write!(f, "{found} ms")?,
            None => f.write_str("never")?,
        }
        if let Some((fell, back)) = self.followed {
            write!(f, ", narrowed: {fell} ms, widened: {back} ms")?;
        }
        let (queue, most) = self.queue;
        write!(f, " | {queue} / {most} ms | {} | {} |", self.dropped, self.padding)
    }
}

/// How long a condition is played, and from when on it is watched.
const SECONDS: u64 = 60;
const SETTLED: u64 = 5_000;
/// When a link narrows, and widens, in milliseconds.
const DROP: (u64, u64) = (20_000, 35_000);

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        let all = conditions();
        let condition = all.iter().find(|condition| condition.name == name).unwrap();
        play(condition, 1, &mut |_, _| ())
    }

    #[test]
    fn an_open_link_is_found_and_a_steady_one_kept() {
        let open = row("open");
        assert!(open.found.unwrap() < 2000 && open.dropped == 0, "{open}");
        let steady = row("3 Mbit/s");
        let (mean, low, high) = steady.estimate;
        assert!(low * 10 > mean * 8 && high * 8 < mean * 10 && steady.dropped == 0, "{steady}");
    }

    #[test]
    fn a_link_that_narrows_is_followed_and_found_again() {
        let row = row("2 Mbit/s, 500 kbit/s, 2 Mbit/s");
        let (fell, back) = row.followed.unwrap();
        assert!(fell < 1000 && back < 2000, "{row}");
    }

    #[test]
    fn a_link_whose_way_varies_is_found_and_kept() {
        for (round_trip, jitter) in
            [30, 200].into_iter().flat_map(|r| [5, 10, 30, 50].map(|j| (r, j)))
        {
            let condition = uneven("", round_trip, jitter);
            let rows: Vec<Row> =
                (1..=5).map(|seed| play(&condition, seed, &mut |_, _| ())).collect();
            let mean = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>() / 5;
            let mut found: Vec<u64> =
                rows.iter().map(|row| row.found.unwrap_or(u64::MAX)).collect();
            found.sort_unstable();
            let shown: Vec<String> = rows.iter().map(Row::to_string).collect();
            assert!((1_550..2_000).contains(&mean(|row| row.estimate.0)), "{shown:#?}");
            let soon = if jitter < 50 { 3_000 } else { 6_000 };
            assert!(found[2] < soon, "{shown:#?}");
            assert!(mean(|row| row.queue.1) < 50 && mean(|row| row.dropped) < 5, "{shown:#?}");
        }
    }

    #[test]
    fn losses_of_a_links_own_do_not_hold_the_estimate_down() {
        let all = conditions();
        for condition in all.iter().filter(|condition| condition.name.contains("loss")) {
            let rows: Vec<Row> =
                (1..=5).map(|seed| play(condition, seed, &mut |_, _| ())).collect();
            let mean = rows.iter().map(|row| row.estimate.0).sum::<u64>() / 5;
            let shown: Vec<String> = rows.iter().map(Row::to_string).collect();
            assert!((2_550..3_000).contains(&mean), "{shown:#?}");
        }
    }
}
