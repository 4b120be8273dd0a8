//! The call machine, driven by bytes: any input at any time in any order.

use core::time::Duration;
use std::collections::BTreeSet;

use offhook_call::{
    By, Calls, Config, Effect, Input, Media, Party, Place, Reach, RecordStep, Reply,
};
use offhook_types::{CallId, DeviceId, Number, Rng, SessionId, Time, UserId, WallTime};

/// Each three bytes are an input: what, who, and for which call after how long. Whatever comes, the
/// machine's tables agree, what is opened is closed, and stopping leaves nothing.
pub fn machine(data: &[u8]) {
    let config = Config { max_calls: 3, places_per_minute: 600, ..Config::default() };
    let mut bench = Bench {
        machine: Calls::new(config, Rng::from_seed(1)),
        now: Time::ZERO,
        calls: Vec::new(),
        open: BTreeSet::new(),
    };
    for step in data.chunks_exact(3) {
        if let &[what, who, when] = step {
            // From 1 ms to about nine hours.
            bench.now = bench.now + Duration::from_millis(1 << (when >> 3).min(25));
            let input = bench.input(what, who, usize::from(when & 7));
            bench.handle(input);
        }
    }
    bench.handle(Input::Stop);
    assert_eq!(bench.machine.live(), 0, "stopping leaves no call");
    assert!(bench.open.is_empty(), "every record is closed: {:?}", bench.open);
}

struct Bench {
    machine: Calls,
    now: Time,
    calls: Vec<CallId>,
    open: BTreeSet<CallId>,
}

impl Bench {
    fn handle(&mut self, input: Input) {
        let failed = match input {
            Input::Recorded { call, durable: false } => Some(call),
            _ => None,
        };
        let answer = self.machine.handle(self.now, WallTime(self.now.as_millis()), input);
        if let Ok(Reply::Placed(call)) = answer {
            self.calls.push(call);
        }
        let mut closed = BTreeSet::new();
        while let Some(effect) = self.machine.poll() {
            let Effect::Record { record, step } = effect else { continue };
            match step {
                RecordStep::Open => assert!(self.open.insert(record.call), "opened twice"),
                RecordStep::Accept => assert!(self.open.contains(&record.call)),
                RecordStep::Close => {
                    assert!(self.open.remove(&record.call), "closed but not open");
                    closed.insert(record.call);
                }
            }
        }
        // A call whose record was not written has nothing to close, and is over.
        if let Some(call) = failed.filter(|call| !closed.contains(call))
            && self.machine.live() < self.open.len()
        {
            self.open.remove(&call);
        }
        assert_eq!(self.machine.audit(), Ok(()));
        assert_eq!(self.machine.live(), self.open.len());
        assert!(self.machine.next_timeout().is_none_or(|due| due > self.now));
    }

    fn input(&self, what: u8, who: u8, which: usize) -> Input {
        let user = UserId(u64::from(who & 3));
        let device = DeviceId(u64::from(who & 15));
        let by = By { user, device };
        let session = SessionId(u64::from(who >> 2));
        let call = self.calls.iter().rev().nth(which).copied().unwrap_or(CallId(0));
        match what % 18 {
            0 | 1 => Input::Attach { by, session },
            2 => Input::Detach { by, session },
            3 => Input::Close { by, session },
            4 => Input::SignOut { by },
            5 | 6 => place(by, u64::from(who >> 4 & 3), which),
            7 => Input::RingAck { by, call },
            8 => Input::Accept { by, call },
            9 => Input::Decline { by, call },
            10 => Input::Cancel { by, call },
            11 => Input::HangUp { by, call },
            12 => Input::Recorded { call, durable: who < 0xf0 },
            13 => Input::RoomReady { call },
            14 => Input::RoomGone { call },
            15 => Input::MediaJoined { call, user },
            16 => Input::MediaLeft { call, user },
            _ if who == 0xff => Input::Drain,
            _ => Input::MediaPresent { call, users: vec![user] },
        }
    }
}

fn place(by: By, to: u64, which: usize) -> Input {
    let devices = (0..4).map(|device| DeviceId(to + 4 * device)).collect();
    let reach = match which {
        0 => Reach::Nobody,
        _ => Reach::User { user: UserId(to), devices },
    };
    let caller = Party::new(number(by.user.0), "");
    Input::Place(Place { by, caller, number: number(to).into(), reach, media: Media::Audio })
}

fn number(user: u64) -> Number {
    let text = format!("+1202555010{}", user % 10);
    text.parse().unwrap_or_else(|_| unreachable!("eleven digits"))
}
