//! One session: a task that outlives its connections. It takes one thing at a time, so that a reply
//! is always sent before the events that the request caused, and a request that was begun is
//! finished whatever becomes of the connection.

use std::time::Duration;

use offhook_call::By;
use offhook_proto::client::client_message::Message as Request;
use offhook_proto::client::server_message::Message as Reply;
use offhook_proto::client::{CallSnapshot, ClientMessage, Connected};
use offhook_store::{Bearer, User};
use offhook_types::SessionId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::link::{Closed, Link, Stuck};
use super::memory::{Memory, Recall};
use super::requests::Requests;
use super::sessions::Sessions;
use crate::account::{Failure, show_user};
use crate::calls::DeviceEvent;

/// A connection that asks for a session, and the request that Connected answers.
pub(super) struct Greeting {
    pub(super) bearer: Bearer,
    pub(super) link: Link,
    pub(super) request: u32,
}

/// What a session is told.
pub(super) enum Mail {
    /// The device is back. Answered with whether its events are still here.
    Resume { greeting: Greeting, last_seq: u64, done: oneshot::Sender<Result<bool, Failure>> },
    /// A message from the connection with that id.
    Message { link: u64, message: ClientMessage },
    /// It is over.
    End(Closed),
}

/// One device's session.
pub(super) struct Session {
    id: SessionId,
    by: By,
    user: User,
    sessions: Sessions,
    requests: Requests,
    mailbox: mpsc::Receiver<Mail>,
    events: mpsc::Receiver<DeviceEvent>,
    /// Weak, so that the call task's dropping of the channel is noticed here.
    sender: mpsc::WeakSender<DeviceEvent>,
    first_sender: Option<mpsc::Sender<DeviceEvent>>,
    memory: Memory,
    link: Option<Link>,
    /// When a broken session is given up.
    give_up: Instant,
}

/// Events that may wait for a session to take them. It takes them at once unless a request is slow.
const EVENTS: usize = 64;

/// The session is over, and this is what its connection is closed with.
struct Over(Closed);

