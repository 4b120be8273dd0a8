//! The figures of the phone gateway: calls, trunks, money, what was lost on the way.

use std::sync::Arc;
use std::time::Duration;

use offhook_bridge as bridge;
use offhook_gateway::books::Figures;
use offhook_gateway::exchange::{self, TrunkCounts};
use offhook_gateway::gateway::Gateway;
use offhook_gateway::reconciliation::{Checked, Proofs};
use offhook_gateway::transport;
use offhook_gateway::webhook::{Sender, Told};
use offhook_types::counters::Counters;
use offhook_types::{Currency, Micros};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};

use super::{counter, counters, family, gauge, labelled, two_labels};

/// The parts that count.
#[derive(Clone)]
pub struct Sources {
    /// Calls, SIP, media and money.
    pub gateway: Gateway,
    /// The proofs that records and ledger are equal.
    pub proofs: Proofs,
    /// Who tells the operator's webhook, if there is one.
    pub webhook: Option<Arc<Sender>>,
}

impl Sources {
    /// Their figures now. A task that is gone has none; the rest is still worth having.
    pub async fn snapshot(&self) -> Snapshot {
        let Self { gateway, proofs, webhook } = self;
        Snapshot {
            calls: gateway.counts().await.unwrap_or_default(),
            sip: gateway.sip().counts().await.unwrap_or_default(),
            bridges: gateway.bridges().counters().await,
            books: gateway.books().figures(),
            proof: proofs.borrow().clone(),
            told: webhook.as_ref().map(|webhook| webhook.counts()).unwrap_or_default(),
        }
    }
}

/// A copy of every figure, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Phone legs and trunks.
    pub calls: exchange::Counts,
    /// SIP.
    pub sip: transport::Counts,
    /// Phone media.
    pub bridges: Counters<bridge::Count>,
    /// Money and records.
    pub books: Figures,
    /// The last proof that records and ledger are equal.
    pub proof: Option<Checked>,
    /// Messages to the operator's webhook.
    pub told: Counters<Told>,
}

/// Everything as metric families.
pub fn families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let mut families = of_calls(&snapshot.calls);
    families.extend(of_trunks(&snapshot.calls.trunks));
    families.extend(of_sip(&snapshot.sip));
    families.push(counters(
        "offhook_gateway_bridge_events_total",
        "Packets that phone bridges used, sent or dropped, by kind.",
        "kind",
        &snapshot.bridges,
    ));
    families.extend(of_money(&snapshot.books));
    families.extend(of_proof(snapshot.proof.as_ref()));
    families.push(counters(
        "offhook_gateway_webhook_messages_total",
        "What became of messages to the operator's webhook.",
        "result",
        &snapshot.told,
    ));
    families
}

fn single(name: &str, help: &str, value: u64) -> MetricFamily {
    family(name, help, MetricType::COUNTER, vec![counter(Metric::default(), value)])
}

fn level(name: &str, help: &str, value: f64) -> MetricFamily {
    family(name, help, MetricType::GAUGE, vec![gauge(Metric::default(), value)])
}

fn of_calls(calls: &exchange::Counts) -> Vec<MetricFamily> {
    let attempts = [("out", calls.attempts_out), ("in", calls.attempts_in)];
    let attempts = attempts.map(|(way, many)| counter(labelled("direction", way), many));
    let actions = ["warn", "block", "suspend"].iter().zip(calls.decisions);
    let actions = actions.map(|(action, many)| counter(labelled("action", action), many));
    vec![
        level("offhook_gateway_legs", "Phone legs now.", calls.legs as f64),
        family(
            "offhook_gateway_attempts_total",
            "Attempts to reach a number over a trunk, and calls from trunks, by direction.",
            MetricType::COUNTER,
            attempts.to_vec(),
        ),
        single("offhook_gateway_answered_total", "Phone legs that were answered.", calls.answered),
        single(
            "offhook_gateway_turned_away_total",
            "Calls from trunks that were turned away before they rang.",
            calls.turned_away,
        ),
        counters(
            "offhook_gateway_ended_total",
            "Phone legs that ended, by cause.",
            "cause",
            &calls.ended,
        ),
        family(
            "offhook_gateway_post_dial_delay_seconds",
            "From INVITE to ringing or answer.",
            MetricType::HISTOGRAM,
            vec![post_dial(&calls.post_dial, calls.post_dial_sum)],
        ),
        family(
            "offhook_billing_fraud_decisions_total",
            "What limits against fraud decided, by action.",
            MetricType::COUNTER,
            actions.collect(),
        ),
    ]
}

