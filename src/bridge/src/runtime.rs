//! The runtime of bridges: worker threads that give [`Bridge`](super::Bridge) machines their sockets
//! and their time. A phone leg lives on one worker, told by its id; workers share nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use offhook_types::PhoneId;
use offhook_types::WallTime;
use offhook_types::counters::Counters;

use super::Count;
use super::tone::Announcements;
use super::words::{Event, Opened, Options, Order, Refused};
use worker::{Ask, Asker, Worker};

mod ports;
mod worker;

/// Where bridges listen and how many there may be.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads; each carries about a hundred calls if it has a core of its own.
    pub workers: usize,
    /// Limit of each worker.
    pub bridges_per_worker: usize,
    /// The address that carriers reach us at, as a socket binds it.
    pub carrier_bind: IpAddr,
    /// The same as they know it.
    pub carrier_advertise: IpAddr,
    /// Ports for carriers, inclusive; an even one for RTP and the odd one above for RTCP each.
    pub ports: RangeInclusive<u16>,
    /// The address that media nodes reach us at, as a socket binds it.
    pub relay_bind: IpAddr,
    /// The same as they know it.
    pub relay_advertise: IpAddr,
    /// Folder of announcements: mono WAV files of 16-bit samples at 8 or 16 kHz.
    pub announcements: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            workers: 1,
            bridges_per_worker: 100,
            carrier_bind: local,
            carrier_advertise: local,
            ports: 30_000..=31_999,
            relay_bind: local,
            relay_advertise: local,
            announcements: None,
        }
    }
}

/// What a bridge says, to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which leg.
    pub phone: PhoneId,
    /// When it was said.
    pub at: WallTime,
    /// What.
    pub event: Event,
}

/// Running workers. Dropping it without [`Bridges::stop`] ends them as well, without goodbyes.
#[derive(Debug)]
pub struct Bridges {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Bridges {
    /// Starts the workers. What bridges say comes out of the receiver, in order per leg.
    ///
    /// # Errors
    /// When the system gives no thread or poller, or the folder of announcements cannot be read.
    pub fn start(config: Config) -> io::Result<(Self, mpsc::UnboundedReceiver<Notice>)> {
        let (notices, received) = mpsc::unbounded_channel();
        let announcements = match &config.announcements {
            Some(folder) => Announcements::read(folder)?,
            None => Announcements::default(),
        };
        let (config, announcements) = (Arc::new(config), Arc::new(announcements));
        let mut askers = Vec::new();
        let mut threads = Vec::new();
        for nth in 0..config.workers.max(1) {
            let (worker, asker) =
                Worker::new(nth, config.clone(), announcements.clone(), notices.clone())?;
            let named = std::thread::Builder::new().name(format!("bridge-{nth}"));
            threads.push(named.spawn(move || worker.run())?);
            askers.push(asker);
        }
        Ok((Self { handle: Handle { askers: askers.into() }, threads }, received))
    }

    /// The way to talk to the bridges.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Closes every bridge politely and waits for the workers; blocks for one turn of them.
    pub fn stop(self) {
        for asker in self.handle.askers.iter() {
            asker.ask(Ask::Stop);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Talks to bridges from anywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    askers: Arc<[Asker]>,
}

impl Handle {
    /// Opens the bridge of a leg: its ports are bound when this returns.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub async fn open(&self, phone: PhoneId, options: Options) -> Result<Opened, Refused> {
        let (answer, answered) = oneshot::channel();
        self.asker(phone).ok_or(Refused::Stopped)?.ask(Ask::Open { phone, options, answer });
        answered.await.unwrap_or(Err(Refused::Stopped))
    }

    /// Tells a bridge something. Ignored when it does not stand.
    pub fn order(&self, phone: PhoneId, order: Order) {
        if let Some(asker) = self.asker(phone) {
            asker.ask(Ask::Order { phone, order });
        }
    }

    /// What all workers counted so far.
    pub async fn counters(&self) -> Counters<Count> {
        let mut all = Counters::default();
        for asker in self.askers.iter() {
            let (answer, answered) = oneshot::channel();
            asker.ask(Ask::Counters { answer });
            if let Ok(counters) = answered.await {
                all.merge(&counters);
            }
        }
        all
    }

    /// Ids are random, so the remainder spreads them evenly.
    fn asker(&self, phone: PhoneId) -> Option<&Asker> {
        let nth = usize::try_from(phone.0).unwrap_or(0).checked_rem(self.askers.len())?;
        self.askers.get(nth)
    }
}

#[cfg(test)]
mod tests;
