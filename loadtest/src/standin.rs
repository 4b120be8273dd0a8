//! A small SFU on the `str0m` crate, to hold ours against: it speaks WHIP and WHEP like ours, so that every scenario
//! drives both alike. It forwards RTP packets as they are, to everyone else in the room, and does nothing that would
//! make it slower than such an SFU need be: no frames are put together, one thread, one socket, no clock or search of
//! all legs per packet.
//!
//! Anyone is let in: the token is read for the identity in it, so that nobody is sent their own tracks.

pub mod compare;
mod sfu;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use str0m::change::SdpOffer;
use str0m::{Candidate, Rtc};

use sfu::{Change, Joined};

/// Where it listens.
#[derive(clap::Args)]
pub struct Options {
    /// For WHIP and WHEP. Media has a port of its own on the loopback.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[derive(Clone)]
struct Door {
    media: SocketAddr,
    changes: mpsc::Sender<Change>,
    serial: Arc<AtomicU64>,
}

/// Serve until the process is ended.
pub async fn run(options: Options) -> Result<()> {
    str0m::crypto::from_feature_flags().install_process_default();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (changes, arriving) = mpsc::channel();
    let door = Door { media: socket.local_addr()?, changes, serial: Arc::default() };
    std::thread::Builder::new().name("sfu".into()).spawn(move || sfu::run(&socket, &arriving))?;
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let routes = Router::new()
        .route("/whip/{room}", post(join))
        .route("/whep/{room}", post(join))
        .route("/session/{id}", delete(leave))
        .with_state(door);
    axum::serve(listener, routes).await?;
    Ok(())
}

/// Answer an offer. What its sections say tells publishers and receivers apart.
async fn join(
    State(door): State<Door>,
    Path(room): Path<String>,
    headers: HeaderMap,
    offer: String,
) -> Response {
    match admit(&door, room, &headers, &offer) {
        Ok((id, answer)) => {
            let location = format!("/session/{id}");
            let headers = [
                (header::CONTENT_TYPE, "application/sdp".to_owned()),
                (header::LOCATION, location),
            ];
            (StatusCode::CREATED, headers, answer).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn admit(door: &Door, room: String, headers: &HeaderMap, offer: &str) -> Result<(u64, String)> {
    let offer = SdpOffer::from_sdp_string(offer)?;
    let mut rtc = Rtc::builder().set_ice_lite(true).set_rtp_mode(true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host(door.media, "udp")?).context("a candidate")?;
    let answer = rtc.sdp_api().accept_offer(offer)?;
    let id = door.serial.fetch_add(1, Ordering::Relaxed);
    let identity = identity(headers).unwrap_or_default();
    let joined = Joined { id, room, identity, rtc: Box::new(rtc) };
    door.changes.send(Change::Join(joined)).ok().context("the media thread ended")?;
    Ok((id, answer.to_sdp_string()))
}

async fn leave(State(door): State<Door>, Path(id): Path<u64>) -> StatusCode {
    let _ = door.changes.send(Change::Leave(id));
    StatusCode::OK
}

/// The subject of a bearer token, unverified.
fn identity(headers: &HeaderMap) -> Option<String> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims.get("sub")?.as_str().map(str::to_owned)
}
