//! Play a scenario: start a server or aim at one, let everybody in, watch, report.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use offhook_rtc::dtls::Certificate;
use offhook_scenario::{Scenario, Seat, seats};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::caller::leg::News;
use crate::caller::transport::Identity;
use crate::door::{Access, PATIENCE, Stage, Target, participate};
use crate::process::{self, Usage};
use crate::report::book::Book;
use crate::report::{self, Report};
use crate::server::Server;

/// News of a second come until so long after it.
const GRACE: Duration = Duration::from_millis(200);
/// How long participants have to leave.
const FAREWELL: Duration = Duration::from_secs(10);

/// What to play and against whom.
#[derive(Args)]
pub struct Options {
    /// The scenario's file; loadtest/scenarios has some.
    scenario: PathBuf,
    /// The server binary to start, when no URL is given.
    #[arg(long, default_value = "target/release/offhook")]
    server: PathBuf,
    /// An Offhook that runs already, http://HOST:PORT: all its doors.
    #[arg(long)]
    url: Option<String>,
    /// WHIP endpoint of any server; {room} and {identity} stand for a participant's.
    #[arg(long)]
    whip_url: Option<String>,
    /// WHEP endpoint of any server.
    #[arg(long)]
    whep_url: Option<String>,
    /// A LiveKit server, ws://HOST:PORT.
    #[arg(long)]
    livekit_url: Option<String>,
    /// Process id of that server when it is on this machine, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    /// API key that the server knows, to make tokens with.
    #[arg(long, default_value = "devkey")]
    key: String,
    /// Its secret.
    #[arg(long, default_value = "development-secret-of-offhook-0001")]
    secret: String,
    /// One token for everybody instead, when the server gives them out itself.
    #[arg(long)]
    token: Option<String>,
    /// The one-time code of everybody who signs up.
    #[arg(long, default_value = "123456")]
    code: String,
    /// Aim at a machine other than this one. Only with its owner's consent.
    #[arg(long)]
    allow_remote: bool,
    /// Another seed than the scenario's.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the report as JSON to this file, - for the standard output.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the report as a page to this file.
    #[arg(long)]
    html: Option<PathBuf>,
    /// No line per second.
    #[arg(long)]
    quiet: bool,
}

/// Play. True when every bound holds.
pub async fn run(options: Options) -> Result<bool> {
    let mut scenario = Scenario::read(&options.scenario)?;
    scenario.seed = options.seed.unwrap_or(scenario.seed);
    let server = match options.aims_elsewhere() {
        true => Server::running(options.url.clone().unwrap_or_default(), options.pid),
        false => {
            let extra = toml::to_string(&scenario.server)?;
            let keys = format!("{extra}\n[api_keys]\n{} = {:?}\n", options.key, options.secret);
            Server::start(&options.server, &keys).await?
        }
    };
    let target = options.target(&server)?;
    let report = Play::new(scenario, target, &server)?.finish(&options).await?;
    let text = report::print(&report);
    match &options.json {
        Some(path) if path.as_os_str() == "-" => println!("{}", serde_json::to_string(&report)?),
        Some(path) => {
            std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
            print!("{text}");
        }
        None => print!("{text}"),
    }
    if let Some(path) = &options.html {
        std::fs::write(path, report.html())?;
    }
    Ok(report.holds())
}

impl Options {
    fn aims_elsewhere(&self) -> bool {
        let urls = [&self.url, &self.whip_url, &self.whep_url, &self.livekit_url];
        urls.into_iter().any(Option::is_some)
    }

    fn target(&self, server: &Server) -> Result<Target> {
        let of = |url: &Option<String>, path: &str| match url {
            Some(url) => url.clone(),
            None => format!("{}{path}", server.url),
        };
        let urls = [&self.whip_url, &self.whep_url, &self.livekit_url];
        let any = urls.into_iter().flatten().next().unwrap_or(&server.url);
        let address = address(any)?;
        for url in urls.into_iter().flatten().chain([&server.url]).filter(|url| !url.is_empty()) {
            ensure!(
                self.allow_remote || self::address(url)?.is_loopback(),
                "{url} is another machine: say --allow-remote if its owner agrees"
            );
        }
        Ok(Target {
            whip: of(&self.whip_url, "/whip/{room}"),
            whep: of(&self.whep_url, "/whep/{room}"),
            livekit: of(&self.livekit_url, ""),
            client: server.url.clone(),
            address,
            access: match &self.token {
                Some(token) => Access::Token(token.clone()),
                None => Access::Key { key: self.key.clone(), secret: self.secret.clone() },
            },
            code: self.code.clone(),
        })
    }
}

fn address(url: &str) -> Result<IpAddr> {
    let url = reqwest::Url::parse(url).with_context(|| format!("{url} is not a URL"))?;
    let host = url.host_str().context("a URL without a host")?.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let mut found = (host, port).to_socket_addrs().with_context(|| format!("no host {host}"))?;
    Ok(found.next().with_context(|| format!("no address of {host}"))?.ip())
}

