//! What Prometheus reads. The media node counts in plain structs of its threads; a scrape turns a snapshot of them into metric
//! families. docs/METRICS.md lists every name, and a test holds the two together.

use std::collections::HashMap;
use std::sync::Arc;

use offhook_media::{Count, Drop, Snapshot};
use offhook_types::counters::{Counted, Counters};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{IntGauge, Registry};

use crate::node::Local;

/// Collects the media node's counters at each scrape.
pub struct MediaCollector {
    node: Arc<Local>,
    descriptions: Vec<Desc>,
}

const DROPS: &str = "offhook_media_drops_total";
const DROPS_HELP: &str = "Packets and requests not processed, by reason.";
const EVENTS: &str = "offhook_media_events_total";
const EVENTS_HELP: &str = "What the media workers did, by kind.";
const LEVELS: &str = "offhook_media_level";
const LEVELS_HELP: &str = "What the media workers hold now, by kind.";

impl MediaCollector {
    /// For one node.
    pub fn new(node: Arc<Local>) -> Self {
        let describe = |name: &str, help: &str, label: &str| {
            Desc::new(name.into(), help.into(), vec![label.into()], HashMap::new()).ok()
        };
        let descriptions = [
            describe(DROPS, DROPS_HELP, "reason"),
            describe(EVENTS, EVENTS_HELP, "kind"),
            describe(LEVELS, LEVELS_HELP, "kind"),
        ];
        Self { node, descriptions: descriptions.into_iter().flatten().collect() }
    }
}

impl Collector for MediaCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        families(&self.node.0.snapshot())
    }
}

fn families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let levels = [
        ("legs", snapshot.legs),
        ("rooms", snapshot.rooms),
        ("tracks", snapshot.tracks),
        ("egress", snapshot.egress),
        ("handshakes", snapshot.handshakes),
        ("free_slots", snapshot.free_slots),
    ];
    vec![
        family(DROPS, DROPS_HELP, MetricType::COUNTER, counted::<Drop>("reason", &snapshot.drops)),
        family(EVENTS, EVENTS_HELP, MetricType::COUNTER, counted::<Count>("kind", &snapshot.counts)),
        family(LEVELS, LEVELS_HELP, MetricType::GAUGE, levels.map(|(kind, value)| gauge(kind, value)).into()),
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

fn counted<T: Counted>(label: &str, counters: &Counters<T>) -> Vec<Metric> {
    let metric = |(what, many): (T, u64)| {
        let mut counter = Counter::default();
        counter.set_value(many as f64);
        let mut metric = labelled(label, what.label());
        metric.set_counter(counter);
        metric
    };
    counters.iter().map(metric).collect()
}

fn gauge(kind: &str, value: u64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);
    let mut metric = labelled("kind", kind);
    metric.set_gauge(gauge);
    metric
}

/// The registry of the process: media, the process itself, and the build.
pub fn registry(node: Arc<Local>) -> anyhow::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(MediaCollector::new(node)))?;
    let up = IntGauge::new("offhook_up", "1 while the process runs.")?;
    up.set(1);
    registry.register(Box::new(up))?;
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_kind_has_its_series() {
        let mut snapshot = Snapshot::default();
        snapshot.drops.add(Drop::RtpForged);
        let families = families(&snapshot);
        assert_eq!(families[0].get_metric().len(), Drop::ALL.len());
        assert_eq!(families[1].get_metric().len(), Count::ALL.len());
        let forged = families[0].get_metric().iter().find(|m| m.get_label()[0].value() == "rtp_forged");
        assert_eq!(forged.map(|m| m.get_counter().value()), Some(1.0));
    }
}
