//! Access tokens: JWTs signed with HMAC-SHA-256 (RFC 7519) that carry a LiveKit `video` grant. The
//! issuer names the API key, the subject the participant's identity. Start at [`Keys::verify`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use offhook_call::room::{ClientFacts, Door, Join, Permission, Receive, Source};
use serde::{Deserialize, Deserializer, Serialize};

/// API keys with their secrets. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keys {
    secrets: Arc<BTreeMap<String, String>>,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claims {
    /// Issuer: the API key.
    pub iss: String,
    /// Subject: the participant's identity.
    pub sub: String,
    /// Seconds since 1970 after which it is void.
    pub exp: u64,
    /// Seconds since 1970 before which it is void.
    pub nbf: u64,
    /// Display name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `standard`, `agent` and so on; empty is `standard`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// Key-value pairs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub attributes: BTreeMap<String, String>,
    /// What it allows.
    #[serde(deserialize_with = "or_default")]
    pub video: VideoGrant,
}

/// The `video` grant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrant {
    /// The one room it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room: String,
    /// May join that room.
    #[serde(skip_serializing_if = "is_false")]
    pub room_join: bool,
    /// May make and end rooms.
    #[serde(skip_serializing_if = "is_false")]
    pub room_create: bool,
    /// May list rooms.
    #[serde(skip_serializing_if = "is_false")]
    pub room_list: bool,
    /// May administer that room.
    #[serde(skip_serializing_if = "is_false")]
    pub room_admin: bool,
    /// May publish; absent means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// May receive; absent means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// May send data; absent means what `can_publish` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// Sources that may be published; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub can_publish_sources: Vec<String>,
    /// May change the own name, metadata and attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Not shown to others.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Records.
    #[serde(skip_serializing_if = "is_false")]
    pub recorder: bool,
}

/// A token that lets its bearer into one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The room.
    pub room: String,
    /// Who.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text.
    pub metadata: String,
    /// Key-value pairs.
    pub attributes: BTreeMap<String, String>,
    /// What they may do.
    pub permission: Permission,
    /// Kind of participant, as the client protocol numbers it.
    pub kind: i32,
}

/// Why a token does not open what it was shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token at all.
    #[error("missing authorization token")]
    Missing,
    /// Not a JWT, signed with another algorithm, or the signature does not fit.
    #[error("invalid authorization token")]
    Invalid,
    /// The issuer is not one of our keys.
    #[error("invalid API key")]
    UnknownKey,
    /// It was valid once.
    #[error("invalid token: token is expired")]
    Expired,
    /// It will be valid later.
    #[error("invalid token: token is not valid yet")]
    NotYet,
    /// The grant is missing.
    #[error("permissions denied")]
    NoGrant,
    /// It is for another room.
    #[error("permissions denied: token is for another room")]
    OtherRoom,
    /// No identity.
    #[error("identity cannot be empty")]
    NoIdentity,
}

impl TokenError {
    /// 401 where the token itself is bad, 403 where it is good for something else.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid | Self::UnknownKey | Self::Expired | Self::NotYet => {
                StatusCode::UNAUTHORIZED
            }
            Self::NoGrant | Self::OtherRoom | Self::NoIdentity => StatusCode::FORBIDDEN,
        }
    }
}

/// A token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// There is no such key, or none at all.
    #[error("no such API key")]
    NoKey,
    /// The claims cannot be written.
    #[error("claims cannot be signed")]
    Unsignable,
}

/// Tokens longer than this are refused unread: ours and those of the SDKs stay below 2 KiB, and
/// metadata and attributes have their own limits.
const MAX_TOKEN: usize = 64 * 1024;

/// How far the issuer's clock may be ahead of ours.
const SKEW: u64 = 10;

impl Keys {
    /// From pairs of key and secret.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { secrets: Arc::new(pairs.into_iter().collect()) }
    }

    /// The claims of a token that is signed with one of the keys and valid now.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let issuer = issuer(token).ok_or(TokenError::Invalid)?;
        let secret = self.secrets.get(&issuer).ok_or(TokenError::UnknownKey)?;
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = 0;
        rules.validate_aud = false;
        rules.set_issuer(&[&issuer]);
        let key = DecodingKey::from_secret(secret.as_bytes());
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        // RFC 7519 §4.1.4: not on or after; the library accepts the second itself.
        if claims.exp <= now() {
            return Err(TokenError::Expired);
        }
        if claims.nbf > now().saturating_add(SKEW) {
            return Err(TokenError::NotYet);
        }
        Ok(claims)
    }

    /// A token with these claims, valid from now for `life`. An empty issuer takes the first key.
    pub fn mint(&self, claims: &Claims, life: Duration) -> Result<String, MintError> {
        let key = match claims.iss.as_str() {
            "" => self.secrets.first_key_value(),
            iss => self.secrets.get_key_value(iss),
        };
        let (iss, secret) = key.ok_or(MintError::NoKey)?;
        let mut claims = claims.clone();
        claims.iss.clone_from(iss);
        claims.nbf = now();
        claims.exp = claims.nbf.saturating_add(life.as_secs());
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
            .map_err(|_| MintError::Unsignable)
    }
}

