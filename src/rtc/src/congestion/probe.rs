//! Probes: short clusters of packets, sent faster than the estimate allows, to find out whether the
//! way carries more. What a cluster's packets take to arrive tells the rate of the narrowest link
//! on it. A leg that sends less than it might, since layers come in steps, learns in no other way.

use core::time::Duration;

use offhook_types::Time;

use super::Probe;
use super::line::Line;

/// Names a cluster; zero is for packets of none.
pub type Id = u8;

/// What is known when a probe is planned. Rates are bits a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) estimate: f64,
    /// What the leg would send if it might.
    pub(super) wanted: f64,
    /// No estimate goes above this.
    pub(super) max: f64,
    /// No queue grows on the way.
    pub(super) calm: bool,
    pub(super) round_trip: Duration,
    /// The shortest way of late, from departure on our clock to arrival on the peer's, in milliseconds.
    pub(super) way: f64,
}

/// The probes of one leg.
pub(super) struct Prober {
    last: Id,
    /// Rates of clusters to be sent, one after the other.
    waiting: [f64; 2],
    clusters: [Option<Cluster>; CLUSTERS],
    /// No probe before, unless a result comes first.
    due: Time,
    /// There is more to have.
    short: bool,
    /// The best estimate of late, and since when it is out of reach.
    peak: f64,
    lost_at: Time,
    /// A raise that has not yet proved itself: when, and from what.
    raised: Option<(Time, f64)>,
    /// Raises in a row that did not hold.
    vain: u32,
    started: bool,
    /// So many milliseconds the next cluster lasts.
    lasts: f64,
    /// The last probe got through.
    open: bool,
}

/// One cluster. Times are milliseconds, of departure on our clock, of arrival on the peer's.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    id: Id,
    rate: f64,
    made: Time,
    sent: u64,
    arrived: u64,
    packets: u32,
    first_sent: f64,
    last_sent: f64,
    /// Bytes that left, and arrived, with the last departure: the time until what would have been
    /// next is not part of the span.
    last_run: u64,
    first_arrival: f64,
    last_arrival: f64,
    /// How long after the first each came, over the bytes that had come with it.
    line: Line,
}

impl Prober {
    pub(super) fn new(now: Time) -> Self {
        Self {
            last: 0,
            waiting: [0.0; 2],
            clusters: [None; CLUSTERS],
            due: Time::ZERO,
            short: false,
            peak: 0.0,
            lost_at: now,
            raised: None,
            vain: 0,
            started: false,
            lasts: SHORTEST_MS,
            open: false,
        }
    }

    /// When to plan next, if nothing else happens before.
    pub(super) const fn due(&self) -> Time {
        if self.short { self.due } else { Time::MAX }
    }

    /// More is wanted than before.
    pub(super) const fn wake(&mut self) {
        self.short = true;
    }

    /// The last probe got through, and nothing spoke against it since.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Decide whether to probe now.
    pub(super) fn plan(&mut self, now: Time, view: &View) {
        let ceiling = (view.wanted * HEADROOM).min(view.max);
        self.note_peak(now, view.estimate);
        if let Some((at, _)) = self.raised
            && now.since(at) > PROOF
        {
            (self.raised, self.vain) = (None, 0);
        }
        self.short = view.estimate * WORTH <= ceiling;
        if now < self.due || !self.short {
            return;
        }
        if !view.calm {
            self.due = now + LOOK;
            return;
        }
        self.due = now + self.interval(now, view);
        self.waiting = if self.started {
            [(view.estimate * 2.0).max(self.peak.min(view.estimate * 3.0)).min(ceiling), 0.0]
        } else {
            [(view.estimate * 3.0).min(ceiling), (view.estimate * 6.0).min(ceiling)]
        };
        self.started = true;
    }

