//! Between the messages of native clients and the room's words.

use offhook_call::room::{
    LayerView, ParticipantView, Presence, Refusal, Source, Subscribed, TrackRequest, TrackSettings,
};
use offhook_proto::quic as proto;
use offhook_types::media::Layer;
use offhook_types::{MediaKind, ParticipantId, Ssrc, TrackId};

use super::formats;

/// Encodings of one track.
const MAX_LAYERS: usize = 3;

/// Why a message is refused.
pub(super) type Refused = (proto::Reason, &'static str);

/// A track as the client would publish it.
pub(super) struct Wished {
    pub request: TrackRequest,
    pub flow: u64,
    pub layers: Vec<Layer>,
    pub mime: String,
}

impl Wished {
    /// Every stream of it.
    pub fn streams(&self) -> Vec<Ssrc> {
        self.layers.iter().flat_map(|layer| layer.ssrc.into_iter().chain(layer.rtx)).collect()
    }
}

/// A wish that makes sense by itself.
pub(super) fn wished(publish: proto::Publish) -> Result<Wished, Refused> {
    let bad = |why| (proto::Reason::BadRequest, why);
    let kind = match publish.kind() {
        proto::Kind::Audio => MediaKind::Audio,
        proto::Kind::Video => MediaKind::Video,
        proto::Kind::Unspecified => return Err(bad("kind is not said")),
    };
    if !formats::knows(kind, &publish.mime) {
        return Err(bad("mime is none of the formats of this kind"));
    }
    let most = if kind == MediaKind::Audio { 1 } else { MAX_LAYERS };
    if !(1..=most).contains(&publish.layers.len()) {
        return Err(bad("a track has one layer, video up to three"));
    }
    let ssrc = |number: u32| (number != 0).then_some(Ssrc(number));
    let described = publish.layers.iter().map(|layer| Layer {
        rid: None,
        ssrc: ssrc(layer.ssrc),
        rtx: ssrc(layer.rtx_ssrc),
        rate: 0,
    });
    let layers: Vec<_> = described.collect();
    if layers.iter().any(|layer| layer.ssrc.is_none()) {
        return Err(bad("a layer needs its ssrc"));
    }
    let mut request = TrackRequest::new(format!("flow-{}", publish.flow), kind);
    request.source = source(publish.source(), kind);
    let largest = publish.layers.last().copied().unwrap_or_default();
    (request.width, request.height) = (largest.width, largest.height);
    (request.name, request.muted) = (publish.name, publish.muted);
    if kind == MediaKind::Video {
        let last = publish.layers.len() - 1;
        let views = publish.layers.iter().enumerate();
        request.layers = views.map(|(index, layer)| layer_view(index, last, layer)).collect();
    }
    Ok(Wished { request, flow: publish.flow, layers, mime: publish.mime })
}

/// The quality of a layer among its track's: the largest is high, the smallest of several low.
pub(super) fn quality(index: usize, last: usize) -> u8 {
    if index == last { 2 } else { u8::from(index != 0) }
}

fn layer_view(index: usize, last: usize, layer: &proto::Layer) -> LayerView {
    LayerView {
        quality: quality(index, last),
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
        ssrc: layer.ssrc,
        ..LayerView::default()
    }
}

fn source(source: proto::Source, kind: MediaKind) -> Source {
    match (source, kind) {
        (proto::Source::Camera, MediaKind::Video) => Source::Camera,
        (proto::Source::Microphone, MediaKind::Audio) => Source::Microphone,
        (proto::Source::Screen, MediaKind::Video) => Source::Screen,
        (proto::Source::ScreenAudio, MediaKind::Audio) => Source::ScreenAudio,
        _ => Source::Unknown,
    }
}

/// Ids of tracks; those that are none name nothing.
pub(super) fn tracks(ids: &[String]) -> Vec<TrackId> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

pub(super) fn settings(want: &proto::SetWant) -> TrackSettings {
    TrackSettings {
        disabled: want.paused,
        quality: None,
        width: want.width,
        height: want.height,
        fps: want.fps,
        priority: want.priority,
    }
}

pub(super) fn participant(view: &ParticipantView) -> proto::Participant {
    let track = |track: &offhook_call::room::TrackView| proto::Track {
        id: track.id.to_string(),
        name: track.request.name.clone(),
        kind: kind(track.request.kind).into(),
        source: shown(track.request.source).into(),
        mime: track.mime.clone(),
        muted: track.request.muted,
    };
    proto::Participant {
        id: view.id.to_string(),
        identity: view.identity.clone(),
        name: view.name.clone(),
        gone: view.presence == Presence::Gone,
        tracks: view.tracks.iter().map(track).collect(),
    }
}

pub(super) fn kind(kind: MediaKind) -> proto::Kind {
    match kind {
        MediaKind::Audio => proto::Kind::Audio,
        MediaKind::Video => proto::Kind::Video,
    }
}

fn shown(source: Source) -> proto::Source {
    match source {
        Source::Unknown => proto::Source::Unspecified,
        Source::Camera => proto::Source::Camera,
        Source::Microphone => proto::Source::Microphone,
        Source::Screen => proto::Source::Screen,
        Source::ScreenAudio => proto::Source::ScreenAudio,
    }
}

pub(super) fn subscribed(
    subscribed: &Subscribed,
    (flow, ssrc, rtx): (u64, Ssrc, Option<Ssrc>),
) -> proto::Subscribed {
    proto::Subscribed {
        track_id: subscribed.track.to_string(),
        participant_id: subscribed.publisher.to_string(),
        kind: kind(subscribed.kind).into(),
        mime: subscribed.mime.clone(),
        flow,
        ssrc: ssrc.0,
        rtx_ssrc: rtx.map_or(0, |rtx| rtx.0),
    }
}

pub(super) fn speaker((participant, level, active): (ParticipantId, u8, bool)) -> proto::Speaker {
    proto::Speaker { participant_id: participant.to_string(), level: level.into(), active }
}

pub(super) fn refusal(refusal: Refusal) -> proto::Refused {
    let reason = match refusal {
        Refusal::NoRoom | Refusal::NoParticipant | Refusal::NoTrack | Refusal::NoSession => {
            proto::Reason::NotFound
        }
        Refusal::NotPermitted => proto::Reason::NotPermitted,
        Refusal::TooLong | Refusal::BadName => proto::Reason::BadRequest,
        Refusal::TooManyTracks | Refusal::RoomFull | Refusal::TooManyRooms => proto::Reason::Limit,
        Refusal::Unavailable => proto::Reason::Unavailable,
    };
    proto::Refused { reason: reason.into(), message: refusal.to_string() }
}
