//! Starts every part in this process, connects them, and takes them down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use offhook_media::Node;
use offhook_signaling::account::{self, Accounts};
use offhook_signaling::calls::{self, Neighbours};
use offhook_signaling::client::{self, Door, Sessions};
use offhook_signaling::livekit::{self, Livekit};
use offhook_signaling::media_node::{Events, MediaNode};
use offhook_signaling::phone::Phones;
use offhook_signaling::push::{Nobody, Push, WebhookPush};
use offhook_signaling::rooms::Rooms;
use offhook_signaling::token::Keys;
use offhook_signaling::whip::{self, Whip};
use offhook_store::{Sqlite, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Readiness};
use crate::config::{CodeDelivery, Config};
use crate::listener::{Limited, Limits, Peer};
use crate::metrics::{Metrics, Sources};
use crate::node::Local;
use crate::phone::Phone;
use crate::quic::Quic;
use crate::{assets, settings, token};

/// Run until a signal, then go down politely.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    // Ports first: a server that cannot be reached should say so before it touches its data.
    let public = bind(config.http.listen, "[http]").await?;
    let private = bind(config.admin.listen, "[admin]").await?;
    let parts = Parts::start(&config).await?;
    let readiness = Readiness::new(parts.store.clone());
    let metrics = parts.metrics()?;

    let (stop, stopped) = watch::channel(false);
    let limits = Limits {
        total: config.http.max_connections,
        per_address: config.http.connections_per_address,
        uncounted: config.http.trusted_proxies.clone(),
    };
    let (public_address, private_address) = (public.local_addr()?, private.local_addr()?);
    let doors = parts.doors().merge(admin::health(readiness.clone()));
    let doors = tokio::spawn(listen(Limited::new(public, limits), doors, stopped.clone()));
    let mut operators = admin::health(readiness.clone()).merge(admin::metrics(metrics));
    if let Some(phone) = &parts.phone {
        operators = operators.merge(admin::api::routes(phone.desk(), &config.admin.token));
    }
    let operators = tokio::spawn(
        axum::serve(private, operators).with_graceful_shutdown(until(stopped)).into_future(),
    );
    announce(&config, public_address, private_address);

    let again = signals().await?;
    tracing::info!("going down: no new calls");
    readiness.drain();
    tokio::select! {
        () = parts.wait_for_calls(Duration::from_secs(config.shutdown.grace_s)) => {}
        () = again => tracing::info!("told again: ending the calls in progress"),
    }
    parts.stop().await;
    let _ = stop.send(true);
    // A client that does not take its last bytes must not hold us up.
    let _ = tokio::time::timeout(Duration::from_secs(2), async { tokio::join!(doors, operators) })
        .await;
    tracing::info!("down");
    Ok(())
}

/// Everything that runs.
struct Parts {
    store: Arc<dyn Store>,
    database: Arc<Sqlite>,
    node: Arc<Local>,
    rooms: Rooms,
    calls: calls::Handle,
    sessions: Sessions,
    accounts: Accounts,
    livekit: Livekit,
    whip: Whip,
    quic: Option<Quic>,
    phone: Option<Arc<Phone>>,
}

impl Parts {
    async fn start(config: &Config) -> anyhow::Result<Self> {
        let path = &config.store.path;
        let opened = Sqlite::open(path).await;
        let database =
            Arc::new(opened.with_context(|| format!("[store] path {}", path.display()))?);
        let store: Arc<dyn Store> = database.clone();
        let keys = token::keys(config);
        let rooms = Rooms::start(&settings::rooms(config), seed()?);
        let events = {
            let rooms = rooms.clone();
            Events::new(move |worker, room, speakers| rooms.speakers(worker, room, speakers))
        };
        let deliver = events.clone();
        let node =
            Node::start(settings::media(config), Arc::new(move |event| deliver.deliver(event)));
        let turn_host = config.media.turn_host.clone();
        let node = Arc::new(Local { node: node.context("[media]")?, turn_host });
        let door: Arc<dyn MediaNode> = node.clone();
        let (phone, news) = match config.phone.enabled {
            true => {
                let seeds = [seed()?, seed()?];
                let (phone, news) = Phone::start(&config.phone, &database, seeds).await?;
                (Some(Arc::new(phone)), Some(news))
            }
            false => (None, None),
        };
        let phones = phone.as_ref().map_or_else(Phones::none, |phone| {
            Phones::new(phone.network(), (door.clone(), events.clone()))
        });
        let neighbours = Neighbours {
            store: store.clone(),
            rooms: rooms.clone(),
            keys: keys.clone(),
            push: push(config)?,
            phones,
        };
        let calls =
            calls::start(settings::calls(config), neighbours, seed()?).await.context("[store]")?;
        if let Some(news) = news {
            news.tell(calls.clone());
        }
        let sessions = Sessions::new(settings::client(config), calls.clone());
        let accounts =
            Accounts::new(settings::accounts(config)?, store.clone(), Arc::new(sessions.clone()));
        let accounts = accounts.context("[accounts]")?;
        let livekit = settings::livekit(config);
        let livekit =
            Livekit::new(livekit, keys.clone(), rooms.clone(), door.clone(), events.clone());
        let media = (door, events);
        let whip = Whip::new(settings::whip(config), keys.clone(), rooms.clone(), media.clone());
        let quic = native(config, &node, (keys, rooms.clone(), media))?;
        Ok(Self {
            store,
            database,
            node,
            rooms,
            calls,
            sessions,
            accounts,
            livekit,
            whip,
            quic,
            phone,
        })
    }

