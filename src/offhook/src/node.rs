//! The media node of this process behind the trait that the doors use.

use std::time::Duration;

use offhook_media::{Node, TurnCredentials};
use offhook_signaling::media_node::{IceServer, MediaNode, NodeFull};
use offhook_types::media::{Command, Fingerprint, Placement};
use offhook_types::{RoomId, WorkerId};

/// A node in this process.
pub struct Local {
    /// It.
    pub node: Node,
    /// The name in its certificate, under which clients reach TURN over TLS; empty where there is none.
    pub turn_host: String,
}

/// Credentials outlive a long call, in the middle of which a client may have to connect again.
const LASTING: Duration = Duration::from_secs(24 * 3600);

impl MediaNode for Local {
    fn fingerprint(&self) -> Fingerprint {
        self.node.fingerprint()
    }

    fn place(&self, room: RoomId) -> Option<Placement> {
        self.node.place(room)
    }

    fn ice_servers(&self) -> Vec<IceServer> {
        if self.turn_host.is_empty() {
            return Vec::new();
        }
        let (TurnCredentials { username, password }, ports) = self.node.lend_turn(LASTING);
        let url = |port| format!("turns:{}:{port}?transport=tcp", self.turn_host);
        let urls: Vec<String> = ports.iter().map(url).collect();
        if urls.is_empty() {
            return Vec::new();
        }
        vec![IceServer { urls, username, credential: password }]
    }

    fn place_on(&self, worker: WorkerId) -> Option<Placement> {
        self.node.place_on(worker)
    }

    fn send(&self, command: Command) -> Result<(), NodeFull> {
        self.node.send(command).map_err(|_| NodeFull)
    }
}
