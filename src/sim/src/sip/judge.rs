//! What must hold, kept apart from the machines: the judge believes only what went in and came out.

use std::collections::BTreeMap;

use offhook_sip::agent::{By, Command, Ended, Event, Handle, Incoming};
use offhook_types::Time;

use super::CALLER;

/// What is known of every call, on each of its sides.
#[derive(Debug, Default)]
pub(super) struct Judge {
    sides: BTreeMap<(usize, Handle), Side>,
    /// Answers that crossed a CANCEL.
    pub(super) crossed: u64,
    crashed: bool,
}

#[derive(Debug, Default)]
struct Side {
    /// The caller's handle.
    of: Option<Handle>,
    /// Handed to both callees.
    forked: bool,
    /// The caller heard an answer, or the callee gave one.
    answered: bool,
    described: bool,
    hung_up: bool,
    ended: Option<Ended>,
    /// The agent forgot it.
    crashed: bool,
}

impl Judge {
    pub(super) fn placed(&mut self, handle: Handle, forked: bool) {
        let side = Side { of: Some(handle), forked, ..Side::default() };
        self.sides.insert((CALLER, handle), side);
    }

    pub(super) fn crashed(&mut self, who: usize) {
        self.crashed = true;
        for ((_, _), side) in self.sides.iter_mut().filter(|((agent, _), _)| *agent == who) {
            side.crashed = true;
        }
        // A new life numbers its calls anew.
        self.sides.retain(|(agent, _), _| *agent != who || who == CALLER);
    }

    pub(super) fn is_open(&self, who: usize, handle: Handle) -> bool {
        self.sides.get(&(who, handle)).is_some_and(|side| side.ended.is_none() && !side.crashed)
    }

    pub(super) fn open(&self) -> Vec<(usize, Handle)> {
        let open = self.sides.iter().filter(|(_, side)| side.ended.is_none() && !side.crashed);
        open.map(|(key, _)| *key).collect()
    }

    pub(super) fn forked(&self, incoming: &Incoming) -> bool {
        let side = placed_by(incoming).and_then(|handle| self.sides.get(&(CALLER, handle)));
        side.is_some_and(|side| side.forked)
    }

    pub(super) fn described(&self, who: usize, handle: Handle) -> bool {
        self.sides.get(&(who, handle)).is_some_and(|side| side.described)
    }

    pub(super) fn commanded(&mut self, who: usize, handle: Handle, command: &Command) {
        let Some(side) = self.sides.get_mut(&(who, handle)) else { return };
        match command {
            Command::Answer { .. } => side.answered = true,
            Command::HangUp { .. } => side.hung_up = true,
            _ => {}
        }
    }

    pub(super) fn event(
        &mut self,
        now: Time,
        who: usize,
        handle: Handle,
        event: &Event,
    ) -> Result<(), String> {
        if let Event::Incoming(incoming) = event {
            let of = placed_by(incoming);
            let forked = self.forked(incoming);
            let side = Side { of, forked, ..Side::default() };
            if self.sides.insert((who, handle), side).is_some() {
                return Err(format!("{who}: {handle:?} comes twice"));
            }
            return Ok(());
        }
        let Some(side) = self.sides.get_mut(&(who, handle)) else {
            return Err(format!("{who}: an event of {handle:?}, which was never there: {event:?}"));
        };
        if let Some(ended) = &side.ended {
            return Err(format!("{who}: {handle:?} says {event:?} after {ended:?}"));
        }
        match event {
            Event::Answered { .. } if side.answered => {
                return Err(format!("{who}: {handle:?} was answered twice"));
            }
            Event::Answered { .. } => side.answered = true,
            Event::Ended(ended) => {
                if side.answered && who == CALLER && !ended.answered {
                    return Err(format!(
                        "{who}: {handle:?} forgot at {now:?} that it was answered"
                    ));
                }
                if who == CALLER && ended.answered && !side.answered {
                    self.crossed += 1;
                }
                side.ended = Some(ended.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// When nothing is left: every call has ended on both sides, and they agree whether it was one.
    pub(super) fn at_the_end(&self, no_ack: u64) -> Result<(), String> {
        let mut doubtful = self.crashed;
        for ((who, handle), side) in self.sides.iter().filter(|(_, side)| !side.crashed) {
            let Some(ended) = &side.ended else {
                return Err(format!("{who}: {handle:?} never ended"));
            };
            doubtful |= side.forked;
            if *who == CALLER && ended.answered && !self.crashed && !self.answered_for(*handle) {
                return Err(format!("{handle:?} was answered, but nobody answered it"));
            }
            let lost = self.crashed || side.forked || ended.by == By::Timer;
            if *who != CALLER && ended.answered && !lost {
                let caller = side.of.and_then(|of| self.sides.get(&(CALLER, of)));
                let heard = caller.and_then(|side| side.ended.as_ref());
                if !heard.is_some_and(|ended| ended.answered) {
                    return Err(format!("{who}: {handle:?} was a call here and none there"));
                }
            }
        }
        // With a splitter in place of a proxy a 487 may hide a 200 that crosses it.
        if no_ack > 0 && !doubtful {
            return Err(format!("{no_ack} answers were never acknowledged"));
        }
        Ok(())
    }

    fn answered_for(&self, caller: Handle) -> bool {
        let mut callees = self.sides.iter().filter(|((who, _), _)| *who != CALLER);
        callees.any(|(_, side)| side.of == Some(caller) && side.answered)
    }
}

/// The caller names its handle in From.
fn placed_by(incoming: &Incoming) -> Option<Handle> {
    incoming.from.uri.subscriber()?.parse().ok().map(Handle)
}
