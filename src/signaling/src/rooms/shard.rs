//! One shard: a machine, its mailbox, and the channels of the sessions in it.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offhook_call::room::{Act, Effect, Input, Left, Machine, Notice, Now, Reply, RoomEvent};
use offhook_types::media::DataKind;
use offhook_types::{Rng, SessionId, Time, WallTime};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc};

use super::{Config, Mail};

/// Start the task of one shard.
pub(super) fn start(
    config: &Config,
    shard: u16,
    seed: u64,
    events: broadcast::Sender<RoomEvent>,
) -> mpsc::Sender<Mail> {
    let (sender, mailbox) = mpsc::channel(config.mailbox.max(1));
    let mut rooms = config.rooms.clone();
    let shards = usize::from(config.shards.max(1));
    rooms.max_rooms = rooms.max_rooms.div_ceil(shards);
    rooms.shard = u64::from(shard);
    rooms.shards = shards as u64;
    let clock = Clock { origin: Instant::now() };
    let rng = Rng::from_seed(seed.wrapping_add(u64::from(shard)));
    let machine = Machine::new(rooms, clock.now(), rng);
    let shard = Shard { machine, sessions: HashMap::new(), events, clock };
    tokio::spawn(shard.run(mailbox));
    sender
}

struct Clock {
    origin: Instant,
}

impl Clock {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = self.origin.elapsed().as_micros();
        Now {
            time: Time::from_micros(u64::try_from(since).unwrap_or(u64::MAX)),
            wall: WallTime(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// How long until `due`; an hour stands for never.
    fn until(&self, due: Time) -> Duration {
        due.since(self.now().time).min(Duration::from_secs(3600))
    }
}

struct Shard {
    machine: Machine,
    sessions: HashMap<SessionId, mpsc::Sender<Notice>>,
    events: broadcast::Sender<RoomEvent>,
    clock: Clock,
}

impl Shard {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Mail>) {
        loop {
            let due = self.clock.until(self.machine.next_timeout());
            tokio::select! {
                mail = mailbox.recv() => match mail {
                    Some(mail) => self.take(mail),
                    None => return,
                },
                () = tokio::time::sleep(due) => self.machine.handle_timeout(self.clock.now()),
            }
            self.drain();
        }
    }

    fn take(&mut self, mail: Mail) {
        let reply = self.machine.handle(self.clock.now(), mail.input);
        let joined = match &reply {
            Ok(Reply::Joined(joined)) => Some(joined.session),
            _ => None,
        };
        if let (Some(session), Some(notices)) = (joined, mail.notices) {
            self.sessions.insert(session, notices);
        }
        if let Some(answer) = mail.reply
            && answer.send(reply).is_err()
            && let Some(session) = joined
        {
            // Whoever wanted to join has gone away meanwhile.
            self.end(session, Left::ClientLeft);
        }
    }

    /// Deliver what the machine has to say. A session that does not read ends here, which makes the
    /// machine say more; the loop ends because each session ends once.
    fn drain(&mut self) {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Tell { session, notice } => self.tell(session, notice),
                // Nobody watching is fine.
                Effect::Event(event) => drop(self.events.send(event)),
            }
        }
    }

    fn tell(&mut self, session: SessionId, notice: Notice) {
        let last = matches!(notice, Notice::Closed(_));
        let Some(channel) = self.sessions.get(&session) else { return };
        match channel.try_send(notice) {
            Ok(()) if last => {
                self.sessions.remove(&session);
            }
            Ok(()) => (),
            // Lossy data may be lost; anything else that does not fit ends the session.
            Err(TrySendError::Full(Notice::Data { kind: DataKind::Lossy, .. })) => (),
            Err(TrySendError::Full(_)) => self.end(session, Left::Misbehaved),
            Err(TrySendError::Closed(_)) => self.end(session, Left::ConnectionLost),
        }
    }

    fn end(&mut self, session: SessionId, why: Left) {
        self.sessions.remove(&session);
        let input = Input::Act { session, act: Act::Leave(why) };
        // A session that has left already is no news.
        let _ = self.machine.handle(self.clock.now(), input);
    }
}