    /// The estimate was lowered: probing waits until the queue has drained.
    pub(super) fn lowered(&mut self, now: Time, from: f64) {
        self.note_peak(now, from);
        (self.waiting, self.clusters) = ([0.0; 2], [None; CLUSTERS]);
        self.open = false;
        if self.raised.take().is_some() {
            self.vain = (self.vain + 1).min(MOST_VAIN);
        }
        self.due = now + FIRST_RETRY * (1 << self.vain);
    }

    /// The next cluster to send.
    pub(super) fn poll(&mut self, now: Time) -> Option<Probe> {
        let [rate, next] = self.waiting;
        if rate <= 0.0 {
            return None;
        }
        self.waiting = [next, 0.0];
        self.last = self.last.checked_add(1).unwrap_or(1);
        let place = self.clusters.get_mut(usize::from(self.last) % CLUSTERS)?;
        *place = Some(Cluster::new(now, self.last, rate));
        let bytes = ((rate * self.lasts / 8000.0) as usize).max(LEAST_BYTES);
        Some(Probe { cluster: self.last, bits_per_second: rate as u64, bytes, packets: PACKETS })
    }

    /// A packet of a cluster left.
    pub(super) fn sent(&mut self, id: Id, at: f64, size: u16) {
        if let Some(cluster) = self.cluster(id) {
            if cluster.sent == 0 {
                cluster.first_sent = at;
            }
            cluster.last_sent = cluster.last_sent.max(at);
            cluster.sent += u64::from(size);
        }
    }

    /// A packet of a cluster arrived.
    pub(super) fn arrived(&mut self, id: Id, (sent, arrival): (f64, f64), size: u16) {
        let Some(cluster) = self.cluster(id) else { return };
        let size = u64::from(size);
        if cluster.packets == 0 {
            cluster.first_arrival = arrival;
        }
        cluster.packets += 1;
        cluster.arrived += size;
        cluster.line.add(cluster.arrived as f64, arrival - cluster.first_arrival);
        if sent >= cluster.last_sent - 0.1 {
            cluster.last_run += size;
        }
        cluster.last_arrival = cluster.last_arrival.max(arrival);
    }

    /// What the clusters told so far, if it speaks against the estimate: the best rate that the way was seen to
    /// carry, or what it was seen to be filled by. A cluster that got through is followed by a faster one.
    pub(super) fn result(&mut self, now: Time, view: &View) -> Option<f64> {
        let ceiling = (view.wanted * HEADROOM).min(view.max);
        let limit = now - (view.round_trip * 3 + LATEST);
        let (mut best, mut most, mut onward) = (0.0f64, f64::MAX, 0.0f64);
        for place in &mut self.clusters {
            let Some(cluster) = place else { continue };
            let Some(reading) = cluster.read(view.way) else {
                if cluster.made < limit {
                    *place = None;
                }
                continue;
            };
            let Reading { sent, least, .. } = reading;
            (best, most, self.lasts) = (best.max(least), most.min(reading.most), reading.lasts);
            self.open = least >= sent * 0.95;
            if least >= sent * THROUGH && sent >= cluster.rate / 2.0 {
                onward = onward.max(least * 2.0);
            }
            *place = None;
        }
        if best <= view.estimate {
            return (most < view.estimate).then_some(most);
        }
        if self.raised.is_none() {
            self.raised = Some((now, view.estimate));
        }
        if onward > 0.0 && best * WORTH < ceiling {
            self.waiting = [onward.min(ceiling), 0.0];
            self.due = self.due.max(now + view.round_trip + LATEST);
        }
        Some(best.min(view.max))
    }

    fn cluster(&mut self, id: Id) -> Option<&mut Cluster> {
        let place = self.clusters.get_mut(usize::from(id) % CLUSTERS)?;
        place.as_mut().filter(|cluster| cluster.id == id)
    }

    fn note_peak(&mut self, now: Time, estimate: f64) {
        if estimate >= self.peak * 0.9 {
            (self.peak, self.lost_at) = (self.peak.max(estimate), now);
        } else if now.since(self.lost_at) > MEMORY {
            self.peak = estimate;
        }
    }