/// A run.
struct Play {
    stage: Arc<Stage>,
    seats: Vec<Seat>,
    book: Book,
    news: mpsc::UnboundedReceiver<News>,
    over: watch::Sender<bool>,
    pid: Option<u32>,
    named: String,
}

/// Seconds that count.
enum Phase {
    /// Not everybody is in.
    Arriving,
    /// From this second to that.
    Measuring { from: u32, to: u32 },
}

impl Play {
    fn new(scenario: Scenario, target: Target, server: &Server) -> Result<Self> {
        let (news, told) = mpsc::unbounded_channel();
        let (over, is_over) = watch::channel(false);
        let certificate = Arc::new(Certificate::generate()?);
        let seats = seats(&scenario);
        let book = Book::new(&scenario, &seats, usage(server.pid));
        let named = match server.url.is_empty() {
            true => target.livekit.clone(),
            false => server.url.clone(),
        };
        let stage = Stage {
            scenario,
            identity: Identity { certificate, base: Instant::now() },
            target,
            http: reqwest::Client::builder().no_proxy().build()?,
            news,
            over: is_over,
            reachable: watch::channel(Default::default()).0,
        };
        let stage = Arc::new(stage);
        Ok(Self { stage, seats, book, news: told, over, pid: server.pid, named })
    }

    async fn finish(mut self, options: &Options) -> Result<Report> {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut tasks = JoinSet::new();
        for seat in self.seats.clone() {
            tasks.spawn(participate(self.stage.clone(), seat));
        }
        let own = usage(Some(std::process::id()));
        let mut phase = Phase::Arriving;
        let mut second = 0;
        let measured = loop {
            self.listen_until(second + 1).await;
            self.book.usage(second as usize, usage(self.pid));
            self.listen_until_grace(second + 1).await;
            if !options.quiet {
                let among = (self.book.present(), self.seats.len() as u32);
                let live =
                    report::live(&self.book.second(second as usize), among, self.book.failed());
                eprintln!("{live}");
            }
            second += 1;
            match phase {
                Phase::Arriving if self.everybody_came(second) => {
                    let from = second + self.stage.scenario.settle.as_secs_f64().ceil() as u32;
                    let to = from + self.stage.scenario.measure.as_secs() as u32;
                    phase = Phase::Measuring { from, to };
                }
                Phase::Measuring { from, to } if second >= to => break [from, to],
                _ => {}
            }
        };
        let _ = self.over.send(true);
        let farewell = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            bail!("participants did not leave within {} s", FAREWELL.as_secs());
        }
        while let Ok(news) = self.news.try_recv() {
            self.book.enter(news);
        }
        let mut report = self.report(measured, started_at);
        let spent = own.zip(usage(Some(std::process::id())));
        let spent = spent.map_or(0, |(before, after)| after.cpu_us - before.cpu_us);
        let elapsed = self.stage.identity.base.elapsed().as_micros().max(1);
        report.totals.caller_cores = spent as f64 / elapsed as f64;
        Ok(report)
    }

    fn report(&self, measured: [u32; 2], started_at: u64) -> Report {
        let scenario = &self.stage.scenario;
        let totals = self.book.totals(measured);
        let verdicts = scenario.expect.judge(&totals.found());
        Report {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            file: scenario.text.clone(),
            seed: scenario.seed,
            server: self.named.clone(),
            started_at,
            measured,
            totals,
            paths: self.book.paths(measured),
            verdicts,
            seconds: self.book.seconds(),
            participants: self.book.people(measured),
        }
    }

    /// Everybody who is to come has come, failed, or had the time to.
    fn everybody_came(&self, second: u32) -> bool {
        let last = self.seats.last().map_or(Duration::ZERO, |seat| seat.arrives);
        let now = Duration::from_secs(second.into());
        let came = u64::from(self.book.joined()) + self.book.failed() >= self.seats.len() as u64;
        now >= last && (came || now >= last + PATIENCE)
    }

    /// Take news until a second begins.
    async fn listen_until(&mut self, second: u32) {
        self.listen(Duration::from_secs(second.into())).await;
    }

    /// Take the news that a second's end brings.
    async fn listen_until_grace(&mut self, second: u32) {
        self.listen(Duration::from_secs(second.into()) + GRACE).await;
    }

    async fn listen(&mut self, after: Duration) {
        let until = tokio::time::Instant::from_std(self.stage.identity.base) + after;
        while let Ok(Some(news)) = tokio::time::timeout_at(until, self.news.recv()).await {
            self.book.enter(news);
        }
    }
}

fn usage(pid: Option<u32>) -> Option<Usage> {
    pid.and_then(|pid| process::usage(pid).ok())
}
