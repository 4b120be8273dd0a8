//! Between the room machine's words and the messages of the LiveKit protocol.

use std::sync::Arc;

use livekit_protocol as proto;
use offhook_call::room::{
    AllowedTracks, ClientFacts, CodecView, LayerView, Left, ParticipantView, Permission, Presence,
    RoomView, Score, Source, SpeakerView, SubscriptionPermission, TrackRequest, TrackSettings,
    TrackView,
};
use offhook_types::{MediaKind, ParticipantId, TrackId};

use proto::leave_request::Action;

use crate::media_node::IceServer;

pub(super) fn room(room: &RoomView) -> proto::Room {
    proto::Room {
        sid: room.id.to_string(),
        name: room.name.clone(),
        empty_timeout: room.empty_timeout_s,
        departure_timeout: room.departure_timeout_s,
        max_participants: room.max_participants,
        creation_time: i64::try_from(room.created.as_secs()).unwrap_or(i64::MAX),
        creation_time_ms: i64::try_from(room.created.0).unwrap_or(i64::MAX),
        enabled_codecs: codecs(),
        metadata: room.metadata.clone(),
        num_participants: room.participants,
        num_publishers: room.publishers,
        version: Some(version(room.version)),
        ..proto::Room::default()
    }
}

/// Servers that help where the direct ways are blocked.
pub(super) fn ice_servers(servers: Vec<IceServer>) -> Vec<proto::IceServer> {
    let convert =
        |IceServer { urls, username, credential }| proto::IceServer { urls, username, credential };
    servers.into_iter().map(convert).collect()
}

/// What may be published.
pub(super) fn codecs() -> Vec<proto::Codec> {
    let mimes = [
        "audio/opus",
        "audio/red",
        "video/VP8",
        "video/H264",
        "video/VP9",
        "video/AV1",
        "video/rtx",
    ];
    let codec = |mime: &str| proto::Codec { mime: mime.into(), fmtp_line: String::new() };
    mimes.map(codec).into()
}

fn version(version: u32) -> proto::TimedVersion {
    proto::TimedVersion { unix_micro: i64::from(version), ticks: 0 }
}

pub(super) fn participant(person: &ParticipantView) -> proto::ParticipantInfo {
    let state = match person.presence {
        Presence::Joined => proto::participant_info::State::Joined,
        Presence::Active => proto::participant_info::State::Active,
        Presence::Gone => proto::participant_info::State::Disconnected,
    };
    proto::ParticipantInfo {
        sid: person.id.to_string(),
        identity: person.identity.clone(),
        state: state.into(),
        tracks: person.tracks.iter().map(track).collect(),
        metadata: person.metadata.clone(),
        joined_at: i64::try_from(person.joined.as_secs()).unwrap_or(i64::MAX),
        joined_at_ms: i64::try_from(person.joined.0).unwrap_or(i64::MAX),
        name: person.name.clone(),
        version: person.version,
        permission: Some(permission(&person.permission)),
        is_publisher: !person.tracks.is_empty(),
        kind: person.client.kind,
        attributes: person.attributes.clone().into_iter().collect(),
        disconnect_reason: person.left.map_or(0, |left| reason(left).into()),
        client_protocol: person.client.protocol,
        capabilities: person.client.capabilities.clone(),
        ..proto::ParticipantInfo::default()
    }
}

pub(super) fn participants(people: &[Arc<ParticipantView>]) -> Vec<proto::ParticipantInfo> {
    people.iter().map(|person| participant(person)).collect()
}

fn permission(permission: &Permission) -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: permission.subscribe,
        can_publish: permission.publish,
        can_publish_data: permission.publish_data,
        can_publish_sources: permission.sources.iter().map(|&s| source(s).into()).collect(),
        hidden: permission.hidden,
        recorder: permission.recorder,
        can_update_metadata: permission.update_metadata,
        ..proto::ParticipantPermission::default()
    }
}

pub(super) fn permission_from(permission: &proto::ParticipantPermission) -> Permission {
    Permission {
        subscribe: permission.can_subscribe,
        publish: permission.can_publish,
        publish_data: permission.can_publish_data,
        sources: permission.can_publish_sources().map(source_from).collect(),
        hidden: permission.hidden,
        recorder: permission.recorder,
        update_metadata: permission.can_update_metadata,
    }
}

fn source(source: Source) -> proto::TrackSource {
    match source {
        Source::Unknown => proto::TrackSource::Unknown,
        Source::Camera => proto::TrackSource::Camera,
        Source::Microphone => proto::TrackSource::Microphone,
        Source::Screen => proto::TrackSource::ScreenShare,
        Source::ScreenAudio => proto::TrackSource::ScreenShareAudio,
    }
}

