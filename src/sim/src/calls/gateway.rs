//! A gateway to the phone network in small: whom it is told to dial rings, answers and hangs up as
//! it happens, or is never heard of again. It keeps account of every leg.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use offhook_call::Input;
use offhook_types::PhoneId;
use offhook_types::counters::Counted;
use offhook_types::phone::{Cause, Command, Event};

use super::{Happening, World};

#[derive(Debug, Default)]
pub(super) struct Gateway {
    legs: BTreeMap<PhoneId, Leg>,
}

#[derive(Debug, Default)]
struct Leg {
    hung_up: bool,
    ended: bool,
}

impl Gateway {
    /// Every leg was ended by one of the two sides.
    pub fn at_the_end(&self) -> Result<(), String> {
        let left = self.legs.iter().find(|(_, leg)| !leg.hung_up && !leg.ended);
        left.map_or(Ok(()), |(phone, _)| Err(format!("{phone} was never hung up")))
    }
}

impl World<'_> {
    pub(super) fn command(&mut self, command: Command) -> Result<(), String> {
        let phone = match command {
            Command::Dial(dial) => {
                if self.gateway.legs.insert(dial.phone, Leg::default()).is_some() {
                    return Err(format!("{} is dialled twice", dial.phone));
                }
                self.play_phone(dial.phone);
                return Ok(());
            }
            Command::HangUp { phone, .. } => {
                let leg = self.gateway.legs.get_mut(&phone).ok_or("an unknown phone hangs up")?;
                if leg.ended || core::mem::replace(&mut leg.hung_up, true) {
                    return Err(format!("{phone} is hung up again"));
                }
                if self.rng.chance(95) {
                    let cause = Cause::HungUp;
                    self.after(500, Happening::Phone(Event::Ended { phone, cause }));
                }
                return Ok(());
            }
            Command::Ringing { phone, .. }
            | Command::Answer { phone }
            | Command::Connect { phone, .. }
            | Command::Hear { phone, .. }
            | Command::Press { phone, .. }
            | Command::Hold { phone, .. } => phone,
        };
        let there = self.gateway.legs.get(&phone).is_some_and(|leg| !leg.hung_up && !leg.ended);
        if there { Ok(()) } else { Err(format!("{phone} is gone and still told something")) }
    }

    /// What will happen to a phone that was just dialled.
    fn play_phone(&mut self, phone: PhoneId) {
        if self.rng.chance(95) {
            let address = SocketAddr::from(([127, 0, 0, 1], 4000));
            self.after(1_000, Happening::Phone(Event::Bridge { phone, address }));
        }
        if self.rng.chance(70) {
            self.after(8_000, Happening::Phone(Event::Ringing { phone }));
        }
        if self.rng.chance(60) {
            let at = offhook_types::WallTime(0);
            self.after(20_000, Happening::Phone(Event::Answered { phone, at }));
        }
        if self.rng.chance(70) {
            let causes = Cause::ALL;
            let index = self.rng.below(causes.len() as u32) as usize;
            let cause = causes.get(index).copied().unwrap_or(Cause::Server);
            self.after(60_000, Happening::Phone(Event::Ended { phone, cause }));
        }
    }

    /// Something happens to a phone, unless it is gone.
    pub(super) fn phone(&mut self, event: Event) -> Result<(), String> {
        let (Event::Bridge { phone, .. }
        | Event::Ringing { phone }
        | Event::EarlyMedia { phone }
        | Event::Answered { phone, .. }
        | Event::Held { phone, .. }
        | Event::Warning { phone, .. }
        | Event::Ended { phone, .. }) = event
        else {
            return Ok(());
        };
        let Some(leg) = self.gateway.legs.get_mut(&phone).filter(|leg| !leg.ended) else {
            return Ok(());
        };
        leg.ended = matches!(event, Event::Ended { .. });
        self.input(Input::Phone(event)).map(drop)
    }

    /// A phone has its seat; now and then it loses it.
    pub(super) fn seat(&mut self, phone: PhoneId) {
        if self.rng.chance(10) {
            self.after(60_000, Happening::Outside(Input::PhoneUnseated { phone }));
        }
    }

    /// Long enough for a leg of which nothing is heard to be forgotten.
    pub(super) fn silence(&self) -> Duration {
        self.config.phone_end_timeout + self.config.phone_answer_timeout
    }
}
