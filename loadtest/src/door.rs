//! How callers come in: [`whip`] (WHIP and WHEP), [`livekit`] (the LiveKit client protocol), [`client`] (our own
//! client protocol, which leads through it) and [`quic`] (native clients). A door gets a participant its connections
//! and keeps them until it is time to leave.

pub mod client;
pub mod livekit;
pub mod quic;
mod socket;
pub mod whip;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use offhook_scenario::{DoorName, Group, Scenario, Seat, Visit, WireName};
use offhook_types::Rng;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::caller::data::Messages;
use crate::caller::description::Offerer;
use crate::caller::leg::{Leg, News, Observer, What, told};
use crate::caller::road::{Driver, Road};
use crate::caller::send::Outgoing;
use crate::caller::session::{Session, Setup};
use crate::caller::transport::Identity;
use crate::caller::transport::peer::Peer;
use crate::caller::wire::{Stream, Wire};
use crate::token;

/// How long coming in may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What all participants of a run share.
pub struct Stage {
    /// What is played.
    pub scenario: Scenario,
    /// Certificate and clock.
    pub identity: Identity,
    /// Where the server is.
    pub target: Target,
    /// For doors that are HTTP.
    pub http: reqwest::Client,
    /// Where news go.
    pub news: mpsc::UnboundedSender<News>,
    /// The run is over.
    pub over: watch::Receiver<bool>,
    /// Numbers that can be called.
    pub reachable: watch::Sender<BTreeSet<String>>,
}

/// Where the server is and how it lets us in. `{room}` and `{identity}` stand for those of a participant.
#[derive(Debug, Clone)]
pub struct Target {
    /// WHIP endpoint.
    pub whip: String,
    /// WHEP endpoint.
    pub whep: String,
    /// LiveKit server, `ws` or `http`.
    pub livekit: String,
    /// Our client protocol, and where native clients ask for their port; `http`.
    pub client: String,
    /// The machine that media goes to.
    pub address: IpAddr,
    /// What opens the doors.
    pub access: Access,
    /// The one-time code of everybody, in our client protocol.
    pub code: String,
}

/// What opens the doors.
#[derive(Debug, Clone)]
pub enum Access {
    /// Tokens of our own making.
    Key {
        /// API key.
        key: String,
        /// Its secret.
        secret: String,
    },
    /// One for all.
    Token(String),
}

/// When to leave.
pub struct Leave {
    at: Option<Instant>,
    over: watch::Receiver<bool>,
}

impl Leave {
    /// At this time, or when the run is over.
    pub fn new(at: Option<Instant>, over: watch::Receiver<bool>) -> Self {
        Self { at, over }
    }

    /// Until it is time.
    pub async fn wait(&mut self) {
        let at = self.at;
        let timer = async move {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => {}
            () = told(&mut self.over) => {}
        }
    }
}

/// A participant during one visit.
pub struct Visitor<'a> {
    /// What all share.
    pub stage: &'a Stage,
    /// Who it is.
    pub seat: &'a Seat,
    /// What it does.
    pub group: &'a Group,
    /// Where its news go.
    pub observer: Observer,
    /// For everything that it draws.
    pub rng: Rng,
    link: Option<Driver>,
}

impl Target {
    /// A token for a participant.
    pub fn token(&self, room: &str, identity: &str) -> String {
        match &self.access {
            Access::Key { key, secret } => token::mint(key, secret, room, identity),
            Access::Token(token) => token.clone(),
        }
    }
}

/// A participant comes, stays and goes, as often as its group does.
pub async fn participate(stage: Arc<Stage>, seat: Seat) {
    let group = stage.scenario.group(seat.group);
    let base = Instant::from_std(stage.identity.base);
    let mut over = stage.over.clone();
    for (nth, visit) in seat.visits(group.churn).enumerate() {
        tokio::select! {
            () = sleep_until(base + visit.from) => {}
            () = told(&mut over) => return,
        }
        let observer = Observer {
            seat: seat.index,
            news: stage.news.clone(),
            identity: stage.identity.clone(),
        };
        let news = match visit_once(&stage, &seat, (nth, visit), observer.clone()).await {
            Ok(()) => What::Left,
            Err(error) => What::Failed(format!("{error:#}")),
        };
        observer.tell(news);
    }
}

