//! What is kept for how long: numbers in call detail records, the records themselves, SIP ladders, fraud
//! decisions, figures of trunks. A task visits the store and forgets what is over.

use std::sync::Arc;
use std::time::Duration;

use offhook_billing::cdr::Policy;
use offhook_store::{Error, Phone};
use offhook_types::WallTime;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{MissedTickBehavior, interval};

use crate::iso8601;

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Call detail records, and the numbers in them.
    pub cdrs: Policy,
    /// The SIP messages of each call.
    pub ladder: Duration,
    /// What fraud limits decided.
    pub decisions: Duration,
    /// How well trunks reach countries.
    pub quality: Duration,
    /// Versions of each price list; the newest are always kept.
    pub deck_versions: u32,
    /// Between two visits.
    pub every: Duration,
}

/// What a visit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visit {
    /// Records whose numbers were cut.
    pub cut: u64,
    /// Records from which everything but the money was erased.
    pub erased: u64,
    /// SIP messages forgotten.
    pub steps: u64,
    /// Decisions forgotten.
    pub decisions: u64,
    /// Hours of figures forgotten.
    pub hours: u64,
    /// Versions of decks forgotten.
    pub decks: u64,
}

/// Visit now and then until the task is aborted. A visit that fails is made up for by the next one.
pub fn start<S: Phone + 'static + ?Sized>(config: Config, store: Arc<S>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = interval(config.every.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match visit(&*store, &config, iso8601::now()).await {
                Ok(done) if done == Visit::default() => {}
                Ok(done) => tracing::info!(?done, "records past their time are forgotten"),
                Err(error) => tracing::warn!(%error, "records past their time are still there"),
            }
        }
    })
}

/// Forget what is over at `now`.
///
/// # Errors
/// The store does not answer. What was forgotten until then stays forgotten.
pub async fn visit<S: Phone + ?Sized>(
    store: &S,
    config: &Config,
    now: WallTime,
) -> Result<Visit, Error> {
    let mut visit = Visit::default();
    loop {
        let done = store.retain_cdrs(now, &config.cdrs, STEP).await?;
        visit.cut += done.cut;
        visit.erased += done.erased;
        if done.cut + done.erased < u64::from(STEP) {
            break;
        }
        // Calls write in between.
        yield_now().await;
    }
    visit.steps = store.prune_steps(before(now, config.ladder)).await?;
    visit.decisions = store.prune_decisions(before(now, config.decisions)).await?;
    visit.hours = store.prune_quality(before(now, config.quality)).await?;
    visit.decks = store.prune_decks(config.deck_versions.max(1)).await?;
    Ok(visit)
}

/// Records changed in one transaction: some milliseconds.
const STEP: u32 = 500;

fn before(now: WallTime, kept: Duration) -> WallTime {
    WallTime(now.0.saturating_sub(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use offhook_store::{CdrQuery, Cdrs as _, Ladder as _, Step};
    use offhook_types::PhoneId;

    use super::*;
    use crate::export::tests::{closed, record, with_records};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn config() -> Config {
        Config {
            cdrs: Policy { numbers_whole: DAY, hidden_digits: 3, kept: 10 * DAY },
            ladder: DAY,
            decisions: DAY,
            quality: DAY,
            deck_versions: 2,
            every: DAY,
        }
    }

    #[tokio::test]
    async fn numbers_are_cut_then_records_erased_and_open_ones_stay() {
        // More than one step, so that the loop is walked.
        let mut cdrs: Vec<_> = (1..=u64::from(STEP) + 3).map(closed).collect();
        cdrs.push(record(10_000));
        let kept = with_records(cdrs).await;
        let ended = WallTime(1_772_346_700_000);
        let step = Step {
            phone: PhoneId(1),
            at: ended,
            sent: true,
            peer: "192.0.2.1:5060".into(),
            line: "BYE sip:192.0.2.1 SIP/2.0".into(),
        };
        kept.store.add_steps(&[step], 10).await.unwrap();
        let many = u64::from(STEP) + 3;
        for (days, expect) in [
            (0, Visit::default()),
            (2, Visit { cut: many, steps: 1, ..Visit::default() }),
            (3, Visit::default()),
            (11, Visit { erased: many, ..Visit::default() }),
            (12, Visit::default()),
        ] {
            let done = visit(&*kept.store, &config(), ended.plus(days * DAY)).await.unwrap();
            assert_eq!(done, expect, "after {days} days");
        }
        let left = kept.store.cdrs(&CdrQuery::default(), 2000).await.unwrap();
        let open: Vec<_> = left.iter().filter(|cdr| cdr.end.is_none()).collect();
        assert_eq!(open.len(), 1);
        assert!(open[0].opening.to.dialed().is_some());
    }
}
