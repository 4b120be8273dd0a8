//! The call machine among devices that come, go, repeat themselves and talk at the same time, over
//! links that lose, double and reorder; with a store and rooms that take their time and sometimes
//! fail.
//!
//! [`device`] is a client with a person who acts at random, [`session`] the server's session layer
//! (numbered events that are replayed, requests that are done once), [`gateway`] the phone network,
//! [`judge`] what must hold.
//! A run has a wild part and a quiet one, in which everybody reconnects, the network is perfect and
//! nobody does anything: whatever still rings after that rings forever.

mod device;
mod gateway;
mod judge;
mod session;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::BTreeMap;

use offhook_call::{By, Calls, Config, Effect, Input, Media, Party, Place, Reach, Reply, Stats};
use offhook_types::counters::Counted;
use offhook_types::{CallId, DeviceId, Number, Rng, Time, UserId, WallTime};

use crate::Failure;
use device::{Act, Device, Down, Up};
use gateway::Gateway;
use judge::Judge;
use session::Sessions;

/// How long everybody acts.
const WILD: Time = Time::from_millis(240_000);
/// Users that exist. One more number is nobody's.
const USERS: u64 = 4;

/// What happened in a run, to see that runs are not idle.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Things that happened.
    pub steps: u64,
    /// What the machine counted.
    pub stats: Stats,
}

impl Summary {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.stats.placed += other.stats.placed;
        self.stats.accepted += other.stats.accepted;
        self.stats.glare += other.stats.glare;
        self.stats.ended.merge(&other.stats.ended);
        self.stats.refused.merge(&other.stats.refused);
    }
}

impl core::fmt::Display for Summary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Stats { placed, accepted, glare, ended, refused, .. } = &self.stats;
        write!(
            f,
            "{} steps, placed {placed}, accepted {accepted}, glare {glare}; ended:",
            self.steps
        )?;
        for (cause, many) in ended.iter().filter(|&(_, many)| many > 0) {
            write!(f, " {} {many}", cause.label())?;
        }
        write!(f, "; refused:")?;
        for (kind, many) in refused.iter().filter(|&(_, many)| many > 0) {
            write!(f, " {} {many}", kind.label())?;
        }
        Ok(())
    }
}

/// Everything that waits to happen.
#[derive(Debug, Clone)]
enum Happening {
    /// A packet arrives at the server.
    AtServer(DeviceId, u32, Up),
    /// A packet arrives at a device.
    AtDevice(DeviceId, u32, Down),
    /// A device, or the person in front of it, does something.
    Act(DeviceId, Act),
    /// The server notices that a connection broke.
    Broken(DeviceId, u32),
    /// A broken session's resume window is over.
    WindowOver(DeviceId, u32),
    /// The server repeats what a device has not acknowledged.
    Resend(DeviceId),
    /// The store, the rooms or the operator.
    Outside(Input),
    /// The gateway.
    Phone(offhook_types::phone::Event),
}

struct World<'a> {
    now: Time,
    rng: Rng,
    config: Config,
    machine: Calls,
    judge: Judge,
    gateway: Gateway,
    devices: BTreeMap<DeviceId, Device>,
    sessions: Sessions,
    queue: BTreeMap<(Time, u64), Happening>,
    serial: u64,
    steps: u64,
    calls: Vec<CallId>,
    /// Pairs of caller and callee where the callee blocks.
    blocked: Vec<(UserId, UserId)>,
    trace: &'a mut dyn FnMut(Time, &str),
}

/// Runs a seed. `trace` is shown every step.
pub fn run(seed: u64, trace: &mut dyn FnMut(Time, &str)) -> Result<Summary, Failure> {
    let mut world = World::new(seed, trace);
    match world.play() {
        Ok(()) => Ok(Summary { steps: world.steps, stats: world.machine.stats().clone() }),
        Err(what) => Err(Failure { world: "calls", seed, at: world.now, what }),
    }
}