async fn visit_once(
    stage: &Stage,
    seat: &Seat,
    (nth, visit): (usize, Visit),
    observer: Observer,
) -> Result<()> {
    let group = stage.scenario.group(seat.group);
    let mut rng = Rng::from_seed(seat.seed ^ (nth as u64) << 48);
    let base = stage.identity.base;
    let driver = |paths: &Arc<_>| Driver::start(Road::new(paths, base, rng.next_u64()));
    let link = group.link.as_ref().map(driver);
    let mut visitor = Visitor { stage, seat, group, observer, rng, link };
    let until = visit.until.map(|until| Instant::from_std(base) + until);
    let mut leave = Leave::new(until, stage.over.clone());
    match group.door {
        DoorName::Whip => whip::visit(&mut visitor, &mut leave).await,
        DoorName::Livekit => {
            let token = stage.target.token(&seat.room, &seat.identity);
            livekit::visit(&mut visitor, &mut leave, (&stage.target.livekit, &token)).await
        }
        DoorName::Client => client::visit(&mut visitor, &mut leave).await,
        DoorName::Quic => quic::visit(&mut visitor, &mut leave).await,
    }
}

impl Visitor<'_> {
    /// A generator of randomness of its own for one more thing.
    pub fn fork(&mut self) -> Rng {
        Rng::from_seed(self.rng.next_u64())
    }

    /// Begin an offer.
    pub fn offerer(&mut self) -> Offerer {
        let fingerprint = self.stage.identity.certificate.fingerprint();
        Offerer::new(fingerprint, self.group.feedback, &mut self.rng)
    }

    /// Add every published track to an offer.
    pub fn publish(&mut self, offerer: &mut Offerer) -> Vec<Outgoing> {
        let tracks = self.group.publish.clone();
        let each = tracks.into_iter().enumerate().map(|(nth, track)| {
            let outgoing = Outgoing::new(track, offerer.next_mid(), self.fork());
            offerer.send(&outgoing, &label(nth, &outgoing.feed.track.name));
            outgoing
        });
        each.collect()
    }

    /// A peer connection that waits for the server's description.
    pub async fn leg(
        &mut self,
        offerer: &Offerer,
        outgoing: Vec<Outgoing>,
        messages: Option<Messages>,
    ) -> Result<Leg> {
        let identity = self.stage.identity.clone();
        let (local, rng) = (offerer.local.clone(), self.fork());
        let transport = Peer::new(identity.clone(), local, messages.is_some(), rng);
        let setup = Setup {
            transport: Box::new(transport),
            outgoing,
            messages,
            feedback: self.group.feedback,
            rng: self.fork(),
        };
        let wire = match self.group.wire {
            WireName::Udp => {
                let address = self.stage.target.address;
                Wire::udp(address, self.link.as_ref()).await.context("no socket")?
            }
            WireName::Tcp => Wire::Tcp(Stream::default()),
        };
        let session = Session::new(identity.now(), setup);
        Ok(Leg::start(session, wire, self.observer.clone()))
    }

    /// Everything that was asked for is up.
    pub fn joined(&self, since: Instant) {
        self.observer.tell(What::Joined(since.elapsed()));
    }
}

/// Until all may carry media.
pub async fn all_up(legs: &mut [Leg]) -> Result<()> {
    for leg in legs {
        match timeout(PATIENCE, leg.up()).await {
            Ok(up) => up?,
            Err(_) => bail!("no connection within {} s", PATIENCE.as_secs()),
        }
    }
    Ok(())
}

/// Until it is time to leave, or a connection is over, which is an error.
pub async fn stay(legs: &mut [Leg], leave: &mut Leave) -> Result<()> {
    let over = futures_util::future::select_all(legs.iter_mut().map(|leg| Box::pin(leg.over())));
    tokio::select! {
        () = leave.wait() => Ok(()),
        (why, ..) = over => bail!("{why}"),
    }
}

/// Under what a published track is announced.
pub fn label(nth: usize, name: &str) -> String {
    format!("{name}-{nth}")
}
