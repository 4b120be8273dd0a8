//! What operators set up, ready for use: trunks, plans, decks, our own numbers, limits against fraud. Read
//! from the store as a whole and replaced as a whole, so that a call sees one state of it.

mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use offhook_billing::deck::{BadDeck, Deck};
use offhook_billing::fraud::Rules;
use offhook_billing::route::Plan;
use offhook_store::{OwnedNumber, Store, StoredTrunk};
use offhook_types::{Number, TrunkId};

use crate::trunk::{BadTrunk, Trunk};
pub use settings::{BadSetting, PlanSettings, RuleSettings};

/// What operators set up.
#[derive(Debug, Clone, Default)]
pub struct Tariff {
    /// By id.
    pub trunks: HashMap<TrunkId, Arc<Trunk>>,
    /// By name.
    pub plans: HashMap<String, Plan>,
    /// The newest version of each, by name.
    pub decks: HashMap<String, Arc<Deck>>,
    /// Our own numbers.
    pub numbers: HashMap<Number, OwnedNumber>,
    /// Limits against fraud.
    pub rules: Rules,
    /// What could not be used, in words for operators.
    pub faults: Vec<String>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
#[error("what operators set up cannot be read from the store")]
pub struct Unreadable(#[from] offhook_store::Error);

impl Tariff {
    /// Read everything. Decks that `earlier` has in the same version are taken from there: they are
    /// large. What is wrong with one part leaves that part out and is said in `faults`; nothing wrong
    /// gets into the store through this program.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn load(store: &dyn Store, earlier: &Self) -> Result<Self, Unreadable> {
        let mut tariff = Self { rules: Rules::default(), ..Self::default() };
        let stored = store.trunks().await?;
        let plans = store.plans().await?;
        let wanted = stored.iter().filter_map(|trunk| trunk.deck.as_deref());
        let wanted: Vec<String> =
            wanted.chain(plans.iter().map(|plan| plan.deck.as_str())).map(str::to_owned).collect();
        tariff.load_decks(store, earlier, wanted).await?;
        for trunk in &stored {
            tariff.add_trunk(trunk);
        }
        for plan in &plans {
            match PlanSettings::read(&plan.settings).map(|settings| {
                let deck = tariff.decks.get(&plan.deck)?;
                Some(settings.plan(&plan.name, deck.clone()))
            }) {
                Ok(Some(ready)) => drop(tariff.plans.insert(plan.name.clone(), ready)),
                Ok(None) => tariff
                    .faults
                    .push(format!("plan {}: there is no deck {}: import it", plan.name, plan.deck)),
                Err(error) => tariff.faults.push(format!("plan {}: {error}", plan.name)),
            }
        }
        let rules = store.fraud_rules().await?;
        if !rules.is_empty() {
            tariff.rules.rules.clear();
        }
        for rule in rules.iter().filter(|rule| rule.enabled) {
            match RuleSettings::read(&rule.settings).and_then(|read| read.rule(&rule.name)) {
                Ok(ready) => tariff.rules.rules.push(ready),
                Err(error) => tariff.faults.push(format!("fraud rule {}: {error}", rule.name)),
            }
        }
        let numbers = store.owned_numbers().await?;
        tariff.numbers = numbers.into_iter().map(|owned| (owned.number.clone(), owned)).collect();
        Ok(tariff)
    }

    async fn load_decks(
        &mut self,
        store: &dyn Store,
        earlier: &Self,
        wanted: Vec<String>,
    ) -> Result<(), Unreadable> {
        let entries = store.decks().await?;
        for name in wanted {
            // Versions come newest first.
            let newest = entries.iter().find(|entry| *entry.label.name == *name);
            let Some(newest) = newest.filter(|_| !self.decks.contains_key(&name)) else { continue };
            let known = earlier.decks.get(&name).filter(|deck| *deck.label() == newest.label);
            let deck = match known {
                Some(deck) => Ok(deck.clone()),
                None => match store.deck(&name, None).await? {
                    Some((label, rows)) => build(label, rows).await,
                    None => continue,
                },
            };
            match deck {
                Ok(deck) => drop(self.decks.insert(name, deck)),
                Err(error) => self.faults.push(format!("deck {name}: {error}")),
            }
        }
        Ok(())
    }

    fn add_trunk(&mut self, stored: &StoredTrunk) {
        match Trunk::read(stored) {
            Ok(trunk) => drop(self.trunks.insert(trunk.id(), Arc::new(trunk))),
            Err(error) => self.fault(stored, &error),
        }
    }

    fn fault(&mut self, stored: &StoredTrunk, error: &BadTrunk) {
        self.faults.push(format!("trunk {}: {error}", stored.name));
    }

    /// The trunks with the decks of what they cost, for routing.
    pub fn ways(&self) -> Vec<(offhook_billing::route::Trunk, Option<Arc<Deck>>)> {
        let deck = |trunk: &Trunk| self.decks.get(&*trunk.way.deck).cloned();
        self.trunks.values().map(|trunk| ((*trunk.way).clone(), deck(trunk))).collect()
    }
}

/// A million rows take a second or so: not on a thread that others wait for.
async fn build(
    label: offhook_billing::deck::Label,
    rows: Vec<offhook_billing::deck::Row>,
) -> Result<Arc<Deck>, BadDeck> {
    let built = tokio::task::spawn_blocking(move || Deck::new(label, rows)).await;
    match built {
        Ok(deck) => deck.map(Arc::new),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