impl<'a> World<'a> {
    fn new(seed: u64, trace: &'a mut dyn FnMut(Time, &str)) -> Self {
        let mut rng = Rng::from_seed(seed);
        let config = Config {
            max_duration: Duration::from_secs(300),
            places_per_minute: if rng.chance(20) { 3 } else { 60 },
            max_calls: if rng.chance(10) { 1 } else { 1000 },
            ..Config::default()
        };
        let mut devices = BTreeMap::new();
        for user in 1..=USERS {
            for device in 0..=rng.below(3) {
                let device = DeviceId(user * 10 + u64::from(device));
                devices.insert(device, Device::new(By { user: UserId(user), device }));
            }
        }
        let pairs = (1..=USERS).flat_map(|a| (1..=USERS).map(move |b| (UserId(a), UserId(b))));
        let blocked = pairs.filter(|(a, b)| a != b && rng.chance(8)).collect();
        Self {
            now: Time::ZERO,
            machine: Calls::new(config, Rng::from_seed(rng.next_u64())),
            judge: Judge::new(config),
            gateway: Gateway::default(),
            rng,
            config,
            devices,
            sessions: Sessions::default(),
            queue: BTreeMap::new(),
            serial: 0,
            steps: 0,
            calls: Vec::new(),
            blocked,
            trace,
        }
    }

    fn play(&mut self) -> Result<(), String> {
        let devices: Vec<_> = self.devices.keys().copied().collect();
        for &device in &devices {
            self.act_in(device, 2_000, Act::Connect);
            self.act_in(device, 20_000, Act::Whim);
        }
        if self.rng.chance(5) {
            let input = if self.rng.chance(50) { Input::Drain } else { Input::Stop };
            self.outside(240_000, input);
        }
        self.run_until(WILD)?;
        for &device in &devices {
            self.act_in(device, 1, Act::Settle);
        }
        // Long enough for every timer: the longest call, the longest grace, the memory.
        let rest = self.config.max_duration + Duration::from_secs(300) + self.silence();
        self.run_until(WILD + rest)?;
        if self.machine.live() > 0 {
            return Err(format!("{} calls left when everything was over", self.machine.live()));
        }
        if self.machine.phones() > 0 {
            return Err(format!("{} phones left when everything was over", self.machine.phones()));
        }
        self.gateway.at_the_end()?;
        self.judge.at_the_end()?;
        self.devices.values().try_for_each(|device| device.nothing_left_open(&self.judge))
    }

