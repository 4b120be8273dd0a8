//! What a crash left behind is put in order before anybody asks for anything: open records are closed
//! from what was stored last, and reservations that belong to none are given back.

use offhook_billing::ledger::Op;
use offhook_store::Money;
use offhook_types::{CdrId, Micros, WallTime};

use super::StartError;
use super::state::State;

/// What was found and put in order at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records closed.
    pub closed: u64,
    /// Of those, answered calls that were charged.
    pub charged: u64,
    /// What those were charged, over all currencies.
    pub amount: Micros,
    /// Reservations without a record that were given back.
    pub orphans: u64,
}

/// Records closed in one transaction.
const STEP: usize = 1000;

pub(super) async fn run(
    store: &dyn Money,
    state: &mut State,
    now: WallTime,
) -> Result<Recovered, StartError> {
    let mut recovered = Recovered::default();
    let left: Vec<CdrId> = state.open.keys().copied().collect();
    for step in left.chunks(STEP) {
        for id in step {
            close(state, *id, now, &mut recovered);
        }
        store.commit_billing(&state.take_batch()).await?;
    }
    let orphans: Vec<_> = state.ledger.reservations().map(|open| open.id).collect();
    for reservation in orphans {
        if state.ledger.apply(Op::Release { reservation }).is_ok() {
            recovered.orphans += 1;
        }
    }
    let rest = state.take_batch();
    if !rest.is_empty() {
        store.commit_billing(&rest).await?;
    }
    Ok(recovered)
}

fn close(state: &mut State, id: CdrId, now: WallTime, recovered: &mut Recovered) {
    let Some(evidence) = state.open.get(&id).map(|cdr| cdr.evidence_left(now)) else { return };
    match state.close(id, &evidence) {
        Ok(cdr) => {
            recovered.closed += 1;
            let amount = cdr.end.map_or(Micros::ZERO, |end| end.sell.amount);
            recovered.charged += u64::from(amount > Micros::ZERO);
            recovered.amount = recovered.amount.saturating_add(amount);
        }
        Err(error) => {
            tracing::error!(cdr = %id, %error, "record left open: the ledger does not know it");
        }
    }
}
