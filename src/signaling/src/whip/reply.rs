//! The HTTP side: refusals, preflight, headers.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offhook_call::room::Refusal;

use crate::media_node::IceServer;
use crate::negotiation::Refused;
use crate::token::TokenError;

/// RFC 5789 §3.1.
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// What a PATCH carries (RFC 8840 §9).
pub(super) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// How long a client should wait when the server is full.
const RETRY_S: &str = "5";

/// A refusal: a status and a sentence for whoever debugs the client.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    text: Cow<'static, str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into() }
    }

    /// No room for another session.
    pub(super) fn full() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no capacity for another session")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_S));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::NothingAcceptable => StatusCode::NOT_ACCEPTABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refused.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NoRoom | Refusal::NoParticipant | Refusal::NoTrack | Refusal::NoSession => {
                StatusCode::NOT_FOUND
            }
            Refusal::NotPermitted => StatusCode::FORBIDDEN,
            Refusal::TooLong | Refusal::BadName => StatusCode::BAD_REQUEST,
            Refusal::TooManyTracks => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::RoomFull | Refusal::TooManyRooms | Refusal::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, refusal.to_string())
    }
}

/// Preflight of the endpoint (RFC 9725 §4.2).
pub(super) async fn endpoint() -> impl IntoResponse {
    let accept = HeaderName::from_static("accept-post");
    (StatusCode::NO_CONTENT, [(accept, "application/sdp")], preflight("POST, OPTIONS"))
}

/// Preflight of a session.
pub(super) async fn session() -> impl IntoResponse {
    let accept = [(ACCEPT_PATCH, FRAGMENT)];
    (StatusCode::NO_CONTENT, accept, preflight("PATCH, DELETE, OPTIONS"))
}

type Preflight = [(HeaderName, &'static str); 3];

fn preflight(methods: &'static str) -> Preflight {
    [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ]
}

/// What else helps a client to reach us (RFC 9725 §4.6).
pub(super) fn ice_servers(servers: &[IceServer]) -> HeaderMap {
    let links = servers.iter().flat_map(|server| {
        let IceServer { username, credential, .. } = server;
        server.urls.iter().filter_map(move |url| {
            let link = format!(
                "<{url}>; rel=\"ice-server\"; username=\"{username}\"; credential=\"{credential}\"; \
                 credential-type=\"password\""
            );
            HeaderValue::try_from(link).ok()
        })
    });
    links.map(|link| (header::LINK, link)).collect()
}

/// A page of any origin may use the door: the token decides, not a cookie.
pub(super) async fn cross_origin(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location, ETag, Link, Accept-Patch, Retry-After"),
    );
    response
}

/// The body must be what it has to be, parameters aside.
pub(super) fn content_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("content type is not {wanted}")))
}

/// The body as text.
pub(super) fn text(body: Result<Bytes, BytesRejection>) -> Result<String, Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), "body too large or broken"))?;
    String::from_utf8(body.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "body is not UTF-8"))
}

/// A piece of a path, with everything but unreserved characters escaped (RFC 3986 §2.1).
pub(super) fn escaped(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
