//! The node: starts the threads, hands out placements, passes commands on, sums the counters.

use std::io;
use std::sync::Arc;

use offhook_types::RoomId;
use offhook_types::media::{Command, Event, Fingerprint, Placement};

use crate::{Config, Snapshot};

/// What the node calls with each [`Event`], from its own threads. It must not block: put the event on a channel.
pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("media configuration: {0}")]
    Config(&'static str),
    /// A worker's UDP port could not be had.
    #[error("cannot open UDP port {port}")]
    Socket {
        /// The port asked for; zero for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a DTLS certificate")]
    Certificate,
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// The node did not take a command: its queue is full, or it is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media node refuses commands")]
pub struct Refused;

/// A running media node. All methods may be called from any thread; none waits for the data plane but [`Node::stop`].
pub struct Node {
    certificate: Fingerprint,
}

impl Node {
    /// Open the sockets and start the threads.
    pub fn start(config: Config, on_event: OnEvent) -> Result<Self, StartError> {
        let _ = (config, on_event);
        Err(StartError::Certificate)
    }

    /// Where a new leg of a room goes; `None` when the node is full or stopping.
    pub fn place(&self, room: RoomId) -> Option<Placement> {
        let _ = room;
        None
    }

    /// Pass a command on. Commands about one leg are applied in the order of these calls.
    pub fn send(&self, command: Command) -> Result<(), Refused> {
        let _ = command;
        Err(Refused)
    }

    /// SHA-256 of the certificate that every leg shows.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate
    }

    /// The counters of all threads, as of a quarter of a second ago or later.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }

    /// End every leg with `Drained`, stop the threads and wait for them, within `timeouts.stop`. Later calls do nothing.
    pub fn stop(&self) {}
}