    fn run_until(&mut self, end: Time) -> Result<(), String> {
        loop {
            let timer = self.machine.next_timeout().unwrap_or(Time::MAX);
            let next = self.queue.first_key_value().map_or(Time::MAX, |(&(at, _), _)| at);
            if timer.min(next) > end {
                self.now = end;
                return Ok(());
            }
            self.now = self.now.max(timer.min(next));
            self.steps += 1;
            if timer <= next {
                self.judge.timer(self.now);
                self.machine.handle_timeout(self.now);
                self.carry_out()?;
            } else if let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening)?;
            }
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::AtServer(device, epoch, up) => self.at_server(device, epoch, up),
            Happening::AtDevice(device, epoch, down) => self.at_device(device, epoch, down),
            Happening::Act(device, act) => {
                self.act(device, act);
                Ok(())
            }
            Happening::Broken(device, epoch) => self.broken(device, epoch),
            Happening::WindowOver(device, epoch) => self.window_over(device, epoch),
            Happening::Resend(device) => {
                self.resend(device);
                Ok(())
            }
            Happening::Outside(input) => self.input(input).map(drop),
            Happening::Phone(event) => self.phone(event),
        }
    }

    /// Gives the machine an input, and the judge everything that comes of it.
    fn input(&mut self, input: Input) -> Result<session::Response, String> {
        self.say(|| format!("{input:?}"));
        self.judge.before(self.now, &input);
        let wall = WallTime(1_700_000_000_000 + self.now.as_millis());
        let result = self.machine.handle(self.now, wall, input.clone());
        self.say(|| format!("  {result:?}"));
        if let Ok(Reply::Placed(call)) = result
            && !self.calls.contains(&call)
        {
            self.calls.push(call);
        }
        self.judge.after(&input, &result)?;
        self.carry_out()?;
        Ok(result)
    }

    fn carry_out(&mut self) -> Result<(), String> {
        while let Some(effect) = self.machine.poll() {
            self.say(|| format!("  -> {effect:?}"));
            self.judge.effect(&effect)?;
            match effect {
                Effect::Tell { device, event } => self.tell(device, event),
                Effect::Record { record, step: offhook_call::RecordStep::Open } => {
                    let input = Input::Recorded { call: record.call, durable: !self.rng.chance(3) };
                    let limit = if self.rng.chance(3) { 8_000 } else { 40 };
                    self.outside(limit, input);
                }
                Effect::OpenRoom { call, .. } => {
                    let input = match self.rng.chance(3) {
                        true => Input::RoomGone { call },
                        false => Input::RoomReady { call },
                    };
                    let limit = if self.rng.chance(3) { 8_000 } else { 20 };
                    self.outside(limit, input);
                }
                Effect::Record { .. } | Effect::CloseRoom { .. } => {}
                Effect::Push { device, .. } => {
                    let limit = 15_000;
                    self.act_in(device, limit, Act::Connect);
                }
                Effect::Phone(command) => self.command(command)?,
                Effect::Seat(seating) => self.seat(seating.phone),
                Effect::CancelPush { .. } | Effect::FindDevices { .. } | Effect::Unseat { .. } => {}
            }
        }
        self.machine.audit().map_err(str::to_owned)?;
        self.judge.settle(self.now)
    }

    /// Something from outside within `limit` milliseconds, now and then twice.
    fn outside(&mut self, limit: u32, input: Input) {
        if self.rng.chance(5) {
            self.after(limit.saturating_mul(2), Happening::Outside(input.clone()));
        }
        self.after(limit, Happening::Outside(input));
    }

    fn act_in(&mut self, device: DeviceId, limit: u32, act: Act) {
        self.after(limit, Happening::Act(device, act));
    }

    /// Lets something happen within `limit` milliseconds.
    fn after(&mut self, limit: u32, happening: Happening) {
        let micros = u64::from(self.rng.below(limit.saturating_mul(1000).max(1)));
        self.serial += 1;
        let at = self.now + Duration::from_micros(micros);
        self.queue.insert((at, self.serial), happening);
    }

    /// A packet's way: lost, doubled or delayed while the network is wild.
    fn travel(&mut self, happening: Happening) {
        if self.now < WILD {
            if self.rng.chance(10) {
                return;
            }
            if self.rng.chance(5) {
                self.after(3_000, happening.clone());
            }
        }
        let limit = if self.rng.chance(5) { 2_000 } else { 80 };
        self.after(limit, happening);
    }

    /// A request to place a call, with what the store knows.
    fn place(&self, by: By, to: u64) -> Place {
        let user = UserId(to);
        let known = self.devices.keys().copied().filter(|device| device.0 / 10 == to);
        let devices: Vec<_> = known.collect();
        let blocked = self.blocked.contains(&(by.user, user));
        let reach = match devices.is_empty() || blocked {
            true => Reach::Nobody,
            false => Reach::User { user, devices },
        };
        Place {
            by,
            caller: Party::new(number(by.user.0), "someone"),
            number: number(to).into(),
            reach,
            media: Media::Audio,
        }
    }

    /// A request to call a phone.
    fn dial(&self, by: By) -> Place {
        let reach = Reach::Phone { quote: None, anonymous: false };
        Place { number: number(99_000).into(), reach, ..self.place(by, by.user.0) }
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        (self.trace)(self.now, &line());
    }
}

fn number(user: u64) -> Number {
    // Five digits after the area code keep it a number whatever the user.
    format!("+120255{:05}", user % 100_000).parse().unwrap_or_else(|_| unreachable!("a number"))
}
