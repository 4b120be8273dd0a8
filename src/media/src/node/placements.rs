//! Which worker a new leg goes to. Legs of one room stay together up to a point, since every worker with receivers of a
//! track costs a handoff per packet; then the least loaded worker takes over. Load is what workers measured of
//! themselves: one leg may cost as much as fifty others.

use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::HashMap;
use std::sync::Arc;

use offhook_types::{LegId, RoomId, WorkerId};

/// Legs of one room on one worker before others are used. Two workers that share a room are both woken for each of
/// its packets, while one forwards a video of 2 Mbit/s to all of these with a tenth of its core. A lecture of hundreds
/// spreads.
const TOGETHER: usize = 128;
/// Thousandths of its core above which a worker gets no more legs while another has less to do.
const HOT: u32 = 700;
/// Loads that differ by less, in thousandths, count as equal: then the number of legs decides.
const STEP: u32 = 250;
/// What a leg is expected to cost, in thousandths, until it has been measured. A receiver of one video at 2 Mbit/s
/// costs about 200 packets of 0.5 us a second in sending, which is less; one of a meeting costs some of these.
const EXPECTED: u32 = 1;

/// How busy a worker was lately, in thousandths of its core. It tells, [`Placements`] listens.
#[derive(Debug, Default)]
pub(crate) struct Busy(AtomicU32);

impl Busy {
    pub(crate) fn tell(&self, thousandths: u32) {
        self.0.store(thousandths, Ordering::Relaxed);
    }