fn post_dial(buckets: &[u64], sum: Duration) -> Metric {
    let mut histogram = Histogram::default();
    let mut so_far = 0;
    let bounds = exchange::POST_DIAL_MS.iter().zip(buckets);
    let shown = bounds.map(|(bound, many)| {
        so_far += many;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / 1000.0);
        bucket.set_cumulative_count(so_far);
        bucket
    });
    histogram.set_bucket(shown.collect());
    histogram.set_sample_count(buckets.iter().sum());
    histogram.set_sample_sum(sum.as_secs_f64());
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    metric
}

/// Trunks are few and named by the operator: a bounded label.
fn of_trunks(trunks: &[TrunkCounts]) -> Vec<MetricFamily> {
    let gauges = |name, help, value: fn(&TrunkCounts) -> Option<f64>| {
        let series = trunks
            .iter()
            .filter_map(|trunk| Some(gauge(labelled("trunk", &trunk.name), value(trunk)?)));
        family(name, help, MetricType::GAUGE, series.collect())
    };
    let counts = |name, help, value: fn(&TrunkCounts) -> u64| {
        let series =
            trunks.iter().map(|trunk| counter(labelled("trunk", &trunk.name), value(trunk)));
        family(name, help, MetricType::COUNTER, series.collect())
    };
    vec![
        gauges("offhook_gateway_trunk_up", "1 for a trunk that answers.", |trunk| {
            Some(f64::from(u8::from(trunk.up)))
        }),
        gauges(
            "offhook_gateway_trunk_registered",
            "1 for a trunk that we are registered with; none where we do not register.",
            |trunk| trunk.registered.map(|registered| f64::from(u8::from(registered))),
        ),
        gauges("offhook_gateway_trunk_channels", "Channels of a trunk that are taken.", |trunk| {
            Some(f64::from(trunk.channels))
        }),
        counts("offhook_gateway_trunk_attempts_total", "Attempts over a trunk.", |trunk| {
            trunk.attempts
        }),
        counts("offhook_gateway_trunk_answered_total", "Of these, answered.", |trunk| {
            trunk.answered
        }),
    ]
}

fn of_sip(sip: &transport::Counts) -> Vec<MetricFamily> {
    let agent = &sip.agent;
    let messages =
        [("received", agent.received), ("sent", agent.sent), ("repeated", agent.repeated)];
    let messages = messages.map(|(kind, many)| counter(labelled("kind", kind), many));
    vec![
        family(
            "offhook_gateway_sip_messages_total",
            "SIP messages received, sent, and of these sent again.",
            MetricType::COUNTER,
            messages.to_vec(),
        ),
        counters(
            "offhook_gateway_sip_drops_total",
            "SIP messages that were not processed, by reason.",
            "reason",
            &agent.drops,
        ),
        counters(
            "offhook_gateway_sip_misdeeds_total",
            "What carriers did that they should not have, by kind.",
            "kind",
            &agent.misdeeds,
        ),
        counters(
            "offhook_gateway_sip_logins_total",
            "Calls of carriers that have to log in, by result.",
            "result",
            &agent.logins,
        ),
        counters(
            "offhook_gateway_sip_lost_total",
            "SIP traffic that sockets and connections lost, by reason.",
            "reason",
            &sip.lost,
        ),
        level(
            "offhook_gateway_sip_connections",
            "TCP and TLS connections now.",
            sip.connections as f64,
        ),
    ]
}

