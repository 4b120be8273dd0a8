//! A node whose turns the caller drives.

use core::time::Duration;
use std::sync::{Arc, PoisonError};

use offhook_types::media::{Command, Fingerprint, Placement};
use offhook_types::{RoomId, Time, WorkerId};

use super::assembly::Assembled;
use super::{OnEvent, Refused, Shared, StartError, assembly};
use crate::association::Associations;
use crate::clock::Clock;
use crate::streams::Streams;
use crate::tunnel::Tunnel;
use crate::worker::Worker;
use crate::{Config, Snapshot};

/// A node without threads: the caller drives every turn. For tests that must see each step, and for benches.
pub struct SteppedNode {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    associations: Vec<Associations>,
    streams: Option<Streams>,
    clock: Clock,
}

impl SteppedNode {
    /// Open the sockets, start nothing.
    pub fn new(config: Config, on_event: OnEvent) -> Result<Self, StartError> {
        let Assembled { shared, workers, associations, streams } =
            assembly::assemble(config, on_event)?;
        let clock = Clock::start();
        Ok(Self { shared, workers, associations, streams, clock })
    }

    /// One turn of every worker and of every other thread. True when more may be waiting already.
    pub fn turn(&mut self) -> bool {
        let mut busy = false;
        for nth in 0..self.workers.len() {
            busy |= self.turn_worker(WorkerId(nth as u16));
        }
        let now = self.clock.now();
        for associations in &mut self.associations {
            busy |= associations.turn(now);
        }
        if let Some(streams) = &mut self.streams {
            busy |= streams.turn(Duration::ZERO);
        }
        busy
    }

    /// One turn of one worker.
    pub fn turn_worker(&mut self, worker: WorkerId) -> bool {
        let now = self.clock.now();
        self.workers.get_mut(usize::from(worker.0)).is_some_and(|worker| worker.turn(now))
    }

    /// One turn of one worker as if it were `now`.
    pub fn turn_worker_at(&mut self, now: Time, worker: WorkerId) -> bool {
        self.workers.get_mut(usize::from(worker.0)).is_some_and(|worker| worker.turn(now))
    }

    /// The time by its clock.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Like [`Node::place`].
    pub fn place(&self, room: RoomId) -> Option<Placement> {
        self.shared.place(room)
    }

    /// Like [`Node::take_tunnels`].
    pub fn take_tunnels(&self) -> Vec<Tunnel> {
        core::mem::take(&mut *self.shared.tunnels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Like [`Node::send`].
    pub fn send(&self, command: Command) -> Result<(), Refused> {
        self.shared.send(command)
    }

    /// Like [`Node::fingerprint`].
    pub fn fingerprint(&self) -> Fingerprint {
        self.shared.fingerprint
    }

    /// The counters as they are now.
    pub fn snapshot(&mut self) -> Snapshot {
        let now = self.clock.now();
        self.workers.iter_mut().for_each(|worker| worker.publish(now));
        self.associations.iter_mut().for_each(Associations::publish);
        self.streams.iter_mut().for_each(Streams::publish);
        self.shared.snapshot()
    }
}
