//! A client and the person in front of it, who does this and that at random moments.

use core::time::Duration;
use std::collections::BTreeMap;

use offhook_call::{By, Cause, Direction, Event, Input, Reply, Snapshot, State};
use offhook_types::{CallId, DeviceId, SessionId};

use super::judge::Judge;
use super::session::Response;
use super::{Happening, USERS, WILD, World};

/// From a device to the server.
#[derive(Debug, Clone)]
pub(super) enum Up {
    Hello { session: Option<SessionId>, last_seq: u64 },
    Ack { session: SessionId, seq: u64 },
    Request { session: SessionId, id: u32, request: Request },
}

/// From the server to a device.
#[derive(Debug, Clone)]
pub(super) enum Down {
    Welcome { session: SessionId, resumed: bool, calls: Vec<Snapshot> },
    Reply { session: SessionId, id: u32, response: Response },
    Event { session: SessionId, seq: u64, event: Event },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    Place {
        to: u64,
    },
    /// Call a phone.
    Dial,
    RingAck(CallId),
    Accept(CallId),
    Decline(CallId),
    Cancel(CallId),
    HangUp(CallId),
}

/// What a device or its person does when the time comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Connect,
    /// Say hello again until welcomed, ask again until answered.
    Repeat,
    /// Something at random, and later something else.
    Whim,
    Ask(Request),
    /// Answer a call if it still rings here.
    Answer(CallId),
    JoinRoom(CallId),
    LeaveRoom(CallId),
    /// Come back for good and do nothing any more.
    Settle,
}

#[derive(Debug)]
pub(super) struct Device {
    pub by: By,
    online: bool,
    /// Which connection this is.
    epoch: u32,
    session: Option<SessionId>,
    welcomed: bool,
    last_seq: u64,
    held: BTreeMap<u64, Event>,
    next_request: u32,
    pending: BTreeMap<u32, Request>,
    calls: BTreeMap<CallId, View>,
    repeating: bool,
    /// The room that it is in.
    room: Option<CallId>,
}

/// What the device shows of a call.
#[derive(Debug, Clone, Default)]
struct View {
    placed: bool,
    rings: bool,
    accepted: bool,
    ended: Option<(Cause, Duration)>,
}

impl Device {
    pub fn new(by: By) -> Self {
        Self {
            by,
            online: false,
            epoch: 0,
            session: None,
            welcomed: false,
            last_seq: 0,
            held: BTreeMap::new(),
            next_request: 1,
            pending: BTreeMap::new(),
            calls: BTreeMap::new(),
            repeating: false,
            room: None,
        }
    }

    /// When everything is over, no call may still ring or run on a screen, and what the screen says
    /// of an end is what the record says.
    pub fn nothing_left_open(&self, judge: &Judge) -> Result<(), String> {
        let device = self.by.device;
        for (call, view) in &self.calls {
            match view.ended {
                None if view.placed || view.rings || view.accepted => {
                    return Err(format!(
                        "{call} is still open on the screen of {device}: {view:?}"
                    ));
                }
                None => {}
                Some(end) => judge.screen(*call, device, end)?,
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        *self = Self { epoch: self.epoch, repeating: self.repeating, ..Self::new(self.by) };
    }
}

impl World<'_> {
    pub(super) fn act(&mut self, id: DeviceId, act: Act) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        match act {
            Act::Connect if device.online => {}
            Act::Connect => {
                device.online = true;
                device.epoch += 1;
                device.welcomed = false;
                self.repeat(id);
            }
            Act::Repeat => {
                device.repeating = false;
                self.repeat(id);
            }
            Act::Whim => self.whim(id),
            Act::Ask(request) => self.ask(id, request),
            Act::Answer(call) => {
                if device.calls.get(&call).is_some_and(|view| view.rings) {
                    let request = match self.rng.below(10) {
                        0..=5 => Request::Accept(call),
                        6..=7 => Request::Decline(call),
                        _ => return,
                    };
                    self.ask(id, request);
                }
            }
            Act::JoinRoom(call) => self.join_room(id, call),
            Act::LeaveRoom(call) => self.leave_room(id, call),
            Act::Settle => self.settle(id),
        }
    }

