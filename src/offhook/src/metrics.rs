//! What Prometheus reads. Nothing is counted here: each part counts for itself in plain structs, and a
//! scrape turns copies of them
//! into metric families. docs/METRICS.md lists every name, and a test holds the two together.

pub mod phone;

use std::sync::Arc;

use offhook_media::Snapshot;
use offhook_signaling::calls::{Counts, Handle};
use offhook_signaling::client::Sessions;
use offhook_signaling::livekit::Livekit;
use offhook_signaling::whip::Whip;
use offhook_types::counters::{Counted, Counters};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{IntGauge, Opts, Registry};

use crate::node::Local;
use crate::quic::Quic;

/// The parts that count.
#[derive(Clone)]
pub struct Sources {
    /// The media node.
    pub node: Arc<Local>,
    /// The call task.
    pub calls: Handle,
    /// Device sessions.
    pub sessions: Sessions,
    /// LiveKit sessions.
    pub livekit: Livekit,
    /// WHIP and WHEP sessions.
    pub whip: Whip,
    /// Native clients, if they are served.
    pub quic: Option<Quic>,
}

/// Everything that can be scraped. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    sources: Sources,
    phone: Option<phone::Sources>,
    process: Registry,
}

impl Metrics {
    /// Over these parts.
    pub fn new(sources: Sources) -> anyhow::Result<Self> {
        let process = Registry::new();
        process.register(Box::new(ProcessCollector::for_self()))?;
        let build = Opts::new("offhook_build_info", "1; the label says which version runs.");
        let build = IntGauge::with_opts(build.const_label("version", env!("CARGO_PKG_VERSION")))?;
        build.set(1);
        process.register(Box::new(build))?;
        Ok(Self { sources, phone: None, process })
    }

    /// Also of the phone gateway.
    #[must_use]
    pub fn with_phone(self, phone: phone::Sources) -> Self {
        Self { phone: Some(phone), ..self }
    }

