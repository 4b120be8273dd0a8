//! What a client says in the address with which it opens the signaling connection.

use std::io::Read;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::GzDecoder;
use livekit_protocol as proto;
use offhook_call::room::{Door, Join, Receive};
use prost::Message;

use super::{Inner, Misdeed, convert};
use crate::token::{Claims, Grant, TokenError, bearer};

/// How many peer connections a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One, and the client offers.
    Single,
    /// One to publish, which the client offers, and one to receive, which we offer.
    Dual,
}

/// A client that is allowed in.
#[derive(Debug)]
pub(super) struct Connect {
    pub mode: Mode,
    pub claims: Claims,
    pub grant: Grant,
    pub request: proto::JoinRequest,
}

/// Why it is not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Token(TokenError),
    /// The query is not what the protocol says.
    #[error("{0}")]
    Malformed(&'static str),
}

impl Refused {
    pub fn misdeed(&self) -> Misdeed {
        match self {
            Self::Token(_) => Misdeed::BadToken,
            Self::Malformed(_) => Misdeed::BadQuery,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Token(error) => (error.status(), error.to_string()).into_response(),
            Self::Malformed(what) => (StatusCode::BAD_REQUEST, what).into_response(),
        }
    }
}

impl Connect {
    pub fn read(
        door: &Inner,
        mode: Mode,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Self, Refused> {
        let query = Query::parse(query.unwrap_or_default());
        let token = query.last("access_token").or_else(|| bearer(headers));
        let token = token.ok_or(Refused::Token(TokenError::Missing))?;
        let claims = door.keys.verify(token).map_err(Refused::Token)?;
        let grant = claims.grant(query.last("room")).map_err(Refused::Token)?;
        let limit = door.config.max_message_bytes;
        let request = match query.last("join_request") {
            Some(text) => {
                join_request(text, limit).ok_or(Refused::Malformed("bad join_request"))?
            }
            None => query.join_request(),
        };
        Ok(Self { mode, claims, grant, request })
    }

    /// The presence that the client wants to come back to.
    pub fn resumes(&self) -> Option<&str> {
        self.request.reconnect.then_some(self.request.participant_sid.as_str())
    }

    pub fn join(&self) -> Join {
        let request = &self.request;
        let settings = request.connection_settings.as_ref();
        let auto = settings.is_none_or(|settings| settings.auto_subscribe);
        let receive = if auto { Receive::All } else { Receive::None };
        let mut join = self.grant.clone().into_join(Door::Livekit, receive);
        if let Some(info) = &request.client_info {
            join.client = convert::client(info, self.grant.kind);
        }
        // What a client says about itself counts only where its token lets it.
        if self.grant.permission.update_metadata {
            if !request.metadata.is_empty() {
                join.metadata.clone_from(&request.metadata);
            }
            join.attributes.extend(request.participant_attributes.clone());
        }
        join
    }
}

/// A query string's pairs, decoded.
struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    fn parse(query: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decoded(name)?, percent_decoded(value)?))
        };
        Self { pairs: query.split('&').filter_map(pair).collect() }
    }

    fn last(&self, name: &str) -> Option<&str> {
        let named = |(key, value): &&(String, String)| key == name && !value.is_empty();
        self.pairs.iter().rev().find(named).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.last(name).map(|value| value == "1" || value == "true")
    }

    fn number(&self, name: &str) -> i32 {
        self.last(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// What older clients say in separate parameters.
    fn join_request(&self) -> proto::JoinRequest {
        let info = proto::ClientInfo {
            version: self.last("version").unwrap_or_default().into(),
            protocol: self.number("protocol"),
            client_protocol: self.number("client_protocol"),
            ..proto::ClientInfo::default()
        };
        let settings = proto::ConnectionSettings {
            auto_subscribe: self.flag("auto_subscribe").unwrap_or(true),
            adaptive_stream: self.flag("adaptive_stream").unwrap_or(false),
            ..proto::ConnectionSettings::default()
        };
        proto::JoinRequest {
            client_info: Some(info),
            connection_settings: Some(settings),
            reconnect: self.flag("reconnect").unwrap_or(false),
            participant_sid: self.last("sid").unwrap_or_default().into(),
            ..proto::JoinRequest::default()
        }
    }
}

/// RFC 3986 §2.1, with `+` for a space as forms write it.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// A join request in base 64, wrapped and perhaps compressed. `limit` is the size that it may have
/// when it is unpacked: a few bytes of gzip can stand for gigabytes.
fn join_request(text: &str, limit: usize) -> Option<proto::JoinRequest> {
    // A `+` of plain base 64 arrives as a space where the client did not escape it.
    let text = text.replace(['+', ' '], "-").replace('/', "_");
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    let wrapped = proto::WrappedJoinRequest::decode(bytes.as_slice()).ok()?;
    let plain = match wrapped.compression() {
        proto::wrapped_join_request::Compression::None => wrapped.join_request,
        proto::wrapped_join_request::Compression::Gzip => unpacked(&wrapped.join_request, limit)?,
    };
    if plain.len() > limit {
        return None;
    }
    proto::JoinRequest::decode(plain.as_slice()).ok()
}

fn unpacked(packed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(packed).take(most).read_to_end(&mut plain).ok()?;
    (plain.len() <= limit).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn wrap(join_request: Vec<u8>, compression: i32) -> Vec<u8> {
        proto::WrappedJoinRequest { compression, join_request }.encode_to_vec()
    }

    fn request() -> proto::JoinRequest {
        proto::JoinRequest {
            participant_sid: "PA_x".into(),
            metadata: "?>".repeat(40),
            ..Default::default()
        }
    }

    #[test]
    fn join_requests_come_in_every_wrapping() {
        let plain = request().encode_to_vec();
        for bytes in [wrap(plain.clone(), 0), wrap(gzip(&plain), 1)] {
            for text in [
                URL_SAFE.encode(&bytes),
                URL_SAFE_NO_PAD.encode(&bytes),
                STANDARD.encode(&bytes),
                STANDARD.encode(&bytes).replace('+', " "),
            ] {
                assert_eq!(join_request(&text, 10_000), Some(request()), "{text}");
            }
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = URL_SAFE.encode(wrap(gzip(&vec![0; 10_000_000]), 1));
        assert!(bomb.len() < 20_000);
        assert_eq!(join_request(&bomb, 256 * 1024), None);
        for text in ["", "!", "AAAA", "CAESA2Fi"] {
            assert!(join_request(text, 100).is_none_or(|r| r == proto::JoinRequest::default()));
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("a=1&b=x%20y+z&a=2&c&d=%zz&e=%E2%82%AC");
        let value = |name| query.last(name);
        assert_eq!([value("a"), value("b"), value("c")], [Some("2"), Some("x y z"), None]);
        assert_eq!([value("d"), value("e")], [None, Some("€")]);
        let older = Query::parse("auto_subscribe=0&reconnect=1&sid=PA_1&protocol=15");
        let request = older.join_request();
        assert!(request.reconnect && !request.connection_settings.unwrap().auto_subscribe);
        assert_eq!(request.client_info.unwrap().protocol, 15);
    }
}