    /// The public router: every door, then the web app.
    fn doors(&self) -> Router {
        account::routes(self.accounts.clone())
            .merge(client::routes(Door::new(self.accounts.clone(), self.sessions.clone())))
            .merge(livekit::routes(self.livekit.clone()))
            .merge(whip::routes(self.whip.clone()))
            .merge(self.quic.as_ref().map(Quic::routes).unwrap_or_default())
            .merge(assets::routes())
    }

    fn metrics(&self) -> anyhow::Result<Metrics> {
        let metrics = Metrics::new(Sources {
            node: self.node.clone(),
            calls: self.calls.clone(),
            sessions: self.sessions.clone(),
            livekit: self.livekit.clone(),
            whip: self.whip.clone(),
            quic: self.quic.clone(),
        })?;
        Ok(match &self.phone {
            Some(phone) => metrics.with_phone(phone.sources()),
            None => metrics,
        })
    }

    /// Until no call is in progress, or `grace` is over.
    async fn wait_for_calls(&self, grace: Duration) {
        self.calls.drain().await;
        let deadline = tokio::time::Instant::now() + grace;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while self.calls.counts().await.is_ok_and(|counts| counts.live > 0) {
            if ticks.tick().await >= deadline {
                tracing::info!("calls in progress are ended: the grace period is over");
                return;
            }
        }
    }

    /// End calls, rooms, media and the store, in the order in which they use each other.
    async fn stop(self) {
        self.calls.stop().await;
        if let Some(phone) = &self.phone {
            phone.stop().await;
        }
        self.sessions.stop().await;
        self.rooms.stop().await;
        if let Some(quic) = &self.quic {
            quic.stop().await;
        }
        let node = self.node;
        let _ = tokio::task::spawn_blocking(move || node.node.stop()).await;
        self.database.close().await;
    }
}

/// The door of native clients, where it is open.
fn native(
    config: &Config,
    node: &Local,
    (keys, rooms, media): (Keys, Rooms, (Arc<dyn MediaNode>, Events)),
) -> anyhow::Result<Option<Quic>> {
    if !config.quic.enabled {
        return Ok(None);
    }
    let door = offhook_signaling::quic::Quic::new(settings::quic_door(config), keys, rooms, media);
    Quic::start(config, node, door).map(Some)
}

async fn bind(address: SocketAddr, table: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{table} listen {address}"))
}

fn push(config: &Config) -> anyhow::Result<Arc<dyn Push>> {
    if config.push.webhook_url.is_empty() {
        return Ok(Arc::new(Nobody));
    }
    let webhook = WebhookPush::start(&config.push.webhook_url, &config.push.webhook_secret.0);
    Ok(Arc::new(webhook.context("[push]")?))
}

/// A seed for a machine's ids, from the operating system.
fn seed() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).context("the system's random generator does not answer")?;
    Ok(u64::from_ne_bytes(bytes))
}

async fn listen(
    listener: Limited,
    routes: Router,
    stopped: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let service =
        routes.layer(from_fn(name_the_peer)).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service).with_graceful_shutdown(until(stopped)).await
}

/// The doors expect the peer's address under its plain type.
async fn name_the_peer(
    ConnectInfo(Peer(address)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(ConnectInfo(address));
    next.run(request).await
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Returns at the first SIGTERM or SIGINT, with a future that returns at the second.
async fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
    })
}

/// Tell people, and programs that started us, where we are.
fn announce(config: &Config, public: SocketAddr, private: SocketAddr) {
    let shown = |address: SocketAddr| {
        let host = if address.ip().is_unspecified() {
            "localhost".to_owned()
        } else {
            address.ip().to_string()
        };
        format!("http://{host}:{}", address.port())
    };
    if config.accounts.code_delivery == CodeDelivery::Log {
        tracing::info!("one-time codes are written to this log: for development only");
    }
    println!("Offhook is ready at {}", shown(public));
    println!("Metrics and health at {}", shown(private));
}
