//! The media node of this process behind the trait that the doors use.

use offhook_media::Node;
use offhook_signaling::media_node::{MediaNode, NodeFull};
use offhook_types::RoomId;
use offhook_types::media::{Command, Fingerprint, Placement};

/// A node in this process.
pub struct Local(pub Node);

impl MediaNode for Local {
    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    fn place(&self, room: RoomId) -> Option<Placement> {
        self.0.place(room)
    }

    fn send(&self, command: Command) -> Result<(), NodeFull> {
        self.0.send(command).map_err(|_| NodeFull)
    }
}