    /// The longer the way has been narrow, the less often it is asked.
    fn interval(&self, now: Time, view: &View) -> Duration {
        let narrow = now.since(self.lost_at) / 30;
        let usual = if view.estimate < view.wanted { RETRY } else { RETRY * 3 };
        usual.max(narrow.min(LONGEST_RETRY)) * (1 << self.vain)
    }
}

impl Cluster {
    const fn new(made: Time, id: Id, rate: f64) -> Self {
        Self {
            id,
            rate,
            made,
            sent: 0,
            arrived: 0,
            packets: 0,
            first_sent: 0.0,
            last_sent: 0.0,
            last_run: 0,
            first_arrival: 0.0,
            last_arrival: f64::MIN,
            line: Line::EMPTY,
        }
    }

    /// Once enough has arrived.
    fn read(&self, way: f64) -> Option<Reading> {
        if self.packets + 1 < PACKETS || (self.arrived as f64) < self.sent as f64 * ENOUGH {
            return None;
        }
        let spent = self.last_sent - self.first_sent;
        // Counted from when the first might have arrived: had it been held up, those behind it would
        // seem to come fast.
        let taken = self.last_arrival - (self.first_sent + way);
        if !(1.0..1000.0).contains(&spent) || !(0.5..1000.0).contains(&taken) {
            return None;
        }
        let sent = self.arrived.saturating_sub(self.last_run) as f64 * 8000.0 / spent;
        let (pace, lasts) = self.pace(sent, spent + RUN_MS);
        let came = pace.0.max(self.arrived as f64 * 8000.0 / taken);
        // Where packets came slower than they were sent the link was full: what it carried is its
        // rate, of which a little is left free.
        let least = if came < sent * FULL { came * 0.95 } else { sent.min(came) };
        let most = pace.1.max(came);
        let most = if most < sent * FULL { most } else { f64::MAX };
        Some(Reading { sent, least, most, lasts })
    }

    /// Between which rates packets followed each other, and how long a cluster has to last to tell it well. Where the
    /// way varies the last one is late by what it happened to be held up, however little it waited for the link, so
    /// that counting to its arrival finds less the more the way varies; among all of them that evens out.
    fn pace(&self, sent: f64, lasted: f64) -> ((f64, f64), f64) {
        let Some(slope) = self.line.slope() else { return (ANY_PACE, SHORTEST_MS) };
        // What comes faster than it was sent was held up and let go together, which tells no rate.
        if slope.mean * sent < EVEN * 8000.0 {
            return (ANY_PACE, (lasted * 2.0).min(LONGEST_MS));
        }
        // The error of a slope falls with the packets' number and with the time that they take, so nearly with this
        // power of the time.
        let longer = (slope.error / slope.mean / ACCURATE).powf(2.0 / 3.0);
        let lasts = (lasted * longer).clamp(SHORTEST_MS, LONGEST_MS);
        if self.packets < FEW_POINTS {
            return (ANY_PACE, lasts);
        }
        let error = slope.error * (DOUBT + DOUBT_OF_FEW / f64::from(self.packets));
        // What was lost on the way had its part of the link.
        let whole = self.sent as f64 / self.arrived as f64;
        let most =
            if error < slope.mean { whole * 8000.0 / (slope.mean - error) } else { f64::MAX };
        ((8000.0 / (slope.mean + error), most), lasts)
    }
}

/// What a cluster tells. Rates are bits a second.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// How fast that was sent which arrived.
    sent: f64,
    /// The way carries this.
    least: f64,
    /// It was full, and does not carry more than this.
    most: f64,
    /// So many milliseconds the next cluster should last.
    lasts: f64,
}

