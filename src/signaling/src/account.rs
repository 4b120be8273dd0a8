//! Accounts over HTTP: sign in with a one-time code, tokens, devices, profile.
//!
//! What it promises: a code opens one number's account, once; its answers are the same, and take
//! the same work, whether or not a number is registered; when the limiter or the store cannot
//! answer, the request is refused. Start at [`routes`].

mod bearers;
mod delivery;
mod exchange;
mod failure;
mod http;
mod secret;
mod source;

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Router;
use offhook_call::{By, Direction, Media, Via};
use offhook_proto::client::{
    CallDirection, CallMedia, CallVia, Device, DeviceList, HistoryEntry, HistoryRequest,
    HistoryResponse, Peer, RequestCodeRequest, RequestCodeResponse, Tokens, User,
    VerifyCodeRequest,
};
use offhook_store::{Bearer, NewCode, NewDevice, NewUser, Rotation, Store, TokenPair};
use offhook_types::{DeviceId, Number, UserId, WallTime};
use offhook_wire::number;

use self::bearers::Bearers;
pub use self::delivery::Delivery;
pub(crate) use self::exchange::{Asked, Caller, Encoding};
pub use self::failure::Failure;
pub(crate) use self::secret::draw_id;
use self::secret::{CodeSecret, Kind};
use self::source::Source;
use crate::calls::cause_of;
use crate::limit::{Keyed, Rate, Total};

/// How accounts are opened and kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// How one-time codes reach their number. Default: not at all.
    pub delivery: Delivery,
    /// Every code is this one; for development, refused unless `delivery` is [`Delivery::Log`].
    /// Default: none.
    pub fixed_code: Option<String>,
    /// What codes are hashed with. Default: drawn at start, so that a restart voids the codes under
    /// way. To be set to the same where several processes share a store.
    pub code_secret: Option<Vec<u8>>,
    /// Default 5 minutes.
    pub code_lifetime: Duration,
    /// Guesses at one code. Default 5.
    pub code_attempts: u32,
    /// What clients are told to wait before they ask for another code. Default 30 s; the limits
    /// refuse, this does not.
    pub resend_after: Duration,
    /// Default 1 hour.
    pub access_lifetime: Duration,
    /// From the last refresh. Default 90 days.
    pub refresh_lifetime: Duration,
    /// Devices of one user; a further one replaces the one not seen for longest. Default 10.
    pub devices_per_user: u32,
    /// Proxies whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: Vec<IpAddr>,
    /// How often things may be asked for.
    pub limits: Limits,
}

/// How often things may be asked for. Guesses are limited to as many times `code_attempts` as
/// codes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Codes to one number. Default 5 an hour.
    pub codes_per_number: Rate,
    /// Codes asked for from one address (IPv6: one /64). Default 20 an hour.
    pub codes_per_address: Rate,
    /// Codes to everybody together; what the SMS bill is bounded by. Default 60 a minute.
    pub codes_in_all: Rate,
    /// Refreshes from one address. Default 120 a minute.
    pub refreshes_per_address: Rate,
    /// Requests of one signed-in user. Default 300 a minute.
    pub requests_per_user: Rate,
    /// Numbers, addresses and users that are counted at a time, each; with more, new ones are
    /// refused. Default 100,000.
    pub keys: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delivery: Delivery::None,
            fixed_code: None,
            code_secret: None,
            code_lifetime: Duration::from_secs(5 * 60),
            code_attempts: 5,
            resend_after: Duration::from_secs(30),
            access_lifetime: Duration::from_secs(3600),
            refresh_lifetime: Duration::from_secs(90 * 24 * 3600),
            devices_per_user: 10,
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            codes_per_number: Rate::per_hour(5),
            codes_per_address: Rate::per_hour(20),
            codes_in_all: Rate::per_minute(60),
            refreshes_per_address: Rate::per_minute(120),
            requests_per_user: Rate::per_minute(300),
            keys: 100_000,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// A fixed code opens every account to everybody.
    #[error("a fixed code is for development: it needs the delivery `log`")]
    FixedCode,
    /// No randomness.
    #[error("the system's random generator does not answer")]
    NoRandomness,
}

/// Told of devices that may no longer act: their live session ends at once.
#[async_trait]
pub trait SignOut: Send + Sync {
    /// This device was signed out or revoked.
    async fn signed_out(&self, by: By);
}

