//! All live sessions: at most one for each device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use offhook_call::By;
use offhook_proto::client::ErrorCode;
use offhook_types::counters::Counters;
use offhook_types::{DeviceId, SessionId, UserId};
use tokio::sync::{mpsc, oneshot};

use super::Config;
use super::link::Closed;
use super::requests::Requests;
use super::session::{Greeting, Mail, Session};
use crate::account::{Failure, SignOut};
use crate::calls;

/// The live sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    config: Config,
    calls: calls::Handle,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    sessions: HashMap<DeviceId, Entry>,
    closed: Counters<Closed>,
    next_link: u64,
    is_stopped: bool,
}

struct Entry {
    session: SessionId,
    user: UserId,
    mailbox: mpsc::Sender<Mail>,
}

/// Messages that may wait for a session; a connection that has more to say waits.
const MAILBOX: usize = 32;

impl Sessions {
    /// No session yet.
    pub fn new(config: Config, calls: calls::Handle) -> Self {
        Self(Arc::new(Inner { config, calls, live: Mutex::default() }))
    }

    /// How many sessions there are, connected or waiting to be resumed.
    pub fn live(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Connections that ended, by reason.
    pub fn closed(&self) -> Counters<Closed> {
        self.lock().closed.clone()
    }

    /// Say goodbye to everybody; new sessions are refused from now on.
    pub async fn stop(&self) {
        let mailboxes: Vec<_> = {
            let mut live = self.lock();
            live.is_stopped = true;
            live.sessions.values().map(|entry| entry.mailbox.clone()).collect()
        };
        for mailbox in mailboxes {
            // One that ended meanwhile needs no goodbye.
            let _ = mailbox.send(Mail::End(Closed::GoingAway)).await;
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn calls(&self) -> &calls::Handle {
        &self.0.calls
    }

    pub(super) fn count(&self, why: Closed) {
        self.lock().closed.add(why);
    }

    pub(super) fn next_link(&self) -> u64 {
        let mut live = self.lock();
        live.next_link += 1;
        live.next_link
    }

    /// Start a session on a connection, in place of the one that the device had.
    pub(super) async fn start(
        &self,
        requests: Requests,
        greeting: Greeting,
    ) -> Result<mpsc::Sender<Mail>, Failure> {
        let bearer = greeting.bearer.clone();
        let (user, device) = (bearer.user.id, bearer.device.id);
        let id = SessionId(crate::account::draw_id()?);
        let (mailbox, mail) = mpsc::channel(MAILBOX);
        let entry = Entry { session: id, user, mailbox: mailbox.clone() };
        let replaced = {
            let mut live = self.lock();
            let is_full = live.sessions.len() >= self.0.config.sessions
                && !live.sessions.contains_key(&device);
            if is_full || live.is_stopped {
                return Err(Failure::unavailable());
            }
            live.sessions.insert(device, entry)
        };
        if let Some(before) = replaced {
            let _ = before.mailbox.send(Mail::End(Closed::Replaced)).await;
        }
        let (done, outcome) = oneshot::channel();
        let session = Session::new(id, bearer, self.clone(), requests, mail);
        tokio::spawn(session.run(greeting, done));
        outcome.await.unwrap_or_else(|_| Err(Failure::unavailable()))?;
        Ok(mailbox)
    }

    /// Go on with a session on another connection.
    pub(super) async fn resume(
        &self,
        session: &str,
        last_seq: u64,
        greeting: Greeting,
    ) -> Result<mpsc::Sender<Mail>, Failure> {
        let gone = || {
            let text = "the session cannot be resumed: connect without session_id";
            Failure::new(ErrorCode::SessionGone, text)
        };
        let wanted: SessionId = session.parse().map_err(|_| gone())?;
        let mailbox = {
            let live = self.lock();
            let device = greeting.bearer.device.id;
            let entry = live.sessions.get(&device).filter(|entry| entry.session == wanted);
            entry.map(|entry| entry.mailbox.clone()).ok_or_else(gone)?
        };
        let (done, outcome) = oneshot::channel();
        let mail = Mail::Resume { greeting, last_seq, done };
        mailbox.send(mail).await.map_err(|_| gone())?;
        let is_resumed = outcome.await.map_err(|_| gone())??;
        if is_resumed { Ok(mailbox) } else { Err(gone()) }
    }

    /// Whether this is the device's session; another one may have taken its place.
    pub(super) fn is_current(&self, by: By, id: SessionId) -> bool {
        self.lock().sessions.get(&by.device).is_some_and(|entry| entry.session == id)
    }

    /// The session ended.
    pub(super) fn remove(&self, by: By, id: SessionId) {
        let mut live = self.lock();
        if live.sessions.get(&by.device).is_some_and(|entry| entry.session == id) {
            live.sessions.remove(&by.device);
        }
    }

    /// A panic elsewhere leaves the table whole: every change to it is one call.
    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SignOut for Sessions {
    async fn signed_out(&self, by: By) {
        let entry = {
            let mut live = self.lock();
            let is_theirs = live.sessions.get(&by.device).is_some_and(|e| e.user == by.user);
            if is_theirs { live.sessions.remove(&by.device) } else { None }
        };
        if let Some(entry) = entry {
            let _ = entry.mailbox.send(Mail::End(Closed::Revoked)).await;
        }
        self.0.calls.sign_out(by).await;
    }
}
