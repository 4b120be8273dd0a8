//! Which worker a new leg goes to. Legs of one room stay together up to a point, since every worker with receivers of a
//! track costs a handoff per packet; then the least loaded worker takes over.

use std::collections::HashMap;

use offhook_types::{LegId, RoomId, WorkerId};

/// Legs of one room on one worker before others are used. A meeting of ten fits; a lecture of hundreds spreads.
const TOGETHER: usize = 32;

/// Who is where.
#[derive(Default)]
pub(super) struct Placements {
    by_leg: HashMap<LegId, RoomId>,
    by_room: HashMap<RoomId, Vec<usize>>,
    load: Vec<usize>,
}

impl Placements {
    pub(super) fn new(workers: usize) -> Self {
        Self { load: vec![0; workers], ..Self::default() }
    }

    /// The worker for one more leg of a room; `None` when all are full.
    pub(super) fn choose(&self, room: RoomId, limit: usize) -> Option<WorkerId> {
        let open = |worker: &usize| self.load.get(*worker).is_some_and(|&load| load < limit);
        let company = self.by_room.get(&room).map(Vec::as_slice).unwrap_or_default();
        let joined = company.iter().enumerate().filter(|(_, legs)| (1..TOGETHER).contains(*legs));
        let joined = joined.map(|(worker, &legs)| (legs, worker)).filter(|(_, w)| open(w)).max();
        let least = || {
            let all = self.load.iter().enumerate().map(|(worker, &load)| (load, worker));
            all.filter(|(_, worker)| open(worker)).min()
        };
        let (_, worker) = joined.or_else(least)?;
        u16::try_from(worker).ok().map(WorkerId)
    }

    /// Whether a worker takes one more leg.
    pub(super) fn has_room(&self, worker: WorkerId, limit: usize) -> bool {
        self.load.get(usize::from(worker.0)).is_some_and(|&load| load < limit)
    }

    pub(super) fn opened(&mut self, leg: LegId, room: RoomId) {
        let (worker, workers) = (usize::from(leg.worker().0), self.load.len());
        if self.by_leg.insert(leg, room).is_some() {
            return;
        }
        let company = self.by_room.entry(room).or_insert_with(|| vec![0; workers]);
        for place in [company.get_mut(worker), self.load.get_mut(worker)].into_iter().flatten() {
            *place += 1;
        }
    }

    pub(super) fn ended(&mut self, leg: LegId) {
        let Some(room) = self.by_leg.remove(&leg) else { return };
        let worker = usize::from(leg.worker().0);
        let company = self.by_room.get_mut(&room).and_then(|company| company.get_mut(worker));
        for place in [company, self.load.get_mut(worker)].into_iter().flatten() {
            *place = place.saturating_sub(1);
        }
        if self.by_room.get(&room).is_some_and(|company| company.iter().all(|&legs| legs == 0)) {
            self.by_room.remove(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_stays_together_until_it_is_large_and_rooms_spread() {
        let mut placements = Placements::new(2);
        let mut serial = 0;
        let mut open = |placements: &mut Placements, room| {
            let worker = placements.choose(RoomId(room), 100).unwrap();
            serial += 1;
            placements.opened(LegId::new(worker, serial), RoomId(room));
            worker.0
        };
        assert_eq!([open(&mut placements, 1), open(&mut placements, 2)], [0, 1]);
        assert_eq!([open(&mut placements, 1), open(&mut placements, 1)], [0, 0]);
        for _ in 0..29 {
            assert_eq!(open(&mut placements, 1), 0);
        }
        assert_eq!(open(&mut placements, 1), 1);
    }

    #[test]
    fn full_workers_take_no_more_until_a_leg_ends() {
        let mut placements = Placements::new(1);
        let leg = LegId::new(WorkerId(0), 1);
        placements.opened(leg, RoomId(1));
        assert_eq!(placements.choose(RoomId(1), 1), None);
        placements.ended(leg);
        placements.ended(leg);
        assert_eq!(placements.choose(RoomId(1), 1), Some(WorkerId(0)));
        assert!(placements.by_room.is_empty());
    }
}
