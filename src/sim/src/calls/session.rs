//! The server's session layer in small: events numbered and kept until acknowledged, requests done
//! once however often they come, sessions that survive a broken connection for a while.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use offhook_call::{Event, Input, Refusal, Reply};
use offhook_types::{DeviceId, SessionId};

use super::device::{Down, Request, Up};
use super::{Happening, World};

/// The answer to a request.
pub(super) type Response = Result<Reply, Refusal>;

/// How long a broken session may be resumed.
const WINDOW: Duration = Duration::from_secs(60);
const RESEND_MS: u32 = 600;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    of: BTreeMap<DeviceId, Session>,
    serial: u64,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    by: offhook_call::By,
    /// The connection that it lives on, and whether that is whole.
    epoch: u32,
    connected: bool,
    welcome: Down,
    next_seq: u64,
    unacked: VecDeque<(u64, Event)>,
    replies: BTreeMap<u32, Response>,
    resend_set: bool,
}

impl World<'_> {
    pub(super) fn at_server(&mut self, device: DeviceId, epoch: u32, up: Up) -> Result<(), String> {
        match up {
            Up::Hello { session, last_seq } => self.hello(device, epoch, session, last_seq),
            Up::Ack { session, seq } => {
                if let Some(known) = self.sessions.of.get_mut(&device).filter(|s| s.id == session) {
                    known.unacked.retain(|&(unacked, _)| unacked > seq);
                }
                Ok(())
            }
            Up::Request { session, id, request } => {
                self.request(device, epoch, session, id, request)
            }
        }
    }

    fn hello(
        &mut self,
        device: DeviceId,
        epoch: u32,
        resume: Option<SessionId>,
        last_seq: u64,
    ) -> Result<(), String> {
        let Some(by) = self.devices.get(&device).map(|device| device.by) else { return Ok(()) };
        if let Some(known) = self.sessions.of.get_mut(&device) {
            if epoch < known.epoch || (epoch == known.epoch && !known.connected) {
                return Ok(());
            }
            if epoch == known.epoch {
                let welcome = known.welcome.clone();
                self.travel(Happening::AtDevice(device, epoch, welcome));
                return Ok(());
            }
            if resume == Some(known.id) {
                let session = known.id;
                known.epoch = epoch;
                known.connected = true;
                known.unacked.retain(|&(unacked, _)| unacked > last_seq);
                known.welcome = Down::Welcome { session, resumed: true, calls: Vec::new() };
                let welcome = known.welcome.clone();
                self.input(Input::Attach { by, session }).map(drop)?;
                self.travel(Happening::AtDevice(device, epoch, welcome));
                self.resend(device);
                return Ok(());
            }
            let session = known.id;
            // The old session's end may come late, after the new one began.
            for late in [Input::Detach { by, session }, Input::Close { by, session }] {
                if self.rng.chance(50) {
                    self.after(5_000, Happening::Outside(late));
                }
            }
        }
        self.start(device, by, epoch)
    }

    fn start(&mut self, device: DeviceId, by: offhook_call::By, epoch: u32) -> Result<(), String> {
        self.sessions.serial += 1;
        let id = SessionId(self.sessions.serial);
        let session = Session {
            id,
            by,
            epoch,
            connected: true,
            welcome: Down::Welcome { session: id, resumed: false, calls: Vec::new() },
            next_seq: 1,
            unacked: VecDeque::new(),
            replies: BTreeMap::new(),
            resend_set: false,
        };
        self.sessions.of.insert(device, session);
        let calls = match self.input(Input::Attach { by, session: id })? {
            Ok(Reply::Attached(calls)) => calls,
            other => return Err(format!("attach was answered with {other:?}")),
        };
        let welcome = Down::Welcome { session: id, resumed: false, calls };
        if let Some(session) = self.sessions.of.get_mut(&device) {
            session.welcome = welcome.clone();
        }
        self.travel(Happening::AtDevice(device, epoch, welcome));
        Ok(())
    }

    fn request(
        &mut self,
        device: DeviceId,
        epoch: u32,
        session: SessionId,
        id: u32,
        request: Request,
    ) -> Result<(), String> {
        let Some(known) = self.sessions.of.get(&device) else { return Ok(()) };
        if known.id != session || known.epoch != epoch {
            return Ok(());
        }
        let by = known.by;
        let response = match known.replies.get(&id) {
            Some(response) => response.clone(),
            None => {
                let input = match request {
                    Request::Dial => Input::Place(self.dial(by)),
                    Request::Place { to } => Input::Place(self.place(by, to)),
                    Request::RingAck(call) => Input::RingAck { by, call },
                    Request::Accept(call) => Input::Accept { by, call },
                    Request::Decline(call) => Input::Decline { by, call },
                    Request::Cancel(call) => Input::Cancel { by, call },
                    Request::HangUp(call) => Input::HangUp { by, call },
                };
                let response = self.input(input)?;
                if let Some(known) = self.sessions.of.get_mut(&device) {
                    known.replies.insert(id, response.clone());
                }
                response
            }
        };
        self.travel(Happening::AtDevice(device, epoch, Down::Reply { session, id, response }));
        Ok(())
    }

    pub(super) fn broken(&mut self, device: DeviceId, epoch: u32) -> Result<(), String> {
        let Some(known) = self.sessions.of.get_mut(&device) else { return Ok(()) };
        if known.epoch != epoch || !known.connected {
            return Ok(());
        }
        known.connected = false;
        let (by, session) = (known.by, known.id);
        self.serial += 1;
        let at = (self.now + WINDOW, self.serial);
        self.queue.insert(at, Happening::WindowOver(device, epoch));
        self.input(Input::Detach { by, session }).map(drop)
    }

    pub(super) fn window_over(&mut self, device: DeviceId, epoch: u32) -> Result<(), String> {
        let Some(known) = self.sessions.of.get(&device) else { return Ok(()) };
        if known.epoch != epoch || known.connected {
            return Ok(());
        }
        let (by, session) = (known.by, known.id);
        self.sessions.of.remove(&device);
        self.input(Input::Close { by, session }).map(drop)
    }

    /// The device was signed out: its session is gone.
    pub(super) fn signed_out(&mut self, device: DeviceId) {
        self.sessions.of.remove(&device);
    }

    /// Numbers an event and sends it; a device without a session hears nothing.
    pub(super) fn tell(&mut self, device: DeviceId, event: Event) {
        let Some(known) = self.sessions.of.get_mut(&device) else { return };
        let seq = known.next_seq;
        known.next_seq += 1;
        known.unacked.push_back((seq, event.clone()));
        let (session, epoch, connected) = (known.id, known.epoch, known.connected);
        let set = core::mem::replace(&mut known.resend_set, true);
        if connected {
            self.travel(Happening::AtDevice(device, epoch, Down::Event { session, seq, event }));
        }
        if !set {
            self.after(RESEND_MS, Happening::Resend(device));
        }
    }

    pub(super) fn resend(&mut self, device: DeviceId) {
        let Some(known) = self.sessions.of.get_mut(&device) else { return };
        let (session, epoch) = (known.id, known.epoch);
        let again: Vec<_> = match known.connected {
            true => known.unacked.iter().cloned().collect(),
            false => Vec::new(),
        };
        known.resend_set = !again.is_empty();
        if again.is_empty() {
            return;
        }
        for (seq, event) in again {
            self.travel(Happening::AtDevice(device, epoch, Down::Event { session, seq, event }));
        }
        self.after(RESEND_MS, Happening::Resend(device));
    }
}