impl Session {
    pub(super) fn new(
        id: SessionId,
        bearer: Bearer,
        sessions: Sessions,
        requests: Requests,
        mailbox: mpsc::Receiver<Mail>,
    ) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let memory = Memory::new(sessions.config().unacknowledged);
        Self {
            id,
            by: By { user: bearer.user.id, device: bearer.device.id },
            user: bearer.user,
            sessions,
            requests,
            mailbox,
            events,
            sender: sender.downgrade(),
            first_sender: Some(sender),
            memory,
            link: None,
            give_up: Instant::now(),
        }
    }

    /// Live until replaced, revoked or given up. `done` is told when the device is attached.
    pub(super) async fn run(
        mut self,
        greeting: Greeting,
        done: oneshot::Sender<Result<(), Failure>>,
    ) {
        let over = match self.begin(greeting).await {
            Ok(()) => {
                let _ = done.send(Ok(()));
                self.live().await
            }
            Err(failure) => {
                let _ = done.send(Err(failure));
                Over(Closed::TryLater)
            }
        };
        if let Some(link) = self.link.take() {
            link.close(over.0);
        }
        self.sessions.remove(self.by, self.id);
        self.sessions.calls().close(self.by, self.id).await;
    }

    async fn begin(&mut self, greeting: Greeting) -> Result<(), Failure> {
        let calls = self.attach().await?;
        // A peer that is stuck on its first message is noticed by its connection.
        let _ = self.greet(greeting, false, calls);
        Ok(())
    }

    async fn attach(&mut self) -> Result<Vec<CallSnapshot>, Failure> {
        let sender = self.first_sender.take().or_else(|| self.sender.upgrade());
        let sender = sender.ok_or_else(Failure::unavailable)?;
        let calls = self.sessions.calls().attach(self.by, self.id, sender).await?;
        if let Err(failure) = self.requests.accounts.seen(self.by.device).await {
            // Only the device list shows it.
            tracing::debug!(code = ?failure.code, "last seen not noted");
        }
        Ok(calls)
    }

    fn greet(
        &mut self,
        greeting: Greeting,
        resumed: bool,
        calls: Vec<CallSnapshot>,
    ) -> Result<(), Stuck> {
        let Greeting { bearer, link, request } = greeting;
        // The name may have changed since the last connection.
        self.user = bearer.user;
        let config = self.sessions.config();
        let connected = Connected {
            session_id: self.id.to_string(),
            resumed,
            user: Some(show_user(&self.user)),
            ping_interval_ms: millis(config.ping_interval),
            resume_window_ms: millis(config.resume_window),
            calls,
        };
        link.reply(request, Reply::Connected(connected))?;
        for event in self.memory.events() {
            link.send(event)?;
        }
        self.link = Some(link);
        Ok(())
    }

    async fn live(&mut self) -> Over {
        loop {
            // In this order: what a connection said before it broke is heard before that it broke.
            let step = tokio::select! {
                biased;
                mail = self.mailbox.recv() => match mail {
                    Some(mail) => self.take(mail).await,
                    None => Err(Over(Closed::Replaced)),
                },
                event = self.events.recv() => self.tell(event).await,
                () = gone(self.link.as_ref()) => {
                    self.unlink().await;
                    Ok(())
                }
                () = sleep_until(self.give_up), if self.link.is_none() => {
                    tracing::debug!(session = %self.id, "session given up");
                    Err(Over(Closed::Timeout))
                }
            };
            if let Err(over) = step {
                return over;
            }
        }
    }

    async fn take(&mut self, mail: Mail) -> Result<(), Over> {
        match mail {
            Mail::Message { link, message } if self.is_link(link) => self.serve(message).await,
            // From a connection that was given up; the client repeats it on the next one.
            Mail::Message { .. } => Ok(()),
            Mail::Resume { greeting, last_seq, done } => {
                let outcome = self.resume(greeting, last_seq).await;
                let _ = done.send(outcome);
                Ok(())
            }
            Mail::End(why) => Err(Over(why)),
        }
    }

    fn is_link(&self, id: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.id == id)
    }

    /// The connection is gone; the device has a while to come back.
    async fn unlink(&mut self) {
        self.link = None;
        self.give_up = Instant::now() + self.sessions.config().resume_window;
        self.sessions.calls().detach(self.by, self.id).await;
    }

    async fn resume(&mut self, greeting: Greeting, last_seq: u64) -> Result<bool, Failure> {
        if !self.memory.resume(last_seq) {
            return Ok(false);
        }
        if let Some(before) = self.link.take() {
            before.close(Closed::Replaced);
            self.unlink().await;
        }
        self.attach().await?;
        if self.greet(greeting, true, Vec::new()).is_err() {
            self.unlink().await;
        }
        Ok(true)
    }

    /// An event from the call task; without one the task has dropped this session.
    async fn tell(&mut self, event: Option<DeviceEvent>) -> Result<(), Over> {
        let Some(event) = event else {
            let is_current = self.sessions.is_current(self.by, self.id);
            return Err(Over(if is_current { Closed::SlowReader } else { Closed::Replaced }));
        };
        let message = self.memory.keep_event(event).map_err(|_| Over(Closed::SlowReader))?;
        if self.link.as_ref().is_some_and(|link| link.send(&message).is_err()) {
            self.unlink().await;
        }
        Ok(())
    }

    async fn serve(&mut self, message: ClientMessage) -> Result<(), Over> {
        let reply = match message.message {
            Some(Request::Ack(ack)) => {
                if self.memory.acknowledge(ack.seq) {
                    return Ok(());
                }
                let failure = Failure::bad_request("no event has that number yet");
                Reply::Error(failure.into())
            }
            Some(request) => self.answer(message.request_id, request).await,
            // A message that a newer client knows, or none.
            None => Reply::Error(Failure::bad_request("unknown message").into()),
        };
        let sent = self.link.as_ref().map(|link| link.reply(message.request_id, reply));
        if matches!(sent, Some(Err(Stuck))) {
            self.unlink().await;
        }
        Ok(())
    }

    async fn answer(&mut self, id: u32, request: Request) -> Reply {
        if id == 0 {
            return Reply::Error(Failure::bad_request("a request needs a request_id").into());
        }
        match self.memory.recall(id) {
            Recall::Done(reply) => return reply,
            Recall::Forgotten => {
                let text = "this request_id was used long ago";
                return Reply::Error(Failure::bad_request(text).into());
            }
            Recall::New => {}
        }
        let done = self.requests.serve(self.by, &self.user, request).await;
        let reply = done.unwrap_or_else(|failure| Reply::Error(failure.into()));
        self.memory.keep_reply(id, reply.clone());
        reply
    }
}

/// Waits for a connection to end; without one, for ever.
async fn gone(link: Option<&Link>) {
    match link {
        Some(link) => link.gone().await,
        None => std::future::pending().await,
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