/// Accounts. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    config: Config,
    store: Arc<dyn Store>,
    sign_out: Arc<dyn SignOut>,
    secret: CodeSecret,
    bearers: Bearers,
    limits: Buckets,
}

struct Buckets {
    codes_per_number: Keyed<Number>,
    codes_per_address: Keyed<Source>,
    codes_in_all: Total,
    guesses_per_number: Keyed<Number>,
    guesses_per_address: Keyed<Source>,
    guesses_in_all: Total,
    refreshes_per_address: Keyed<Source>,
    requests_per_user: Keyed<UserId>,
}

impl Buckets {
    fn new(limits: &Limits, attempts: u32) -> Self {
        let guesses = |codes: Rate| Rate { burst: codes.burst.saturating_mul(attempts), ..codes };
        Self {
            codes_per_number: Keyed::new(limits.codes_per_number, limits.keys),
            codes_per_address: Keyed::new(limits.codes_per_address, limits.keys),
            codes_in_all: Total::new(limits.codes_in_all),
            guesses_per_number: Keyed::new(guesses(limits.codes_per_number), limits.keys),
            guesses_per_address: Keyed::new(guesses(limits.codes_per_address), limits.keys),
            guesses_in_all: Total::new(guesses(limits.codes_in_all)),
            refreshes_per_address: Keyed::new(limits.refreshes_per_address, limits.keys),
            requests_per_user: Keyed::new(limits.requests_per_user, limits.keys),
        }
    }
}

/// The HTTP endpoints: `POST /v1/auth/…`, `/v1/me…`, `/v1/devices/…`. To be served
/// with `into_make_service_with_connect_info::<SocketAddr>()`: without the peer's address, requests
/// that are counted by it are refused.
pub fn routes(accounts: Accounts) -> Router {
    http::routes(accounts)
}