impl Claims {
    /// The claims of someone who may join a room, publish, subscribe and send data.
    pub fn join(room: impl Into<String>, identity: impl Into<String>) -> Self {
        let video = VideoGrant { room: room.into(), room_join: true, ..VideoGrant::default() };
        Self { sub: identity.into(), video, ..Self::default() }
    }

    /// What the token allows in its room. `room` is the room that was asked for, where the request
    /// names one.
    pub fn grant(&self, room: Option<&str>) -> Result<Grant, TokenError> {
        let video = &self.video;
        if !video.room_join || video.room.is_empty() {
            return Err(TokenError::NoGrant);
        }
        if room.is_some_and(|room| room != video.room) {
            return Err(TokenError::OtherRoom);
        }
        if self.sub.is_empty() {
            return Err(TokenError::NoIdentity);
        }
        Ok(Grant {
            room: video.room.clone(),
            identity: self.sub.clone(),
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            attributes: self.attributes.clone(),
            permission: video.permission(),
            kind: kind(&self.kind),
        })
    }

    /// Whether it may administer this room.
    pub fn administers(&self, room: &str) -> Result<(), TokenError> {
        match (self.video.room_admin, self.video.room == room) {
            (true, true) => Ok(()),
            (true, false) => Err(TokenError::OtherRoom),
            (false, _) => Err(TokenError::NoGrant),
        }
    }

    /// Whether it may make and end rooms.
    pub fn creates(&self) -> Result<(), TokenError> {
        if self.video.room_create { Ok(()) } else { Err(TokenError::NoGrant) }
    }

    /// Whether it may list rooms.
    pub fn lists(&self) -> Result<(), TokenError> {
        if self.video.room_list { Ok(()) } else { Err(TokenError::NoGrant) }
    }
}

impl VideoGrant {
    fn permission(&self) -> Permission {
        let sources: Vec<_> = self.can_publish_sources.iter().filter_map(|s| source(s)).collect();
        // A list of sources that names none we know must not turn into "all sources".
        let named = !self.can_publish_sources.is_empty();
        let publish = if named { !sources.is_empty() } else { self.can_publish.unwrap_or(true) };
        Permission {
            subscribe: self.can_subscribe.unwrap_or(true),
            publish,
            publish_data: self.can_publish_data.unwrap_or(publish),
            sources,
            hidden: self.hidden,
            recorder: self.recorder,
            update_metadata: self.can_update_own_metadata.unwrap_or(false),
        }
    }
}

impl Grant {
    /// The grant's holder entering its room.
    pub fn into_join(self, door: Door, receive: Receive) -> Join {
        Join {
            room: self.room,
            identity: self.identity,
            name: self.name,
            metadata: self.metadata,
            attributes: self.attributes,
            permission: self.permission,
            door,
            receive,
            client: ClientFacts { kind: self.kind, ..ClientFacts::default() },
        }
    }
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Who says to have signed it, before anything is verified: only used to find the key.
fn issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let body = token.split('.').nth(1).filter(|_| token.len() <= MAX_TOKEN)?;
    let body = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Issuer>(&body).ok().map(|issuer| issuer.iss)
}

fn source(name: &str) -> Option<Source> {
    match name.to_ascii_lowercase().as_str() {
        "camera" => Some(Source::Camera),
        "microphone" => Some(Source::Microphone),
        "screen_share" => Some(Source::Screen),
        "screen_share_audio" => Some(Source::ScreenAudio),
        _ => None,
    }
}

/// `ParticipantInfo.Kind` of the LiveKit protocol.
fn kind(name: &str) -> i32 {
    match name {
        "ingress" => 1,
        "egress" => 2,
        "sip" => 3,
        "agent" => 4,
        "connector" => 7,
        "bridge" => 8,
        _ => 0,
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Some token makers write `null` for what they leave out.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
