//! A connection with its wire: the task that moves datagrams and time into a [`Session`] and tells its figures
//! every second.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_types::{Mid, Time};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::agreed::Agreed;
use super::sample::Figures;
use super::session::Session;
use super::transport::{Identity, State};
use super::wire::{LONGEST, Wire};

/// Datagrams taken before time is looked at again.
const BATCH: usize = 64;
/// tokio's timers count in milliseconds.
const TICK: Duration = Duration::from_millis(1);

/// What a door tells its connection.
pub enum Control {
    /// The server described its side.
    Agree(Box<Agreed>),
    /// The server names more addresses.
    Candidates(Vec<SocketAddr>),
    /// The server wants these layers of a section.
    Layers(Mid, Vec<bool>),
}

/// What a participant tells.
#[derive(Debug)]
pub struct News {
    /// Whose.
    pub seat: u32,
    /// In which second after the beginning it happened.
    pub second: u32,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// A connection's second.
    Figures(Box<Figures>),
    /// Everything that was asked for at the door is up; since it was asked for.
    Joined(Duration),
    /// It could not come in, or was thrown out.
    Failed(String),
    /// It went as planned.
    Left,
}

/// Where figures go.
#[derive(Clone)]
pub struct Observer {
    /// Whose they are.
    pub seat: u32,
    /// To whoever keeps the book.
    pub news: mpsc::UnboundedSender<News>,
    /// The clock.
    pub identity: Identity,
}

impl Observer {
    /// Tell what happened now.
    pub fn tell(&self, what: What) {
        let second = (self.identity.now().as_millis() / 1000) as u32;
        self.tell_of(second, what);
    }

    fn tell_of(&self, second: u32, what: What) {
        let _ = self.news.send(News { seat: self.seat, second, what });
    }
}

/// A running connection.
pub struct Leg {
    control: mpsc::UnboundedSender<Control>,
    state: watch::Receiver<State>,
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Leg {
    /// Run a session over a wire.
    pub fn start(session: Session, wire: Wire, observer: Observer) -> Self {
        let (control, controls) = mpsc::unbounded_channel();
        let (told, state) = watch::channel(State::Connecting);
        let (close, closed) = watch::channel(false);
        let run = Run { session, wire, observer, told };
        let task = tokio::spawn(run.run(controls, closed));
        Self { control, state, close, task }
    }

    /// Tell it something.
    pub fn control(&self, control: Control) {
        let _ = self.control.send(control);
    }

    /// Until media may flow; the reason when it never will.
    pub async fn up(&mut self) -> anyhow::Result<()> {
        let state = self.state.wait_for(|state| *state != State::Connecting).await;
        match state.map(|state| *state) {
            Ok(State::Over(why)) => anyhow::bail!("{why}"),
            _ => Ok(()),
        }
    }

    /// Until it is over; the reason.
    pub async fn over(&mut self) -> &'static str {
        let over = self.state.wait_for(|state| matches!(state, State::Over(_))).await;
        match over.map(|state| *state) {
            Ok(State::Over(why)) => why,
            _ => "it ended",
        }
    }

    /// Say goodbye and end.
    pub async fn close(self) {
        let _ = self.close.send(true);
        let _ = self.task.await;
    }
}

/// Until it is told, or whoever could tell is gone.
pub async fn told(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}

/// A wire that is broken stays so; the session ends by its own timers, or its door's.
async fn rest() {
    tokio::time::sleep(TICK * 100).await;
}

struct Run {
    session: Session,
    wire: Wire,
    observer: Observer,
    told: watch::Sender<State>,
}

impl Run {
    async fn run(
        mut self,
        mut controls: mpsc::UnboundedReceiver<Control>,
        mut closed: watch::Receiver<bool>,
    ) {
        let mut buffer = vec![0; LONGEST];
        let mut second = self.now().as_millis() / 1000;
        let timer = sleep_until(Instant::now());
        tokio::pin!(timer);
        loop {
            self.wire.send(self.session.out()).await;
            self.tell_state();
            let sample_due = Time::from_millis((second + 1) * 1000);
            let due = self.instant(self.session.next_timeout().min(sample_due));
            if due + TICK < timer.deadline() || timer.deadline() + TICK < due || timer.is_elapsed()
            {
                timer.as_mut().reset(due);
            }
            tokio::select! {
                received = self.wire.receive(&mut buffer) => match received {
                    Ok((len, from)) => self.take(&mut buffer, len, from),
                    Err(_) => rest().await,
                },
                () = &mut timer => {}
                Some(control) = controls.recv() => self.obey(control),
                () = told(&mut closed) => break,
            }
            let now = self.now();
            if self.session.next_timeout() <= now {
                self.session.handle_timeout(now);
            }
            if now.as_millis() / 1000 > second {
                let figures = Box::new(self.session.sample(now));
                self.observer.tell_of(second as u32, What::Figures(figures));
                second = now.as_millis() / 1000;
            }
        }
        let now = self.now();
        self.session.close(now);
        self.wire.send(self.session.out()).await;
        let figures = Box::new(self.session.sample(now));
        self.observer.tell_of(second as u32, What::Figures(figures));
    }

    /// A datagram, and what came with it.
    fn take(&mut self, buffer: &mut [u8], len: usize, from: SocketAddr) {
        let mut next = Some((len, from));
        let mut taken = 0;
        while let Some((len, from)) = next {
            // Each packet's own time: what it waited while others were looked at is not the network's delay.
            self.session.handle(self.now(), from, &buffer[..len]);
            taken += 1;
            next = if taken < BATCH { self.wire.try_receive(buffer) } else { None };
        }
    }

    fn obey(&mut self, control: Control) {
        let now = self.now();
        match control {
            Control::Agree(agreed) => self.session.agree(now, *agreed),
            Control::Candidates(candidates) => self.session.candidates(now, &candidates),
            Control::Layers(mid, wanted) => self.session.limit_layers(mid, &wanted),
        }
    }

    fn tell_state(&self) {
        let state = self.session.state();
        self.told.send_if_modified(|told| std::mem::replace(told, state) != state);
    }

    fn now(&self) -> Time {
        self.observer.identity.now()
    }

    fn instant(&self, time: Time) -> Instant {
        let far = Duration::from_secs(3600);
        let after = Duration::from_micros(time.as_micros());
        let base = self.observer.identity.base;
        Instant::from_std(base.checked_add(after).unwrap_or(base + far))
    }
}
