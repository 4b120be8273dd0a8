//! The task that owns the call machine, and the handle through which device sessions reach it.
//!
//! For a session (the WebSocket door):
//! - [`Handle::attach`] when it starts and again when it is resumed, with the sender of its event
//!   channel; [`Handle::detach`] when its connection breaks; [`Handle::close`] when its resume
//!   window is over.
//! - Events come through the channel in order, also while the connection is broken: the session
//!   numbers and keeps them. A channel that is full, or whose device attached another session, is
//!   dropped here: its receiver yields `None`, and the session ends.
//! - A reply is to be sent before any event that was queued after the request was made, or a client
//!   would hear of a call before it knows its id. So a session waits for the reply before it takes
//!   the next event.

use std::sync::Arc;
use std::time::Duration;

use offhook_call::{By, Media, Refusal};
use offhook_proto::client::{CallSnapshot, server_message};
use offhook_store::Store;
use offhook_types::{CallId, Number, SessionId};
use tokio::sync::mpsc;

/// What a device is told: `Incoming`, `Ringing`, `Accepted` or `Ended`, ready to be numbered and
/// sent.
pub type DeviceEvent = server_message::Message;

/// How the task is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Limits and timers of calls.
    pub calls: offhook_call::Config,
    /// The server URL that devices are given for media; empty means the one that they are connected
    /// to.
    pub media_url: String,
    /// How long a grant lets a device join. A device that attaches later in the call is given a new
    /// one.
    pub grant_ttl: Duration,
    /// Requests that may wait for the task.
    pub mailbox: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls: offhook_call::Config::default(),
            media_url: String::new(),
            grant_ttl: Duration::from_secs(6 * 3600),
            mailbox: 4096,
        }
    }
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not answer.
    #[error("the store cannot answer now")]
    Store(#[from] offhook_store::Error),
    /// The task is gone or its mailbox is full.
    #[error("the server takes no call requests at the moment")]
    Closed,
}

/// Reaches the call task. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    store: Arc<dyn Store>,
}

impl Handle {
    /// A session started or was resumed. Answers with the calls that the device is part of, for a
    /// session that starts.
    pub async fn attach(
        &self,
        by: By,
        session: SessionId,
        events: mpsc::Sender<DeviceEvent>,
    ) -> Result<Vec<CallSnapshot>, Error> {
        let _ = (by, session, events, &self.store);
        Err(Error::Closed)
    }

    /// The connection broke; the session may still be resumed, so its events are kept coming.
    pub async fn detach(&self, by: By, session: SessionId) {
        let _ = (by, session);
    }

    /// The session is over and cannot be resumed.
    pub async fn close(&self, by: By, session: SessionId) {
        let _ = (by, session);
    }

    /// The device was signed out or revoked: it leaves its call at once and its channel is dropped.
    pub async fn sign_out(&self, by: By) {
        let _ = by;
    }

    /// Place a call to a number.
    pub async fn place(&self, by: By, number: Number, media: Media) -> Result<CallId, Error> {
        let _ = (by, number, media);
        Err(Error::Closed)
    }

    /// The device shows the call.
    pub async fn ring_ack(&self, by: By, call: CallId) -> Result<(), Error> {
        let _ = (by, call);
        Err(Error::Closed)
    }

    /// Take the call on this device.
    pub async fn accept(&self, by: By, call: CallId) -> Result<(), Error> {
        let _ = (by, call);
        Err(Error::Closed)
    }

    /// Turn the call away.
    pub async fn decline(&self, by: By, call: CallId) -> Result<(), Error> {
        let _ = (by, call);
        Err(Error::Closed)
    }

    /// Take back a call that was not accepted yet.
    pub async fn cancel(&self, by: By, call: CallId) -> Result<(), Error> {
        let _ = (by, call);
        Err(Error::Closed)
    }

    /// End an accepted call.
    pub async fn hang_up(&self, by: By, call: CallId) -> Result<(), Error> {
        let _ = (by, call);
        Err(Error::Closed)
    }
}
