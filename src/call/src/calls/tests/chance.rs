//! Phones at random: a gateway that answers, rings, ends, repeats itself and falls silent, devices
//! that do this and that, a store and rooms that fail. Whatever happens, each leg is hung up once
//! at most and never after its end, none is left, and each record is closed once.

use std::collections::{BTreeMap, BTreeSet};

use offhook_types::phone::{Command, Event as Said, Incoming, Reached};

use super::*;

/// What the gateway knows of a leg.
#[derive(Default)]
struct Leg {
    hung_up: bool,
    ended: bool,
}

struct Play {
    machine: Calls,
    rng: Rng,
    now: Time,
    legs: BTreeMap<PhoneId, Leg>,
    open: BTreeSet<CallId>,
    unwritten: BTreeSet<CallId>,
    calls: Vec<CallId>,
    answered: usize,
}

#[test]
fn every_phone_leg_ends_once_whatever_happens() {
    let answered = (0..300).map(play).sum::<usize>();
    assert!(answered > 300, "only {answered} calls were answered");
}

fn play(seed: u64) -> usize {
    let mut play = Play {
        machine: Calls::new(
            Config { places_per_minute: 600, ..Config::default() },
            Rng::from_seed(seed),
        ),
        rng: Rng::from_seed(seed ^ 0xfeed),
        now: Time::ZERO,
        legs: BTreeMap::new(),
        open: BTreeSet::new(),
        unwritten: BTreeSet::new(),
        calls: Vec::new(),
        answered: 0,
    };
    for dev in [A1, B1, B2, C1] {
        play.handle(Input::Attach { by: by(dev), session: session(dev, 1) });
    }
    for _ in 0..300 {
        let span = if play.rng.chance(5) { 60_000 } else { 900 };
        let wait = play.rng.below(span);
        play.pass(u64::from(wait));
        let input = play.input();
        play.handle(input);
    }
    play.handle(Input::Stop);
    assert_eq!(play.machine.live(), 0, "seed {seed}");
    for (phone, leg) in &play.legs {
        assert!(leg.hung_up || leg.ended, "{phone} is left over, seed {seed}");
    }
    // A gateway that never says the end.
    play.pass(200_000);
    assert_eq!(play.machine.phones(), 0, "seed {seed}");
    play.open.retain(|call| !play.unwritten.contains(call));
    assert!(play.open.is_empty(), "records left open: {:?}, seed {seed}", play.open);
    play.answered
}

impl Play {
    fn pass(&mut self, millis: u64) {
        let until = self.now + core::time::Duration::from_millis(millis);
        while let Some(due) = self.machine.next_timeout().filter(|&due| due <= until) {
            self.machine.handle_timeout(due);
            self.drain();
        }
        self.now = until;
    }

    fn handle(&mut self, input: Input) {
        if let Input::Phone(Said::Incoming(Incoming { phone, .. })) = &input {
            self.legs.insert(*phone, Leg::default());
        }
        if let Input::Phone(Said::Ended { phone, .. }) = &input {
            self.legs.get_mut(phone).unwrap().ended = true;
        }
        if let Input::Recorded { call, durable: false } = &input {
            self.unwritten.insert(*call);
        }
        let _ = self.machine.handle(self.now, WallTime(self.now.as_millis()), input);
        self.drain();
        assert_eq!(self.machine.audit(), Ok(()));
    }

    fn drain(&mut self) {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Phone(Command::Dial(dial)) => {
                    let known = self.legs.insert(dial.phone, Leg::default());
                    assert!(known.is_none(), "dialled twice");
                }
                Effect::Phone(Command::HangUp { phone, .. }) => {
                    let leg = self.legs.get_mut(&phone).unwrap();
                    assert!(!leg.hung_up && !leg.ended, "{phone} is hung up again");
                    leg.hung_up = true;
                }
                Effect::Phone(
                    Command::Answer { phone }
                    | Command::Ringing { phone, .. }
                    | Command::Press { phone, .. }
                    | Command::Hold { phone, .. },
                ) => {
                    let leg = &self.legs[&phone];
                    assert!(!leg.hung_up && !leg.ended, "{phone} is gone and still told something");
                }
                Effect::Record { record, step } => match step {
                    RecordStep::Open => {
                        assert!(self.open.insert(record.call), "opened twice");
                        self.calls.push(record.call);
                    }
                    RecordStep::Accept => self.answered += 1,
                    RecordStep::Close => {
                        assert!(self.open.remove(&record.call), "closed but not open");
                    }
                },
                _ => {}
            }
        }
    }

    fn input(&mut self) -> Input {
        let dev = [A1, B1, B2, C1][self.rng.below(4) as usize];
        let by = by(dev);
        let newest = self.calls.len().saturating_sub(1 + self.rng.below(2) as usize);
        let call = self.calls.get(newest).copied().unwrap_or(CallId(0));
        let open: Vec<_> =
            self.legs.iter().filter(|(_, leg)| !leg.ended).map(|(&id, _)| id).collect();
        let which = self.rng.below(open.len().max(1) as u32) as usize;
        let phone = open.get(which).copied();
        let held = self.rng.chance(50);
        match (self.rng.below(22), phone) {
            (0 | 1, _) => place(dev, X, Reach::Phone { quote: None, anonymous: held }),
            (2, _) => place(dev, A, reach(A)),
            (3, _) => self.incoming(Reached::User(by.user)),
            (4, _) => self.incoming(Reached::Room("lobby".into())),
            (5, _) => Input::RingAck { by, call },
            (6, _) => Input::Accept { by, call },
            (7, _) => match self.rng.below(3) {
                0 => Input::Decline { by, call },
                1 => Input::Cancel { by, call },
                _ => Input::HangUp { by, call },
            },
            (8..=10, _) => Input::Recorded { call, durable: !self.rng.chance(5) },
            (11 | 12, _) if self.rng.chance(95) => Input::RoomReady { call },
            (11 | 12, _) => Input::RoomGone { call },
            (13, _) => Input::MediaJoined { call, user: by.user },
            (14, _) => Input::MediaLeft { call, user: by.user },
            (15, Some(phone)) => {
                Input::Phone(Said::Bridge { phone, address: ([127, 0, 0, 1], 9).into() })
            }
            (16, Some(phone)) => Input::Phone(Said::Ringing { phone }),
            (17 | 18, Some(phone)) => Input::Phone(Said::Answered { phone, at: WallTime(1) }),
            (19, Some(phone)) => {
                let causes = <phone::Cause as Counted>::ALL;
                let cause = causes[self.rng.below(causes.len() as u32) as usize];
                Input::Phone(Said::Ended { phone, cause })
            }
            (20, Some(phone)) if self.rng.chance(20) => Input::PhoneUnseated { phone },
            (20, Some(phone)) => Input::Phone(Said::Held { phone, held }),
            _ => Input::Hold { by, call, held },
        }
    }

    fn incoming(&self, to: Reached) -> Input {
        Input::Phone(Said::Incoming(Incoming {
            phone: PhoneId(1 << 60 | self.legs.len() as u64),
            to,
            called: number(UserId(8)),
            from: None,
            name: String::new(),
        }))
    }
}