    fn settle(&mut self, id: DeviceId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        device.pending.clear();
        if !device.online {
            device.online = true;
            device.epoch += 1;
            device.welcomed = false;
        }
        self.repeat(id);
    }

    fn repeat(&mut self, id: DeviceId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        if !device.online {
            return;
        }
        let epoch = device.epoch;
        let mut packets = Vec::new();
        match device.session.filter(|_| device.welcomed) {
            None => packets.push(Up::Hello { session: device.session, last_seq: device.last_seq }),
            Some(session) => {
                let pending = device.pending.iter();
                packets.extend(pending.map(|(&id, &request)| Up::Request { session, id, request }));
            }
        }
        let again = !packets.is_empty() && !core::mem::replace(&mut device.repeating, true);
        for packet in packets {
            self.travel(Happening::AtServer(id, epoch, packet));
        }
        if again {
            self.act_in(id, 1_500, Act::Repeat);
        }
    }

    fn ask(&mut self, id: DeviceId, request: Request) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        if self.now >= WILD {
            return;
        }
        let number = device.next_request;
        device.next_request += 1;
        device.pending.insert(number, request);
        self.repeat(id);
    }

    fn whim(&mut self, id: DeviceId) {
        if self.now >= WILD {
            return;
        }
        self.act_in(id, 20_000, Act::Whim);
        match self.rng.below(100) {
            0..=9 => self.ask(id, Request::Dial),
            10..=44 => {
                // One more than exist: a number that is nobody's.
                let to = 1 + u64::from(self.rng.below(USERS as u32 + 1));
                self.ask(id, Request::Place { to });
            }
            45..=64 => {
                let many = self.calls.len() as u32;
                let recent = self.rng.below(many.min(4)) as usize;
                let Some(&call) = self.calls.iter().rev().nth(recent) else { return };
                let request = match self.rng.below(5) {
                    0 => Request::RingAck(call),
                    1 => Request::Accept(call),
                    2 => Request::Decline(call),
                    3 => Request::Cancel(call),
                    _ => Request::HangUp(call),
                };
                self.ask(id, request);
            }
            65..=84 => self.go_offline(id),
            85..=92 => {
                self.go_offline(id);
                if let Some(device) = self.devices.get_mut(&id) {
                    device.forget();
                }
                self.act_in(id, 2_000, Act::Connect);
            }
            93 => {
                let Some(by) = self.devices.get(&id).map(|device| device.by) else { return };
                self.go_offline(id);
                self.signed_out(id);
                if let Some(device) = self.devices.get_mut(&id) {
                    device.forget();
                }
                self.after(1, Happening::Outside(Input::SignOut { by }));
            }
            _ => {}
        }
    }

    fn go_offline(&mut self, id: DeviceId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        let (epoch, room) = (device.epoch, device.room);
        if core::mem::replace(&mut device.online, false) {
            self.after(5_000, Happening::Broken(id, epoch));
        }
        if let Some(call) = room {
            self.leave_room(id, call);
        }
        let away = if self.rng.chance(25) { 120_000 } else { 20_000 };
        self.act_in(id, away, Act::Connect);
    }

    pub(super) fn at_device(&mut self, id: DeviceId, epoch: u32, down: Down) -> Result<(), String> {
        let Some(device) = self.devices.get_mut(&id) else { return Ok(()) };
        if !device.online || device.epoch != epoch {
            return Ok(());
        }
        match down {
            Down::Welcome { session, resumed, calls } => {
                if device.welcomed {
                    return Ok(());
                }
                if !resumed {
                    let (epoch, repeating) = (device.epoch, device.repeating);
                    let room = device.room;
                    *device = Device { epoch, repeating, room, ..Device::new(device.by) };
                    device.online = true;
                }
                device.welcomed = true;
                device.session = Some(session);
                for call in calls {
                    self.see_snapshot(id, &call);
                }
                self.repeat(id);
                self.rejoin(id);
            }
            Down::Reply { session, id: request, response } => {
                if device.session != Some(session) {
                    return Ok(());
                }
                let asked = device.pending.remove(&request);
                if let (Some(Request::Place { .. } | Request::Dial), Ok(Reply::Placed(call))) =
                    (asked, response)
                {
                    device.calls.entry(call).or_default().placed = true;
                    if self.rng.chance(25) {
                        self.act_in(id, 40_000, Act::Ask(Request::Cancel(call)));
                    }
                }
            }
            Down::Event { session, seq, event } => {
                if device.session != Some(session) || !device.welcomed {
                    return Ok(());
                }
                if seq > device.last_seq {
                    device.held.insert(seq, event);
                }
                while let Some(device) = self.devices.get_mut(&id) {
                    let next = device.last_seq + 1;
                    let Some(event) = device.held.remove(&next) else { break };
                    device.last_seq = next;
                    self.see(id, event)?;
                }
                let seq = self.devices.get(&id).map_or(0, |device| device.last_seq);
                self.travel(Happening::AtServer(id, epoch, Up::Ack { session, seq }));
            }
        }
        Ok(())
    }

    fn see_snapshot(&mut self, id: DeviceId, call: &Snapshot) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        let view = device.calls.entry(call.call).or_default();
        view.placed = call.direction == Direction::Outgoing;
        view.accepted = call.state == State::Accepted;
        view.rings = call.direction == Direction::Incoming && !view.accepted;
        let rings = view.rings;
        if rings {
            self.ring(id, call.call);
        }
        if call.room_ready {
            self.act_in(id, 3_000, Act::JoinRoom(call.call));
        }
    }

    fn see(&mut self, id: DeviceId, event: Event) -> Result<(), String> {
        let call = event.call();
        let Some(device) = self.devices.get_mut(&id) else { return Ok(()) };
        let view = device.calls.entry(call).or_default();
        if view.ended.is_some() && !matches!(event, Event::Ended { .. }) {
            return Err(format!("{id} is told {event:?} after the end"));
        }
        match event {
            Event::Incoming { .. } => {
                view.rings = true;
                self.ring(id, call);
            }
            Event::Progress { .. } => {
                if self.rng.chance(80) {
                    self.act_in(id, 3_000, Act::JoinRoom(call));
                }
            }
            Event::Ringing { .. } | Event::Held { .. } | Event::Warning { .. } => {}
            Event::Accepted { .. } => {
                view.rings = false;
                view.accepted = true;
                if self.rng.chance(90) {
                    self.act_in(id, 3_000, Act::JoinRoom(call));
                }
            }
            Event::Ended { cause, duration, .. } => {
                let end = (cause, duration);
                if view.ended.is_some_and(|before| before != end) {
                    return Err(format!("{id} is told two ends of {call}: {end:?} last"));
                }
                (view.rings, view.accepted, view.ended) = (false, false, Some(end));
                self.leave_room(id, call);
            }
        }
        Ok(())
    }

    fn ring(&mut self, id: DeviceId, call: CallId) {
        if self.rng.chance(90) {
            self.act_in(id, 3_000, Act::Ask(Request::RingAck(call)));
        }
        self.act_in(id, 60_000, Act::Answer(call));
    }

    fn join_room(&mut self, id: DeviceId, call: CallId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        let open = device.calls.get(&call).is_some_and(|view| view.ended.is_none());
        if !device.online || !open || device.room.is_some() {
            return;
        }
        device.room = Some(call);
        let user = device.by.user;
        self.now_outside(Input::MediaJoined { call, user });
        if self.rng.chance(60) {
            self.act_in(id, 120_000, Act::Ask(Request::HangUp(call)));
        }
        if self.rng.chance(25) {
            self.act_in(id, 60_000, Act::LeaveRoom(call));
            self.act_in(id, 150_000, Act::JoinRoom(call));
        }
    }

    fn rejoin(&mut self, id: DeviceId) {
        let Some(device) = self.devices.get(&id) else { return };
        let talking = device.calls.iter().find(|(_, view)| view.accepted);
        if let Some((&call, _)) = talking {
            self.act_in(id, 10_000, Act::JoinRoom(call));
        }
    }

    fn leave_room(&mut self, id: DeviceId, call: CallId) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        if device.room != Some(call) {
            return;
        }
        device.room = None;
        let user = device.by.user;
        self.now_outside(Input::MediaLeft { call, user });
    }

    fn now_outside(&mut self, input: Input) {
        self.serial += 1;
        self.queue.insert((self.now, self.serial), Happening::Outside(input));
    }
}
