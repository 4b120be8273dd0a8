//! Tables of steps: what happens at which millisecond, and everything that the machine answers and
//! wants done.

mod accept;
mod chance;
mod limits;
mod phones;
mod ringing;
mod sessions;

use offhook_types::{
    CallId, DeviceId, Number, PhoneId, Rng, SessionId, Time, UserId, WallTime, phone,
};

use super::{Calls, Config};
use crate::cause::Refusal;
use crate::effect::{Effect, Event, RecordStep, Snapshot, Venue};
use crate::input::{self, By, Input, Reach, Reply};
use crate::record::{Media, Party};
use offhook_types::counters::Counted;

/// A device: user in the tens, device in the ones.
#[derive(Clone, Copy, PartialEq)]
struct Dev(u64);

const A1: Dev = Dev(11);
const A2: Dev = Dev(12);
const B1: Dev = Dev(21);
const B2: Dev = Dev(22);
const C1: Dev = Dev(31);
const ALL: &[Dev] = &[A1, A2, B1, B2, C1];

/// Users by letter. `X` has no account.
#[derive(Clone, Copy, PartialEq)]
enum User {
    A,
    B,
    C,
    X,
}
use User::{A, B, C, X};

/// One thing that happens. A number is the index of a call in the order of placing.
#[derive(Clone, Copy)]
enum Step {
    /// Attach with the session of that serial.
    On(Dev, u64),
    Off(Dev, u64),
    Shut(Dev, u64),
    SignOut(Dev),
    Place(Dev, User),
    /// Like `Place` of a user who blocked the caller.
    PlaceBlocked(Dev, User),
    Ack(Dev, usize),
    Accept(Dev, usize),
    Decline(Dev, usize),
    Cancel(Dev, usize),
    HangUp(Dev, usize),
    Written(usize),
    NotWritten(usize),
    Ready(usize),
    RoomGone(usize),
    In(User, usize),
    Out(User, usize),
    OnlyIn(User, usize),
    Drain,
    Stop,
    /// A device calls a phone.
    Dial(Dev),
    Press(Dev, usize),
    Hold(Dev, usize, bool),
    /// A phone calls a user, or comes into a room. Phones are numbered in the order of appearance.
    PhoneIn(User),
    PhoneVisits,
    /// The gateway says so of a phone.
    Bridge(usize),
    PhoneRings(usize),
    Early(usize),
    Answered(usize),
    Held(usize, bool),
    Warned(usize),
    Ended(usize, phone::Cause),
    /// The phone lost its seat in the room.
    Unseated(usize),
    /// The devices of the user that a phone calls were looked up.
    Found(usize, &'static [Dev]),
    /// Nothing but time.
    Wait,
}
use Step::*;

/// The steps up to an accepted call from A1 to B1 with both sides in the room, at 3 s; it was
/// accepted at 2 s.
const TALK: &[(u64, Step, &str)] = &[
    (0, Place(A1, B), "placed 0, open"),
    (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
    (500, Ack(B1, 0), "ok, A1 ringing"),
    (2_000, Accept(B1, 0), "ok, accept, room A+B, B2 ended answered_elsewhere 0"),
    (2_100, Ready(0), "ok, A1 accepted as A, B1 accepted as B"),
    (3_000, In(A, 0), "ok"),
    (3_000, In(B, 0), "ok"),
];

/// Runs steps at their milliseconds against a machine on which `online` are attached (session 1
/// each), and compares everything it answers and wants done. Timers are let fire at exactly their
/// time, and each firing is shown as an own line `@time: effects` before the step's.
#[track_caller]
fn check(online: &[Dev], steps: &[(u64, Step, &str)]) {
    check_with(Config::default(), online, &[], steps);
}

/// As `check`, after a prelude that is checked too.
#[track_caller]
fn check_with(
    config: Config,
    online: &[Dev],
    prelude: &[(u64, Step, &str)],
    steps: &[(u64, Step, &str)],
) {
    let mut bench = Bench {
        machine: Calls::new(config, Rng::from_seed(7)),
        calls: Vec::new(),
        phones: Vec::new(),
    };
    for &dev in online {
        assert_eq!(bench.step(0, On(dev, 1)), "attached");
    }
    for (index, &(at, step, expect)) in prelude.iter().chain(steps).enumerate() {
        let seen = bench.step(at, step);
        assert_eq!(seen, expect, "step {index} at {at} ms");
    }
}

struct Bench {
    machine: Calls,
    calls: Vec<CallId>,
    phones: Vec<PhoneId>,
}

impl Bench {
    fn step(&mut self, at: u64, step: Step) -> String {
        let mut seen = Vec::new();
        while let Some(due) = self.machine.next_timeout().filter(|&due| due.as_millis() <= at) {
            self.machine.handle_timeout(due);
            let effects = self.drain();
            if !effects.is_empty() {
                seen.push(format!("@{}: {}", due.as_millis(), effects.join(", ")));
            }
        }
        let wall = WallTime(1_000_000 + at);
        let mut line = Vec::new();
        if let Some(input) = self.input(step) {
            let result = self.machine.handle(Time::from_millis(at), wall, input);
            line.push(self.result(result));
        }
        line.extend(self.drain());
        if !line.is_empty() {
            seen.push(line.join(", "));
        }
        assert_eq!(self.machine.audit(), Ok(()), "at {at} ms");
        seen.join(" | ")
    }

    fn input(&mut self, step: Step) -> Option<Input> {
        if let PhoneIn(_) | PhoneVisits = step {
            self.phones.push(PhoneId(self.phones.len() as u64));
        }
        let call = |index: usize| self.calls[index];
        let phone = |index: usize| self.phones[index];
        Some(match step {
            On(dev, serial) => Input::Attach { by: by(dev), session: session(dev, serial) },
            Off(dev, serial) => Input::Detach { by: by(dev), session: session(dev, serial) },
            Shut(dev, serial) => Input::Close { by: by(dev), session: session(dev, serial) },
            SignOut(dev) => Input::SignOut { by: by(dev) },
            Place(dev, to) => place(dev, to, reach(to)),
            PlaceBlocked(dev, to) => place(dev, to, Reach::Nobody),
            Ack(dev, index) => Input::RingAck { by: by(dev), call: call(index) },
            Accept(dev, index) => Input::Accept { by: by(dev), call: call(index) },
            Decline(dev, index) => Input::Decline { by: by(dev), call: call(index) },
            Cancel(dev, index) => Input::Cancel { by: by(dev), call: call(index) },
            HangUp(dev, index) => Input::HangUp { by: by(dev), call: call(index) },
            Written(index) => Input::Recorded { call: call(index), durable: true },
            NotWritten(index) => Input::Recorded { call: call(index), durable: false },
            Ready(index) => Input::RoomReady { call: call(index) },
            RoomGone(index) => Input::RoomGone { call: call(index) },
            In(user, index) => Input::MediaJoined { call: call(index), user: id(user) },
            Out(user, index) => Input::MediaLeft { call: call(index), user: id(user) },
            OnlyIn(user, index) => Input::MediaPresent { call: call(index), users: vec![id(user)] },
            Dial(dev) => {
                let place = place(dev, X, Reach::Phone { quote: None, anonymous: false });
                return Some(place);
            }
            Press(dev, index) => {
                let digits = vec![phone::Digit::from_face('7').unwrap()];
                Input::Press { by: by(dev), call: call(index), digits }
            }
            Hold(dev, index, held) => Input::Hold { by: by(dev), call: call(index), held },
            Found(index, devices) => {
                let devices = devices.iter().map(|dev| DeviceId(dev.0)).collect();
                Input::Devices { call: call(index), devices }
            }
            Unseated(index) => Input::PhoneUnseated { phone: phone(index) },
            PhoneIn(user) => self.incoming(phone::Reached::User(id(user))),
            PhoneVisits => self.incoming(phone::Reached::Room("lobby".into())),
            Bridge(index) => {
                let address = ([127, 0, 0, 1], 4000).into();
                Input::Phone(phone::Event::Bridge { phone: phone(index), address })
            }
            PhoneRings(index) => Input::Phone(phone::Event::Ringing { phone: phone(index) }),
            Early(index) => Input::Phone(phone::Event::EarlyMedia { phone: phone(index) }),
            Answered(index) => {
                Input::Phone(phone::Event::Answered { phone: phone(index), at: WallTime(5) })
            }
            Held(index, held) => Input::Phone(phone::Event::Held { phone: phone(index), held }),
            Warned(index) => Input::Phone(phone::Event::Warning {
                phone: phone(index),
                left: core::time::Duration::from_secs(30),
                cause: phone::Cause::CreditEnded,
            }),
            Ended(index, cause) => Input::Phone(phone::Event::Ended { phone: phone(index), cause }),
            Drain => Input::Drain,
            Stop => Input::Stop,
            Wait => return None,
        })
    }

    fn result(&mut self, result: Result<Reply, Refusal>) -> String {
        match result {
            Ok(Reply::Done) => "ok".into(),
            Ok(Reply::Placed(call)) => {
                if !self.calls.contains(&call) {
                    self.calls.push(call);
                }
                format!("placed {}", self.index(call))
            }
            Ok(Reply::Attached(calls)) => {
                let calls: Vec<_> = calls.iter().map(|call| self.snapshot(call)).collect();
                ["attached"]
                    .into_iter()
                    .chain(calls.iter().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Err(Refusal::RateLimited { retry_after }) => format!("slow {}", retry_after.as_secs()),
            Err(refusal) => refusal.kind().label().into(),
        }
    }

    fn index(&self, call: CallId) -> usize {
        self.calls.iter().position(|&known| known == call).unwrap()
    }

    fn snapshot(&self, call: &Snapshot) -> String {
        let Snapshot { direction, state, room_ready, rings_for, .. } = call;
        let rings = rings_for.as_millis();
        let name = &call.peer.name;
        format!("[{} {direction:?} {state:?} {room_ready} {rings} {name}]", self.index(call.call))
    }

    /// The newest phone calls in.
    fn incoming(&self, to: phone::Reached) -> Input {
        Input::Phone(phone::Event::Incoming(phone::Incoming {
            phone: *self.phones.last().unwrap(),
            to,
            called: number(UserId(8)),
            from: None,
            name: "someone".into(),
        }))
    }

    fn drain(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(effect) = self.machine.poll() {
            match &effect {
                Effect::Phone(phone::Command::Dial(dial)) => self.phones.push(dial.phone),
                Effect::Record { record, step: RecordStep::Open }
                    if record.caller.user().is_none() =>
                {
                    self.calls.push(record.call);
                }
                _ => {}
            }
            seen.push(show(&effect));
        }
        seen
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Tell { device, event } => {
            let dev = name(*device);
            match event {
                Event::Incoming { rings_for, from, .. } => {
                    assert!(!from.name.is_empty());
                    format!("{dev} incoming {}", rings_for.as_millis())
                }
                Event::Ringing { .. } => format!("{dev} ringing"),
                Event::Progress { user, .. } => format!("{dev} progress as {}", letter(user.0)),
                Event::Held { held, by_peer, .. } => format!("{dev} held {held} {by_peer}"),
                Event::Warning { left, cause, .. } => {
                    format!("{dev} warned {} {}", left.as_secs(), cause.label())
                }
                Event::Accepted { user, .. } => format!("{dev} accepted as {}", letter(user.0)),
                Event::Ended { cause, duration, .. } => {
                    format!("{dev} ended {} {}", cause.label(), duration.as_millis())
                }
            }
        }
        Effect::Record { record, step } => match (step, record.ending) {
            (RecordStep::Open, None) => "open".into(),
            (RecordStep::Accept, None) => "accept".into(),
            (RecordStep::Close, Some(ending)) => {
                let talked = record.accepted_at.map_or(0, |at| ending.at.0 - at.0);
                format!("close {} {talked}", ending.cause.label())
            }
            (step, ending) => format!("{step:?} with {ending:?}"),
        },
        Effect::OpenRoom { users, .. } => {
            let users: Vec<_> = users.iter().map(|user| letter(user.0).to_string()).collect();
            format!("room {}", users.join("+"))
        }
        Effect::CloseRoom { .. } => "no room".into(),
        Effect::Phone(command) => match command {
            phone::Command::Dial(_) => "dial".into(),
            phone::Command::Ringing { .. } => "phone ringing".into(),
            phone::Command::Answer { .. } => "answer".into(),
            phone::Command::Press { digits, .. } => format!("press {}", digits.len()),
            phone::Command::Hold { held, .. } => format!("hold {held}"),
            phone::Command::HangUp { cause, .. } => format!("hang up {}", cause.label()),
            other => format!("{other:?}"),
        },
        Effect::FindDevices { user, .. } => format!("find {}", letter(user.0)),
        Effect::Seat(seating) => match seating.venue {
            Venue::Call(_) => "seat".into(),
            Venue::Room(ref room) => format!("seat in {room}"),
        },
        Effect::Unseat { .. } => "unseat".into(),
        Effect::Push { device, .. } => format!("push {}", name(*device)),
        Effect::CancelPush { device, .. } => format!("unpush {}", name(*device)),
    }
}

fn by(dev: Dev) -> By {
    By { user: UserId(dev.0 / 10), device: DeviceId(dev.0) }
}

fn session(dev: Dev, serial: u64) -> SessionId {
    SessionId(dev.0 * 1000 + serial)
}

fn id(user: User) -> UserId {
    UserId(match user {
        A => 1,
        B => 2,
        C => 3,
        X => 9,
    })
}

fn letter(user: u64) -> char {
    ['?', 'A', 'B', 'C'][user as usize]
}

fn name(device: DeviceId) -> String {
    format!("{}{}", letter(device.0 / 10), device.0 % 10)
}

fn number(user: UserId) -> Number {
    format!("+1202555010{}", user.0).parse().unwrap()
}

fn reach(user: User) -> Reach {
    if user == X {
        return Reach::Nobody;
    }
    let devices = ALL.iter().filter(|dev| dev.0 / 10 == id(user).0);
    Reach::User { user: id(user), devices: devices.map(|dev| DeviceId(dev.0)).collect() }
}

fn place(dev: Dev, to: User, reach: Reach) -> Input {
    let By { user, .. } = by(dev);
    Input::Place(input::Place {
        by: by(dev),
        caller: Party::new(number(user), "someone"),
        number: number(id(to)).into(),
        reach,
        media: Media::Audio,
    })
}