/// Clusters whose packets are on the way.
const CLUSTERS: usize = 4;
/// The least packets of a cluster.
const PACKETS: u32 = 5;
/// How long a cluster lasts, and how long it may where the way varies.
const SHORTEST_MS: f64 = 15.0;
const LONGEST_MS: f64 = 80.0;
/// Packets leave in runs so far apart, and the time until the next is part of a cluster.
const RUN_MS: f64 = 5.0;
const LEAST_BYTES: usize = 1350;
/// This part of a cluster's bytes must arrive.
const ENOUGH: f64 = 0.7;
/// A cluster of which this part got through did not fill the link.
const THROUGH: f64 = 0.7;
/// Packets that come slower than this part of the rate at which they were sent filled the link.
const FULL: f64 = 0.9;
/// A slope is as accurate as a cluster need be when its standard error is this part of it.
const ACCURATE: f64 = 0.05;
/// Fewer packets show no error to go by.
const FEW_POINTS: u32 = 6;
/// So many standard errors a rate may be off, as one cluster in fifteen is, and more where few packets show the error.
const DOUBT: f64 = 1.5;
const DOUBT_OF_FEW: f64 = 6.0;
/// Nothing is known.
const ANY_PACE: (f64, f64) = (0.0, f64::MAX);
/// Packets that take less than this part of the time in which they were sent came in a lump.
const EVEN: f64 = 0.75;
/// Up to this many times what is wanted: only then do whole frames leave without being paced.
const HEADROOM: f64 = 2.0;
/// Less than this gain is not worth a probe.
const WORTH: f64 = 1.1;
/// Between two probes of a way that carries less than is wanted.
const RETRY: Duration = Duration::from_millis(1000);
/// After the estimate was lowered.
const FIRST_RETRY: Duration = Duration::from_millis(700);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Until it is looked again whether the queue has drained.
const LOOK: Duration = Duration::from_millis(100);
/// A raise that stands this long was right.
const PROOF: Duration = Duration::from_secs(3);
/// Each raise in vain doubles the interval, up to eightfold.
const MOST_VAIN: u32 = 3;
/// How long a better past is remembered.
const MEMORY: Duration = Duration::from_secs(60);
/// Feedback that takes longer than this and three round trips is not awaited.
const LATEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use offhook_types::Rng;

    use super::*;

    fn view(estimate: f64, wanted: f64) -> View {
        let round_trip = Duration::from_millis(50);
        View { estimate, wanted, max: 1e9, calm: true, round_trip, way: 0.0 }
    }

    /// A link of so many bits a second, and by how many milliseconds its way varies.
    struct Link {
        rate: f64,
        jitter: u32,
        rng: Rng,
    }

    /// Sends a probe in runs 5 ms apart over a link.
    fn cross(prober: &mut Prober, probe: &Probe, link: &mut Link) {
        let run = probe.bits_per_second as f64 * 0.005 / 8.0;
        let (mut sent, mut packets) = (0, 0);
        let (mut free, mut arrival) = (0.0f64, 0.0f64);
        while sent < probe.bytes || packets < probe.packets {
            let at = (sent as f64 / run).floor() * 5.0;
            prober.sent(probe.cluster, at, 270);
            (sent, packets) = (sent + 270, packets + 1);
        }
        for packet in 0..packets {
            let at = (f64::from(packet) * 270.0 / run).floor() * 5.0;
            free = free.max(at) + 270.0 * 8000.0 / link.rate;
            let late = f64::from(link.rng.below(link.jitter * 1000)) / 1000.0;
            arrival = arrival.max(free + late);
            prober.arrived(probe.cluster, (at, arrival), 270);
        }
    }

    /// Probes a link until no probe leads further; the best rate seen.
    fn climb(link: &mut Link, wanted: f64) -> f64 {
        let (mut prober, mut now) = (Prober::new(Time::ZERO), Time::from_millis(10));
        let mut estimate = 6e5;
        for _ in 0..40 {
            prober.plan(now, &view(estimate, wanted));
            while let Some(probe) = prober.poll(now) {
                cross(&mut prober, &probe, link);
            }
            now = now + Duration::from_millis(150);
            if let Some(result) = prober.result(now, &view(estimate, wanted)) {
                if result < estimate {
                    assert!(link.jitter > 0, "{result} after {estimate}");
                    prober.lowered(now, estimate);
                }
                estimate = result;
            }
        }
        estimate
    }

    #[test]
    fn a_link_is_found_and_no_more_than_is_wanted() {
        let link = |rate| Link { rate, jitter: 0, rng: Rng::from_seed(0) };
        for rate in [1e6, 2.5e6, 8e6] {
            let found = climb(&mut link(rate), 1e8);
            assert!((0.8..1.05).contains(&(found / rate)), "{rate}: {found}");
        }
        let found = climb(&mut link(1e9), 2e6);
        assert!((3e6..4.4e6).contains(&found), "{found}");
    }

    #[test]
    fn a_way_that_varies_hides_no_rate() {
        for jitter in [5, 10, 20, 30] {
            let one = |seed| climb(&mut Link { rate: 2e6, jitter, rng: Rng::from_seed(seed) }, 1e8);
            let found: Vec<f64> = (0..20).map(|seed| one(seed) / 2e6).collect();
            assert!(found.iter().all(|part| (0.75..1.3).contains(part)), "{jitter}: {found:?}");
        }
    }

    #[test]
    fn packets_that_come_in_a_lump_tell_no_rate_but_that_of_their_wait() {
        let (mut prober, now) = (Prober::new(Time::ZERO), Time::from_millis(10));
        prober.plan(now, &view(6e5, 5e6));
        let probe = prober.poll(now).unwrap();
        for packet in 0..20 {
            prober.sent(probe.cluster, f64::from(packet), 250);
        }
        for packet in 0..20 {
            prober.arrived(probe.cluster, (f64::from(packet), 50.0), 250);
        }
        // 5000 bytes in 50 ms, of which a little is left free.
        assert_eq!(prober.result(now, &view(6e5, 5e6)), Some(8e5 * 0.95));
    }

    #[test]
    fn an_estimate_that_a_cluster_shows_too_high_is_lowered() {
        let (mut prober, now) = (Prober::new(Time::ZERO), Time::from_millis(10));
        let mut link = Link { rate: 2e6, jitter: 0, rng: Rng::from_seed(0) };
        prober.plan(now, &view(3e6, 1e8));
        let probe = prober.poll(now).unwrap();
        cross(&mut prober, &probe, &mut link);
        let result = prober.result(now, &view(3e6, 1e8)).unwrap();
        assert!((1.9e6..2.3e6).contains(&result), "{result}");
    }

    #[test]
    fn a_cluster_that_mostly_vanished_tells_nothing() {
        let (mut prober, now) = (Prober::new(Time::ZERO), Time::from_millis(10));
        prober.plan(now, &view(6e5, 5e6));
        let probe = prober.poll(now).unwrap();
        for packet in 0..10 {
            prober.sent(probe.cluster, f64::from(packet), 1000);
        }
        for packet in 0..5 {
            prober.arrived(probe.cluster, (f64::from(packet), 9.0 + f64::from(packet)), 1000);
        }
        assert_eq!(prober.result(now, &view(6e5, 5e6)), None);
    }

    #[test]
    fn raises_in_vain_make_probes_rare() {
        let (mut prober, mut now) = (Prober::new(Time::ZERO), Time::from_millis(10));
        let mut waits = Vec::new();
        for _ in 0..5 {
            prober.raised = Some((now, 5e5));
            prober.lowered(now, 1e6);
            waits.push(prober.due.since(now).as_millis());
            now = prober.due;
        }
        assert_eq!(waits, [1400, 2800, 5600, 5600, 5600]);
    }
}
