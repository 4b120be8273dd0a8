//! The rooms of a scenario file in virtual time: what the load tool plays against a server, without server, clock or
//! socket, so that a seed replays it to the byte.
//!
//! Real are the frames and sounds of publishers, the router of each room with what it shares out, each receiver's
//! congestion control and pacer, its link, and its answers: transport-wide feedback, reports, NACK, requests for key
//! frames. Not there are handshakes (who comes is in at once), encryption (its bytes are), doors, data messages, the
//! media worker, and what anything costs. A publisher sends every layer, whether anybody wants it or not.
//!
//! Start at [`play`]; `room.rs` says in which order things happen.

mod guest;
mod leg;
mod origin;
mod packet;
mod record;
mod report;
mod room;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use offhook_scenario::{Scenario, Seat, seats};
use offhook_types::Rng;

pub use report::Report;
use room::Room;

/// Play a scenario from its seed.
pub fn play(scenario: &Scenario) -> Report {
    let seats = seats(scenario);
    let arrived = seats.last().map_or(0.0, |seat| seat.arrives.as_secs_f64());
    let from = (arrived.ceil() as u64).max(1) + scenario.settle.as_secs_f64().ceil() as u64;
    let to = from + scenario.measure.as_secs();
    let mut rooms: BTreeMap<String, Vec<&Seat>> = BTreeMap::new();
    for seat in &seats {
        rooms.entry(seat.meets(scenario)).or_default().push(seat);
    }
    let mut rng = Rng::from_seed(scenario.seed);
    let mut records = Vec::new();
    for members in rooms.values() {
        let room = Room::new(scenario, members, Rng::from_seed(rng.next_u64()));
        records.extend(room.play(to));
    }
    Report::new(scenario, [from, to], &records)
}