    /// A copy of every figure, now.
    pub async fn gather(&self) -> Vec<MetricFamily> {
        let Sources { node, calls, sessions, livekit, whip, quic } = &self.sources;
        let mut families = self.process.gather();
        families.extend(media(&node.node.snapshot()));
        // A call task that is gone has no figures; the rest is still worth having.
        families.extend(calls.counts().await.map(|counts| of_calls(&counts)).unwrap_or_default());
        families.push(gauges(
            "offhook_signaling_sessions",
            "Sessions now, by door.",
            "door",
            &[
                ("client", sessions.live()),
                ("livekit", livekit.sessions()),
                ("whip_whep", whip.sessions()),
                ("quic", quic.as_ref().map_or(0, Quic::sessions)),
            ],
        ));
        let misdeeds = livekit.misdeeds();
        let misdeeds =
            misdeeds.iter().map(|(what, many)| counter(labelled("kind", what.label()), *many));
        families.push(family(
            "offhook_signaling_livekit_misdeeds_total",
            "What LiveKit clients did wrong, by kind.",
            MetricType::COUNTER,
            misdeeds.collect(),
        ));
        families.push(counters(
            "offhook_signaling_client_closed_total",
            "Client connections that the server closed, by reason.",
            "reason",
            &sessions.closed(),
        ));
        if let Some(quic) = quic {
            families.extend(of_quic(&quic.snapshot()));
        }
        if let Some(phone) = &self.phone {
            families.extend(phone::families(&phone.snapshot().await));
        }
        // A family without a series, such as one of trunks that there are none of, cannot be written.
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

fn media(snapshot: &Snapshot) -> Vec<MetricFamily> {
    vec![
        counters(
            "offhook_media_drops_total",
            "Packets and requests not processed, by reason.",
            "reason",
            &snapshot.drops,
        ),
        counters(
            "offhook_media_events_total",
            "What the media workers did, by kind.",
            "kind",
            &snapshot.counts,
        ),
        gauges(
            "offhook_media_level",
            "What the media workers hold now, by kind.",
            "kind",
            &[
                ("legs", snapshot.legs as usize),
                ("rooms", snapshot.rooms as usize),
                ("tracks", snapshot.tracks as usize),
                ("egress", snapshot.egress as usize),
                ("handshakes", snapshot.handshakes as usize),
                ("free_slots", snapshot.free_slots as usize),
                ("busy", snapshot.busy as usize),
                ("streams", snapshot.streams as usize),
                ("estimated_legs", snapshot.estimated as usize),
                ("narrow_legs", snapshot.narrow as usize),
            ],
        ),
    ]
}

fn of_quic(snapshot: &offhook_quic::Snapshot) -> Vec<MetricFamily> {
    vec![
        counters(
            "offhook_quic_drops_total",
            "Packets, messages and connections of native clients not taken, by reason.",
            "reason",
            &snapshot.drops,
        ),
        counters(
            "offhook_quic_events_total",
            "What the QUIC endpoints did, by kind.",
            "kind",
            &snapshot.counts,
        ),
        gauges(
            "offhook_quic_level",
            "What the QUIC endpoints hold now, by kind.",
            "kind",
            &[("connections", snapshot.connections as usize), ("joined", snapshot.joined as usize)],
        ),
    ]
}

fn of_calls(counts: &Counts) -> Vec<MetricFamily> {
    let single = |name: &str, help: &str, value: u64| {
        family(name, help, MetricType::COUNTER, vec![counter(Metric::default(), value)])
    };
    vec![
        gauges(
            "offhook_call_level",
            "What the call task holds now, by kind.",
            "kind",
            &[("calls", counts.live), ("devices", counts.devices)],
        ),
        single("offhook_call_placed_total", "Calls placed.", counts.calls.placed),
        single("offhook_call_accepted_total", "Calls accepted.", counts.calls.accepted),
        single(
            "offhook_call_glare_total",
            "Calls placed at each other at once.",
            counts.calls.glare,
        ),
        single(
            "offhook_call_slow_sessions_total",
            "Device sessions dropped because they did not take their events.",
            counts.slow_sessions,
        ),
        counters(
            "offhook_call_ended_total",
            "Calls ended, by cause.",
            "cause",
            &counts.calls.ended,
        ),
        counters(
            "offhook_call_refused_total",
            "Call requests refused, by reason.",
            "reason",
            &counts.calls.refused,
        ),
    ]
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn labelled(name: &str, value: &str) -> Metric {
    let mut label = LabelPair::default();
    label.set_name(name.into());
    label.set_value(value.into());
    let mut metric = Metric::default();
    metric.set_label(vec![label]);
    metric
}

fn counter(mut metric: Metric, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    metric.set_counter(counter);
    metric
}

fn gauge(mut metric: Metric, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    metric.set_gauge(gauge);
    metric
}

fn two_labels((first, one): (&str, &str), (second, other): (&str, &str)) -> Metric {
    let mut metric = labelled(first, one);
    let mut labels = metric.take_label();
    labels.extend(labelled(second, other).take_label());
    metric.set_label(labels);
    metric
}

/// One series for every variant, also those still at zero: a series that appears later hides its first increase.
fn counters<T: Counted>(
    name: &str,
    help: &str,
    label: &str,
    counters: &Counters<T>,
) -> MetricFamily {
    let series = counters.iter().map(|(what, many)| counter(labelled(label, what.label()), many));
    family(name, help, MetricType::COUNTER, series.collect())
}

fn gauges(name: &str, help: &str, label: &str, values: &[(&str, usize)]) -> MetricFamily {
    let series = values.iter().map(|(kind, value)| gauge(labelled(label, kind), *value as f64));
    family(name, help, MetricType::GAUGE, series.collect())
}

#[cfg(test)]
mod tests {
    use offhook_media::{Count, Drop};

    use super::*;

    #[test]
    fn every_reason_and_kind_has_its_series() {
        let mut snapshot = Snapshot::default();
        snapshot.drops.add(Drop::RtpForged);
        let families = media(&snapshot);
        assert_eq!(families[0].get_metric().len(), Drop::ALL.len());
        assert_eq!(families[1].get_metric().len(), Count::ALL.len());
        let forged =
            families[0].get_metric().iter().find(|m| m.get_label()[0].value() == "rtp_forged");
        assert_eq!(forged.map(|m| m.get_counter().get_value()), Some(1.0));
    }
}