fn of_money(books: &Figures) -> Vec<MetricFamily> {
    let kinds =
        [("reserved", &books.reserved), ("captured", &books.captured), ("cost", &books.cost)];
    let mut series: Vec<(&str, Currency, Micros)> = Vec::new();
    for (kind, sums) in kinds {
        series.extend(sums.iter().map(|(currency, amount)| (kind, *currency, *amount)));
    }
    series.sort_by_key(|(kind, currency, _)| (*kind, *currency));
    let series = series.into_iter().map(|(kind, currency, amount)| {
        let labels = two_labels(("kind", kind), ("currency", currency.as_str()));
        // Prometheus has floats only. They are exact up to nine thousand million units.
        gauge(labels, amount.0 as f64)
    });
    let counts = &books.counts;
    vec![
        family(
            "offhook_billing_money_micros",
            "Money set aside for calls now, brought in by calls and spent on them, in millionths.",
            MetricType::GAUGE,
            series.collect(),
        ),
        level("offhook_billing_open_records", "Records of calls in progress.", counts.open as f64),
        level(
            "offhook_billing_waiting_ends",
            "Ends of calls that wait for the store.",
            counts.waiting as f64,
        ),
        single("offhook_billing_commits_total", "Transactions of the books.", counts.commits),
        single(
            "offhook_billing_requests_total",
            "Requests that were in those transactions.",
            counts.requests,
        ),
        single(
            "offhook_billing_commit_failures_total",
            "Transactions that failed.",
            counts.failures,
        ),
    ]
}

fn of_proof(proof: Option<&Checked>) -> Vec<MetricFamily> {
    let differs = proof.is_some_and(|proof| proof.result.is_err());
    let at = proof.map_or(0.0, |proof| proof.at.0 as f64 / 1000.0);
    vec![
        level(
            "offhook_billing_reconciliation_difference",
            "1 when call detail records and ledger differ.",
            f64::from(u8::from(differs)),
        ),
        level(
            "offhook_billing_reconciliation_time_seconds",
            "When they were compared last, in seconds since 1970; 0 is never.",
            at,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use offhook_types::WallTime;
    use offhook_types::phone::Cause;
    use prometheus::{Encoder, TextEncoder};

    use super::*;

    fn text(snapshot: &Snapshot) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&families(snapshot), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Families without a series are not encoded, so one of each is there.
    fn busy() -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.calls.ended.add(Cause::HungUp);
        snapshot.calls.post_dial[2] = 3;
        snapshot.calls.post_dial_sum = Duration::from_millis(2100);
        snapshot.calls.trunks = vec![TrunkCounts {
            name: "carrier-a".into(),
            up: true,
            registered: Some(false),
            channels: 4,
            attempts: 9,
            answered: 5,
        }];
        snapshot.books.reserved.insert(Currency::USD, Micros(1_500_000));
        snapshot
    }

    #[test]
    fn figures_have_their_series() {
        let text = text(&busy());
        for line in [
            "offhook_gateway_ended_total{cause=\"hung_up\"} 1",
            "offhook_gateway_trunk_up{trunk=\"carrier-a\"} 1",
            "offhook_gateway_trunk_registered{trunk=\"carrier-a\"} 0",
            "offhook_gateway_post_dial_delay_seconds_bucket{le=\"0.5\"} 0",
            "offhook_gateway_post_dial_delay_seconds_bucket{le=\"1\"} 3",
            "offhook_gateway_post_dial_delay_seconds_bucket{le=\"+Inf\"} 3",
            "offhook_gateway_post_dial_delay_seconds_sum 2.1",
            "offhook_billing_money_micros{kind=\"reserved\",currency=\"USD\"} 1500000",
            "offhook_billing_reconciliation_difference 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_difference_shows() {
        let difference = offhook_billing::reconcile::Difference {
            place: offhook_billing::reconcile::Place::Currency(Currency::USD),
            what: "the sum",
            expected: "0".into(),
            found: "1".into(),
        };
        let proof = Checked { at: WallTime(5000), result: Err(difference) };
        let text = text(&Snapshot { proof: Some(proof), ..busy() });
        assert!(text.contains("offhook_billing_reconciliation_difference 1\n"), "{text}");
        assert!(text.contains("offhook_billing_reconciliation_time_seconds 5\n"), "{text}");
    }

    #[test]
    fn every_family_is_documented() {
        let page = include_str!("../../../../docs/METRICS.md");
        for family in families(&busy()) {
            assert!(page.contains(&format!("`{}`", family.name())), "{}", family.name());
        }
    }
}
