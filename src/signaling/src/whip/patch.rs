//! Requests about a running session: trickled candidates, ICE restart, the end (RFC 9725 §4.3).

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offhook_wire::sdp::Fragment;
use tokio::sync::{mpsc, oneshot};

use super::reply::{self, Problem};
use super::session::{Ask, Patched};
use super::{Door, Whip};

/// PATCH: candidates, which a lite agent has no use for but reads, or an ICE restart.
pub(super) async fn patch(
    door: Door,
    State(whip): State<Whip>,
    Path((room, session)): Path<(String, String)>,
    (headers, body): (HeaderMap, Result<Bytes, BytesRejection>),
) -> Result<Response, Problem> {
    reply::content_type(&headers, reply::FRAGMENT)?;
    let entry = whip.find(&headers, (door, &room, &session))?;
    let fragment = Fragment::parse(&reply::text(body)?)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let matched = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let Some(matched) = matched.map(str::to_owned) else {
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "If-Match is missing"));
    };
    let patched = ask(&entry.asks, |reply| Ask::Patch { fragment, matched, reply }).await?;
    match patched {
        Patched::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { fragment, etag } => {
            let headers =
                [(header::CONTENT_TYPE, reply::FRAGMENT.to_owned()), (header::ETAG, etag)];
            Ok((StatusCode::OK, headers, fragment.to_string()).into_response())
        }
        Patched::Mismatch => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "the session has other ICE credentials by now",
        )),
        Patched::Refused(refused) => Err(refused.into()),
        Patched::NodeFull => Err(Problem::full()),
    }
}

/// DELETE: the session ends.
pub(super) async fn delete(
    door: Door,
    State(whip): State<Whip>,
    Path((room, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let entry = whip.find(&headers, (door, &room, &session))?;
    ask(&entry.asks, |reply| Ask::End { reply }).await?;
    whip.entries().remove(&session);
    Ok(StatusCode::OK)
}

/// Ask the session's task; one that is gone was no session any more.
async fn ask<T>(
    asks: &mpsc::Sender<Ask>,
    question: impl FnOnce(oneshot::Sender<T>) -> Ask,
) -> Result<T, Problem> {
    let gone = || Problem::new(StatusCode::NOT_FOUND, "no such session");
    let (reply, answer) = oneshot::channel();
    asks.send(question(reply)).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())
}