impl Accounts {
    /// Accounts in a store. To be called within a tokio runtime: expired codes and tokens are
    /// forgotten from time to time until the last clone is gone.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        sign_out: Arc<dyn SignOut>,
    ) -> Result<Self, BadConfig> {
        if config.fixed_code.is_some() && !matches!(config.delivery, Delivery::Log) {
            return Err(BadConfig::FixedCode);
        }
        let secret = match &config.code_secret {
            Some(secret) => CodeSecret::new(secret),
            None => CodeSecret::draw().map_err(|_| BadConfig::NoRandomness)?,
        };
        let limits = Buckets::new(&config.limits, config.code_attempts);
        let bearers = Bearers::default();
        let inner = Arc::new(Inner { config, store, sign_out, secret, bearers, limits });
        tokio::spawn(sweep(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Who an access token speaks for.
    pub async fn authenticate(&self, token: &str) -> Result<Bearer, Failure> {
        let Inner { store, bearers, .. } = &*self.0;
        let hash = secret::hash_token(Kind::Access, token).ok_or_else(Failure::unauthenticated)?;
        let now = wall_now();
        if let Some(bearer) = bearers.find(now, &hash) {
            return Ok(bearer);
        }
        let epoch = bearers.epoch();
        let bearer = store.bearer(now, &hash).await?.ok_or_else(Failure::unauthenticated)?;
        bearers.remember(epoch, hash, &bearer);
        Ok(bearer)
    }

    /// Count a request of a signed-in user.
    pub(crate) fn count_request(&self, user: UserId) -> Result<(), Failure> {
        Ok(self.0.limits.requests_per_user.check(&user)?)
    }

    /// Where a request comes from. Unknown is refused: it could not be counted.
    pub(crate) fn source(&self, caller: &Caller) -> Result<Source, Failure> {
        let peer = caller.peer.ok_or_else(Failure::unavailable)?;
        Ok(Source::of(peer, &caller.headers, &self.0.config.trusted_proxies))
    }

    async fn request_code(
        &self,
        source: Source,
        asked: RequestCodeRequest,
    ) -> Result<RequestCodeResponse, Failure> {
        let Inner { config, store, secret, limits, .. } = &*self.0;
        limits.codes_per_address.check(&source)?;
        let number = number::read(&asked.number, &asked.country).ok_or_else(Failure::bad_number)?;
        limits.codes_per_number.check(&number)?;
        limits.codes_in_all.check()?;
        let code = match &config.fixed_code {
            Some(code) => code.clone(),
            None => secret::draw_code()?,
        };
        let new = NewCode {
            key: secret.key(&number),
            hash: secret.hash(&number, &code),
            expires_at: wall_now().plus(config.code_lifetime),
            attempts: config.code_attempts,
        };
        store.put_code(&new).await?;
        let expires_in = config.code_lifetime.as_secs();
        config.delivery.deliver(&number, &code, expires_in).await?;
        Ok(RequestCodeResponse {
            expires_in: u32::try_from(expires_in).unwrap_or(u32::MAX),
            retry_after: u32::try_from(config.resend_after.as_secs()).unwrap_or(u32::MAX),
            number: number.as_str().to_owned(),
        })
    }

    async fn verify(&self, source: Source, asked: VerifyCodeRequest) -> Result<Tokens, Failure> {
        let Inner { store, secret, limits, .. } = &*self.0;
        limits.guesses_per_address.check(&source)?;
        let number = number::read(&asked.number, "").ok_or_else(Failure::bad_number)?;
        let device_name = read_name(&asked.device_name)?;
        let display_name = read_name(&asked.display_name)?;
        limits.guesses_per_number.check(&number)?;
        limits.guesses_in_all.check()?;
        let (key, guess) = (secret.key(&number), secret.hash(&number, asked.code.trim()));
        let kept = store.attempt_code(wall_now(), &key).await?;
        let is_right = kept.is_some_and(|kept| secret::is_same(&kept, &guess));
        if !is_right || !store.consume_code(&key, &guess).await? {
            return Err(Failure::bad_code());
        }
        let id = UserId(secret::draw_id()?);
        let user = store.sign_up(wall_now(), &NewUser { id, number, display_name }).await?;
        self.add_device(user, device_name).await
    }

    async fn add_device(&self, user: offhook_store::User, name: String) -> Result<Tokens, Failure> {
        let Inner { config, store, .. } = &*self.0;
        let now = wall_now();
        let id = DeviceId(secret::draw_id()?);
        let new = NewDevice { id, user: user.id, name, most: config.devices_per_user };
        let drawn = self.draw_pair(now)?;
        for device in store.add_device(now, &new, &drawn.pair).await? {
            self.revoked(By { user: user.id, device }).await;
        }
        let device = offhook_store::Device {
            id,
            user: user.id,
            name: new.name,
            created_at: now,
            last_seen_at: now,
        };
        Ok(drawn.tokens(&user, &device))
    }

    async fn refresh(&self, source: Source, refresh_token: &str) -> Result<Tokens, Failure> {
        let Inner { store, bearers, limits, .. } = &*self.0;
        limits.refreshes_per_address.check(&source)?;
        let hash = secret::hash_token(Kind::Refresh, refresh_token);
        let hash = hash.ok_or_else(Failure::unauthenticated)?;
        let now = wall_now();
        let drawn = self.draw_pair(now)?;
        match store.rotate(now, &hash, &drawn.pair).await? {
            Rotation::Done(bearer) => {
                bearers.forget_device(bearer.device.id);
                Ok(drawn.tokens(&bearer.user, &bearer.device))
            }
            Rotation::Reused { user, device } => {
                tracing::warn!(%device, "refresh token used twice, device revoked");
                self.revoked(By { user, device }).await;
                Err(Failure::unauthenticated())
            }
            Rotation::Unknown => Err(Failure::unauthenticated()),
        }
    }

    fn draw_pair(&self, now: WallTime) -> Result<Drawn, Failure> {
        let (access_token, access) = secret::draw_token(Kind::Access)?;
        let (refresh_token, refresh) = secret::draw_token(Kind::Refresh)?;
        let pair = TokenPair {
            access,
            access_expires_at: now.plus(self.0.config.access_lifetime),
            refresh,
            refresh_expires_at: now.plus(self.0.config.refresh_lifetime),
        };
        Ok(Drawn { access_token, refresh_token, pair })
    }

    /// Forget a device of a user; nothing happens when it is not theirs or gone.
    async fn revoke(&self, by: By) -> Result<(), Failure> {
        if self.0.store.revoke_device(by.user, by.device).await? {
            self.revoked(by).await;
        }
        Ok(())
    }

    async fn revoked(&self, by: By) {
        self.0.bearers.forget_device(by.device);
        self.0.sign_out.signed_out(by).await;
    }

    async fn rename(&self, user: UserId, display_name: &str) -> Result<User, Failure> {
        let name = read_name(display_name)?;
        let user = self.0.store.rename(user, &name).await?;
        let user = user.ok_or_else(Failure::unauthenticated)?;
        self.0.bearers.forget_user(user.id);
        Ok(show_user(&user))
    }

    async fn devices(&self, bearer: &Bearer) -> Result<DeviceList, Failure> {
        let devices = self.0.store.devices_of(bearer.user.id).await?;
        let show = |device| show_device(device, bearer.device.id);
        Ok(DeviceList { devices: devices.iter().map(show).collect() })
    }

    /// Note that a device is here.
    pub(crate) async fn seen(&self, device: DeviceId) -> Result<(), Failure> {
        Ok(self.0.store.seen(wall_now(), device).await?)
    }

    /// A page of a user's call history.
    pub(crate) async fn history(
        &self,
        user: UserId,
        asked: &HistoryRequest,
    ) -> Result<HistoryResponse, Failure> {
        let before = (asked.before > 0).then_some(WallTime(asked.before));
        let limit = if asked.limit == 0 { 50 } else { asked.limit.min(100) };
        let page = self.0.store.history(user, before, limit).await?;
        Ok(HistoryResponse {
            calls: page.entries.into_iter().map(show_entry).collect(),
            more: page.more,
        })
    }
}

/// Fresh tokens, in clear and as they are stored.
struct Drawn {
    access_token: String,
    refresh_token: String,
    pair: TokenPair,
}

impl Drawn {
    fn tokens(self, user: &offhook_store::User, device: &offhook_store::Device) -> Tokens {
        Tokens {
            access_token: self.access_token,
            access_expires_at: self.pair.access_expires_at.0,
            refresh_token: self.refresh_token,
            user: Some(show_user(user)),
            device: Some(show_device(device, device.id)),
        }
    }
}

/// Forget what expired, while somebody still uses the accounts.
async fn sweep(accounts: Weak<Inner>) {
    let mut pace = tokio::time::interval(SWEEP_EVERY);
    loop {
        pace.tick().await;
        let Some(inner) = accounts.upgrade() else { return };
        let now = wall_now();
        let swept = async {
            inner.store.prune_codes(now).await?;
            inner.store.prune_tokens(now).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(%error, "expired codes and tokens were not forgotten");
        }
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// The calendar's time.
pub(crate) fn wall_now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::default().plus(since)
}

/// Names of people and devices: shown to others, so short and without control characters.
fn read_name(text: &str) -> Result<String, Failure> {
    const LONGEST: usize = 64;
    let name = text.trim();
    if name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return Err(Failure::bad_request("a name has at most 64 characters, all printable"));
    }
    Ok(name.to_owned())
}

/// A user as they are shown to themselves.
pub(crate) fn show_user(user: &offhook_store::User) -> User {
    User {
        id: user.id.to_string(),
        number: user.number.as_str().to_owned(),
        display_name: user.display_name.clone(),
    }
}

fn show_device(device: &offhook_store::Device, current: DeviceId) -> Device {
    Device {
        id: device.id.to_string(),
        name: device.name.clone(),
        created_at: device.created_at.0,
        last_seen_at: device.last_seen_at.0,
        current: device.id == current,
    }
}

fn show_entry(entry: offhook_store::HistoryEntry) -> HistoryEntry {
    let direction = match entry.direction {
        Direction::Outgoing => CallDirection::Outgoing,
        Direction::Incoming => CallDirection::Incoming,
    };
    let media = match entry.media {
        Media::Audio => CallMedia::Audio,
        Media::Video => CallMedia::Video,
    };
    let via = match entry.via {
        Via::App => CallVia::App,
        Via::Phone => CallVia::Phone,
    };
    let (charge, currency) = entry.charge.unzip();
    let number = entry.peer_number.map(|number| number.as_str().to_owned());
    let peer = Peer { number: number.unwrap_or_default(), display_name: entry.peer_name };
    HistoryEntry {
        call_id: entry.call.to_string(),
        direction: direction.into(),
        peer: Some(peer),
        media: media.into(),
        cause: cause_of(entry.cause).into(),
        placed_at: entry.placed_at.0,
        accepted_at: entry.accepted_at.unwrap_or_default().0,
        ended_at: entry.ended_at.0,
        via: via.into(),
        charge_micros: charge.unwrap_or_default().0,
        currency: currency.map_or_else(String::new, |currency| currency.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