fn source_from(source: proto::TrackSource) -> Source {
    match source {
        proto::TrackSource::Unknown => Source::Unknown,
        proto::TrackSource::Camera => Source::Camera,
        proto::TrackSource::Microphone => Source::Microphone,
        proto::TrackSource::ScreenShare => Source::Screen,
        proto::TrackSource::ScreenShareAudio => Source::ScreenAudio,
    }
}

pub(super) fn track(track: &TrackView) -> proto::TrackInfo {
    let request = &track.request;
    let kind = match request.kind {
        MediaKind::Audio => proto::TrackType::Audio,
        MediaKind::Video => proto::TrackType::Video,
    };
    let layers: Vec<_> = request.layers.iter().map(layer).collect();
    proto::TrackInfo {
        sid: track.id.to_string(),
        r#type: kind.into(),
        name: request.name.clone(),
        muted: request.muted,
        width: request.width,
        height: request.height,
        simulcast: layers.len() > 1,
        disable_dtx: request.disable_dtx,
        source: source(request.source).into(),
        mime_type: track.mime.clone(),
        mid: track.mid.clone(),
        codecs: codec_infos(track, &layers),
        layers,
        stereo: request.stereo,
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: request.stream.clone(),
        version: Some(version(track.version)),
        audio_features: request.audio_features.clone(),
        backup_codec_policy: request.backup_policy,
        packet_trailer_features: request.trailer_features.clone(),
    }
}

/// The codec that is really sent; before negotiation, what was announced first. Receivers take
/// sizes of layers from here.
fn codec_infos(track: &TrackView, layers: &[proto::VideoLayer]) -> Vec<proto::SimulcastCodecInfo> {
    let announced = track.request.codecs.first();
    let mime = match (track.mime.is_empty(), announced) {
        (true, Some(announced)) => announced.mime.clone(),
        _ => track.mime.clone(),
    };
    if mime.is_empty() {
        return Vec::new();
    }
    let cid = announced.map_or(&track.request.cid, |codec| &codec.cid).clone();
    vec![proto::SimulcastCodecInfo {
        mime_type: mime,
        mid: track.mid.clone(),
        cid,
        layers: layers.to_vec(),
        video_layer_mode: announced.map_or(0, |codec| codec.layer_mode),
        sdp_cid: String::new(),
    }]
}

fn layer(layer: &LayerView) -> proto::VideoLayer {
    proto::VideoLayer {
        quality: i32::from(layer.quality),
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
        ssrc: layer.ssrc,
        spatial_layer: layer.spatial,
        rid: layer.rid.clone(),
        repair_ssrc: 0,
    }
}

fn layer_from(layer: &proto::VideoLayer) -> LayerView {
    LayerView {
        quality: u8::try_from(layer.quality).unwrap_or(0),
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
        ssrc: layer.ssrc,
        spatial: layer.spatial_layer,
        rid: layer.rid.clone(),
    }
}

/// `None` for kinds of tracks that are neither audio nor video.
pub(super) fn track_request(request: &proto::AddTrackRequest) -> Option<TrackRequest> {
    let kind = match request.r#type() {
        proto::TrackType::Audio => MediaKind::Audio,
        proto::TrackType::Video => MediaKind::Video,
        proto::TrackType::Data => return None,
    };
    let codecs: Vec<_> = request.simulcast_codecs.iter().map(codec_from).collect();
    let mut layers: Vec<_> = request.layers.iter().map(layer_from).collect();
    if let (true, Some(first)) = (layers.is_empty(), codecs.first()) {
        layers.clone_from(&first.layers);
    }
    Some(TrackRequest {
        cid: request.cid.clone(),
        name: request.name.clone(),
        kind,
        source: source_from(request.source()),
        width: request.width,
        height: request.height,
        muted: request.muted,
        layers,
        codecs,
        stream: request.stream.clone(),
        disable_dtx: request.disable_dtx,
        disable_red: request.disable_red,
        stereo: request.stereo,
        encryption: request.encryption,
        backup_policy: request.backup_codec_policy,
        audio_features: request.audio_features.clone(),
        trailer_features: request.packet_trailer_features.clone(),
    })
}

fn codec_from(codec: &proto::SimulcastCodec) -> CodecView {
    let name = codec.codec.as_str();
    let mime = if name.is_empty() || name.contains('/') {
        name.to_owned()
    } else {
        format!("video/{name}")
    };
    CodecView {
        mime,
        cid: codec.cid.clone(),
        mid: String::new(),
        layers: codec.layers.iter().map(layer_from).collect(),
        layer_mode: codec.video_layer_mode,
    }
}

