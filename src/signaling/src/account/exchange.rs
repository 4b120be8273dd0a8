//! Bodies of HTTP requests and answers: binary protobuf or protobuf JSON. `Content-Type` says which
//! the request is, `Accept` which the answer shall be; without it the answer is as the request was.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offhook_proto::client::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    fn of(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str()
        {
            "application/json" => Some(Self::Json),
            "application/x-protobuf" | "application/protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// Read a message; an empty JSON body is an empty message, as it is in protobuf.
    pub(crate) fn decode<T>(self, bytes: &[u8]) -> Option<T>
    where
        T: prost::Message + Default + DeserializeOwned,
    {
        match self {
            Self::Json if bytes.is_empty() => Some(T::default()),
            Self::Json => serde_json::from_slice(bytes).ok(),
            Self::Protobuf => T::decode(bytes).ok(),
        }
    }

    pub(crate) fn encode(self, message: &(impl prost::Message + Serialize)) -> Vec<u8> {
        match self {
            // Maps and numbers of ours have no form that JSON cannot write.
            Self::Json => serde_json::to_vec(message).unwrap_or_default(),
            Self::Protobuf => message.encode_to_vec(),
        }
    }

    /// Write the answer to a request.
    pub(crate) fn respond<A>(self, result: Result<A, Failure>) -> Response
    where
        A: prost::Message + Serialize,
    {
        match result {
            Ok(message) => self.write(StatusCode::OK, &message),
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(self, failure: Failure) -> Response {
        self.refuse(failure.status(), failure)
    }

    fn refuse(self, status: StatusCode, failure: Failure) -> Response {
        let wait = failure.retry_after;
        let mut response = self.write(status, &Error::from(failure));
        if wait > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, wait.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 asks for a challenge.
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn write(self, status: StatusCode, message: &(impl prost::Message + Serialize)) -> Response {
        // Answers hold tokens and numbers: nothing on the way keeps them.
        let headers =
            [(header::CONTENT_TYPE, self.media_type()), (header::CACHE_CONTROL, "no-store")];
        (status, headers, self.encode(message)).into_response()
    }
}

/// How the answer to a request shall be written: the first known type in `Accept`, or else as the
/// request was.
fn wanted(headers: &HeaderMap, request: Encoding) -> Encoding {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.into_iter().flat_map(|list| list.split(',')).find_map(Encoding::of).unwrap_or(request)
}

/// Who sent a request, as far as the transport knows.
pub(crate) struct Caller {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) headers: HeaderMap,
}

impl Caller {
    fn of(request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        Self { peer, headers: request.headers().clone() }
    }
}

/// A request that was read, and how its answer shall be written.
pub(crate) struct Asked<T> {
    pub(crate) message: T,
    pub(crate) caller: Caller,
    pub(crate) answer: Encoding,
}

impl<S, T> FromRequest<S> for Asked<T>
where
    S: Send + Sync,
    T: prost::Message + Default + DeserializeOwned,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let caller = Caller::of(&request);
        let named = caller.headers.get(header::CONTENT_TYPE);
        // curl and fetch name no type, or a plain text, when there is no body.
        let encoding = named
            .map_or(Some(Encoding::Json), |value| Encoding::of(value.to_str().unwrap_or_default()));
        let answer = wanted(&caller.headers, encoding.unwrap_or(Encoding::Json));
        let body = match Bytes::from_request(request, state).await {
            Ok(body) => body,
            Err(rejection) => {
                let failure = Failure::bad_request("the body is too long or was cut off");
                return Err(answer.refuse(rejection.status(), failure));
            }
        };
        let Some(encoding) = encoding.or(body.is_empty().then_some(Encoding::Json)) else {
            let text = "send application/json or application/x-protobuf";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(answer.refuse(status, Failure::bad_request(text)));
        };
        match encoding.decode(&body) {
            Some(message) => Ok(Self { message, caller, answer }),
            None => Err(answer.fail(Failure::bad_request("the body cannot be read"))),
        }
    }
}