    pub(crate) fn thousandths(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Who is where.
#[derive(Default)]
pub(super) struct Placements {
    by_leg: HashMap<LegId, RoomId>,
    by_room: HashMap<RoomId, Vec<usize>>,
    workers: Vec<Place>,
}

/// What is known of one worker.
struct Place {
    legs: usize,
    busy: Arc<Busy>,
    /// The last measurement, and the legs opened since it changed.
    measured: u32,
    fresh: u32,
}

impl Place {
    /// Thousandths of its core, with what is to be expected of legs too new to be in the measurement.
    fn load(&self) -> u32 {
        let busy = self.busy.thousandths();
        let fresh = if busy == self.measured { self.fresh } else { 0 };
        busy + fresh * EXPECTED
    }
}

impl Placements {
    pub(super) fn new(busy: Vec<Arc<Busy>>) -> Self {
        let place = |busy| Place { legs: 0, busy, measured: 0, fresh: 0 };
        Self { workers: busy.into_iter().map(place).collect(), ..Self::default() }
    }

    /// The worker for one more leg of a room; `None` when all are full.
    pub(super) fn choose(&self, room: RoomId, limit: usize) -> Option<WorkerId> {
        let open = self.workers.iter().enumerate().filter(|(_, place)| place.legs < limit);
        let least = open.min_by_key(|(_, place)| (place.load() / STEP, place.legs));
        let (least, least_load) = least.map(|(worker, place)| (worker, place.load()))?;
        let takes = |worker: usize| {
            let place = self.workers.get(worker)?;
            let hot = place.load() > HOT && place.load() > least_load + STEP;
            (place.legs < limit && !hot).then_some(worker)
        };
        let company = self.by_room.get(&room).map(Vec::as_slice).unwrap_or_default();
        let joined = company.iter().enumerate().filter(|(_, legs)| (1..TOGETHER).contains(*legs));
        let joined = joined.filter_map(|(worker, &legs)| Some((legs, takes(worker)?))).max();
        let worker = joined.map_or(least, |(_, worker)| worker);
        u16::try_from(worker).ok().map(WorkerId)
    }

    /// Whether a worker takes one more leg.
    pub(super) fn has_room(&self, worker: WorkerId, limit: usize) -> bool {
        self.workers.get(usize::from(worker.0)).is_some_and(|place| place.legs < limit)
    }

    pub(super) fn opened(&mut self, leg: LegId, room: RoomId) {
        let (worker, workers) = (usize::from(leg.worker().0), self.workers.len());
        if self.by_leg.insert(leg, room).is_some() {
            return;
        }
        let company = self.by_room.entry(room).or_insert_with(|| vec![0; workers]);
        if let Some(legs) = company.get_mut(worker) {
            *legs += 1;
        }
        if let Some(place) = self.workers.get_mut(worker) {
            place.legs += 1;
            let busy = place.busy.thousandths();
            place.fresh = if busy == place.measured { place.fresh + 1 } else { 1 };
            place.measured = busy;
        }
    }

    pub(super) fn ended(&mut self, leg: LegId) {
        let Some(room) = self.by_leg.remove(&leg) else { return };
        let worker = usize::from(leg.worker().0);
        let company = self.by_room.get_mut(&room).and_then(|company| company.get_mut(worker));
        let legs = self.workers.get_mut(worker).map(|place| &mut place.legs);
        for legs in [company, legs].into_iter().flatten() {
            *legs = legs.saturating_sub(1);
        }
        if self.by_room.get(&room).is_some_and(|company| company.iter().all(|&legs| legs == 0)) {
            self.by_room.remove(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Placements of so many workers, and what they tell.
    fn workers(count: usize) -> (Placements, Vec<Arc<Busy>>) {
        let busy: Vec<Arc<Busy>> = (0..count).map(|_| Arc::default()).collect();
        (Placements::new(busy.clone()), busy)
    }

    /// Open legs of rooms and say where they went.
    fn open<const N: usize>(placements: &mut Placements, rooms: [u64; N]) -> [u16; N] {
        rooms.map(|room| {
            let worker = placements.choose(RoomId(room), 1000).unwrap();
            let leg = LegId::new(worker, placements.by_leg.len() as u64 + 1);
            placements.opened(leg, RoomId(room));
            worker.0
        })
    }

    #[test]
    fn a_room_stays_together_until_it_is_large_and_rooms_spread() {
        let (mut placements, _) = workers(2);
        assert_eq!(open(&mut placements, [1, 2]), [0, 1]);
        assert_eq!(open(&mut placements, [1; 127]), [0; 127]);
        assert_eq!(open(&mut placements, [1]), [1]);
    }

    #[test]
    fn load_weighs_more_than_the_number_of_legs() {
        let (mut placements, busy) = workers(2);
        assert_eq!(open(&mut placements, [1, 2, 3, 4]), [0, 1, 0, 1]);
        busy[0].tell(400);
        assert_eq!(open(&mut placements, [5, 6, 7]), [1, 1, 1]);
        // Company counts as long as the worker is not hot.
        assert_eq!(open(&mut placements, [1]), [0]);
        busy[1].tell(800);
        assert_eq!(open(&mut placements, [8, 2]), [0, 0]);
        // When all are hot, company counts again.
        busy[0].tell(790);
        assert_eq!(open(&mut placements, [6]), [1]);
    }

    #[test]
    fn legs_too_new_to_be_measured_count() {
        let (mut placements, busy) = workers(2);
        busy[0].tell(240);
        let rooms: [u64; 90] = core::array::from_fn(|room| room as u64);
        let first = open(&mut placements, rooms).iter().filter(|&&worker| worker == 0).count();
        assert_eq!(first, 10, "ten more are expected to cost as much as a quarter of a core does");
    }

    #[test]
    fn full_workers_take_no_more_until_a_leg_ends() {
        let (mut placements, _) = workers(1);
        let leg = LegId::new(WorkerId(0), 1);
        placements.opened(leg, RoomId(1));
        assert_eq!(placements.choose(RoomId(1), 1), None);
        placements.ended(leg);
        placements.ended(leg);
        assert_eq!(placements.choose(RoomId(1), 1), Some(WorkerId(0)));
        assert!(placements.by_room.is_empty());
    }
}