pub(super) fn settings(settings: &proto::UpdateTrackSettings) -> TrackSettings {
    TrackSettings {
        disabled: settings.disabled,
        quality: u8::try_from(settings.quality).ok(),
        width: settings.width,
        height: settings.height,
        fps: settings.fps,
        priority: settings.priority,
    }
}

pub(super) fn subscription_permission(
    permission: &proto::SubscriptionPermission,
) -> SubscriptionPermission {
    let allowed = |allowed: &proto::TrackPermission| AllowedTracks {
        participant: allowed.participant_sid.parse().ok(),
        identity: allowed.participant_identity.clone(),
        all: allowed.all_tracks,
        tracks: tracks(&allowed.track_sids),
    };
    SubscriptionPermission {
        everyone: permission.all_participants,
        allowed: permission.track_permissions.iter().map(allowed).collect(),
    }
}

/// Track ids; what is none of ours is left out.
pub(super) fn tracks(sids: &[String]) -> Vec<TrackId> {
    sids.iter().filter_map(|sid| sid.parse().ok()).collect()
}

pub(super) fn client(info: &proto::ClientInfo, kind: i32) -> ClientFacts {
    let capabilities = info.capabilities.iter().copied().take(16).collect();
    ClientFacts { kind, protocol: info.client_protocol, capabilities }
}

pub(super) fn speaker(speaker: &SpeakerView) -> proto::SpeakerInfo {
    // The protocol wants a linear level between 0 and 1 (RFC 6464 counts decibels down from 1).
    let level = 10f32.powf(-f32::from(speaker.level) / 20.0);
    proto::SpeakerInfo {
        sid: speaker.participant.to_string(),
        level: if speaker.active { level } else { 0.0 },
        active: speaker.active,
    }
}

pub(super) fn score(id: ParticipantId, score: Score) -> proto::ConnectionQualityInfo {
    let (quality, number) = match score {
        Score::Lost => (proto::ConnectionQuality::Lost, 1.0),
        Score::Poor => (proto::ConnectionQuality::Poor, 2.0),
        Score::Good => (proto::ConnectionQuality::Good, 3.5),
        Score::Excellent => (proto::ConnectionQuality::Excellent, 4.5),
    };
    proto::ConnectionQualityInfo {
        participant_sid: id.to_string(),
        quality: quality.into(),
        score: number,
    }
}

pub(super) fn qualities(
    track: TrackId,
    mime: &str,
    wanted: [bool; 3],
) -> proto::SubscribedQualityUpdate {
    let levels = [proto::VideoQuality::Low, proto::VideoQuality::Medium, proto::VideoQuality::High];
    let quality = |(level, enabled): (proto::VideoQuality, bool)| proto::SubscribedQuality {
        quality: level.into(),
        enabled,
    };
    let qualities: Vec<_> = levels.into_iter().zip(wanted).map(quality).collect();
    // Clients compare with their own short names, `vp8` and not `video/VP8`.
    let codec = mime.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    proto::SubscribedQualityUpdate {
        track_sid: track.to_string(),
        subscribed_qualities: qualities.clone(),
        subscribed_codecs: vec![proto::SubscribedCodec { codec, qualities }],
    }
}

pub(super) fn reason(left: Left) -> proto::DisconnectReason {
    match left {
        Left::ClientLeft => proto::DisconnectReason::ClientInitiated,
        Left::DuplicateIdentity => proto::DisconnectReason::DuplicateIdentity,
        Left::Removed => proto::DisconnectReason::ParticipantRemoved,
        Left::RoomDeleted => proto::DisconnectReason::RoomDeleted,
        Left::ServerShutdown => proto::DisconnectReason::ServerShutdown,
        Left::ConnectionLost => proto::DisconnectReason::SignalClose,
        Left::JoinFailed => proto::DisconnectReason::JoinFailure,
        Left::StateMismatch => proto::DisconnectReason::StateMismatch,
        Left::Misbehaved => proto::DisconnectReason::UnknownReason,
        Left::Media(_) => proto::DisconnectReason::MediaFailure,
    }
}

/// What a client is told when its session ends: to stay away, or to come back from scratch.
pub(super) fn leave(left: Left) -> proto::LeaveRequest {
    let action = match left {
        Left::JoinFailed | Left::StateMismatch | Left::ConnectionLost | Left::Media(_) => {
            Action::Reconnect
        }
        Left::ClientLeft
        | Left::DuplicateIdentity
        | Left::Removed
        | Left::RoomDeleted
        | Left::ServerShutdown
        | Left::Misbehaved => Action::Disconnect,
    };
    leave_with(action, reason(left))
}

pub(super) fn leave_with(action: Action, why: proto::DisconnectReason) -> proto::LeaveRequest {
    proto::LeaveRequest {
        can_reconnect: action != Action::Disconnect,
        reason: why.into(),
        action: action.into(),
        regions: None,
    }
}
