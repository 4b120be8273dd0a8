//! What clients ask for, one request at a time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use livekit_protocol as proto;
use offhook_call::room::{Act, Describe, Left, Refusal, SubscriptionChange, TrackSettings};
use proto::leave_request::Action;
use proto::request_response::{Reason, Request as Echo};
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use proto::simulate_scenario::Scenario;
use tracing::debug;

use super::convert;
use super::session::{End, Session};

/// Tracks that one request may name.
const NAMED: usize = 2000;

impl Session {
    pub async fn request(&mut self, request: Request) -> Result<(), End> {
        match request {
            Request::Offer(offer) => self.offered(&offer).await,
            Request::Answer(answer) => self.answered(&answer),
            // We are ICE-lite: the client finds us, and its candidates show when it does.
            Request::Trickle(_) => Ok(()),
            Request::AddTrack(request) => self.add_track(request).await,
            Request::Mute(request) => self.mute(request).await,
            Request::Subscription(request) => self.subscription(&request).await,
            Request::TrackSetting(request) => self.track_settings(&request).await,
            Request::Leave(_) => Err(End(Left::ClientLeft)),
            Request::SubscriptionPermission(request) => {
                let permission = convert::subscription_permission(&request);
                let act = Act::SubscriptionPermission(permission);
                self.try_act(act, 0, None).await
            }
            Request::SyncState(sync) => self.sync_state(sync).await,
            Request::Simulate(scenario) => self.simulate(&scenario),
            Request::Ping(_) => self.say(Response::Pong(millis())),
            Request::PingReq(ping) => {
                let pong = proto::Pong { last_ping_timestamp: ping.timestamp, timestamp: millis() };
                self.say(Response::PongResp(pong))
            }
            Request::UpdateMetadata(request) => self.update_metadata(request).await,
            Request::UpdateAudioTrack(request) => match request.track_sid.parse() {
                Ok(track) => {
                    let features = request.features.clone();
                    let act = Act::AudioFeatures { track, features };
                    self.try_act(act, 0, Some(Echo::UpdateAudioTrack(request))).await
                }
                Err(_) => self.refused(0, Refusal::NoTrack, Some(Echo::UpdateAudioTrack(request))),
            },
            Request::UpdateVideoTrack(request) => match request.track_sid.parse() {
                Ok(track) => {
                    let (width, height) = (request.width, request.height);
                    let act = Act::Resize { track, width, height };
                    self.try_act(act, 0, Some(Echo::UpdateVideoTrack(request))).await
                }
                Err(_) => self.refused(0, Refusal::NoTrack, Some(Echo::UpdateVideoTrack(request))),
            },
            Request::PublishDataTrackRequest(request) => {
                self.unsupported(0, Some(Echo::PublishDataTrack(request)))
            }
            Request::UnpublishDataTrackRequest(request) => {
                self.unsupported(0, Some(Echo::UnpublishDataTrack(request)))
            }
            Request::StoreDataBlobRequest(request) => self.unsupported(request.request_id, None),
            Request::GetDataBlobRequest(request) => self.unsupported(request.request_id, None),
            // Neither has an answer in the protocol: the sizes of layers are known from their
            // announcement, and there are no data tracks to subscribe to.
            Request::UpdateLayers(_) | Request::UpdateDataSubscription(_) => Ok(()),
        }
    }

    async fn try_act(&mut self, act: Act, id: u32, echo: Option<Echo>) -> Result<(), End> {
        match self.seat.act(act).await {
            Ok(_) => Ok(()),
            Err(refusal) => self.refused(id, refusal, echo),
        }
    }

    async fn subscription(&mut self, request: &proto::UpdateSubscription) -> Result<(), End> {
        let mut tracks = convert::tracks(&request.track_sids);
        for some in &request.participant_tracks {
            tracks.extend(convert::tracks(&some.track_sids));
        }
        tracks.truncate(NAMED);
        let subscribe = request.subscribe;
        self.try_act(Act::Subscribe(SubscriptionChange { tracks, subscribe }), 0, None).await
    }

    async fn track_settings(&mut self, request: &proto::UpdateTrackSettings) -> Result<(), End> {
        let mut tracks = convert::tracks(&request.track_sids);
        tracks.truncate(NAMED);
        let settings = convert::settings(request);
        self.try_act(Act::Settings { tracks, settings }, 0, None).await
    }

    async fn update_metadata(
        &mut self,
        request: proto::UpdateParticipantMetadata,
    ) -> Result<(), End> {
        let id = request.request_id;
        let change = Describe {
            name: Some(request.name.clone()),
            metadata: Some(request.metadata.clone()),
            attributes: request.attributes.clone().into_iter().collect(),
            permission: None,
        };
        match self.seat.act(Act::Describe(change)).await {
            Ok(_) => self.respond(id, Reason::Ok, "", Some(Echo::UpdateMetadata(request))),
            Err(refusal) => self.refused(id, refusal, Some(Echo::UpdateMetadata(request))),
        }
    }

    /// What a client that comes back believes.
    pub async fn sync_state(&mut self, sync: proto::SyncState) -> Result<(), End> {
        let known = |published: &proto::TrackPublishedResponse| {
            let sid = published.track.as_ref().map(|track| track.sid.as_str()).unwrap_or_default();
            self.own.iter().any(|own| own.track.to_string() == sid)
        };
        if !sync.publish_tracks.iter().all(known) {
            debug!("client believes in tracks that are gone");
            return Err(End(Left::StateMismatch));
        }
        if let Some(subscription) = &sync.subscription {
            self.subscription(subscription).await?;
        }
        let mut tracks = convert::tracks(&sync.track_sids_disabled);
        tracks.truncate(NAMED);
        if !tracks.is_empty() {
            let settings = TrackSettings { disabled: true, ..TrackSettings::default() };
            self.try_act(Act::Settings { tracks, settings }, 0, None).await?;
        }
        Ok(())
    }

    fn simulate(&mut self, scenario: &proto::SimulateScenario) -> Result<(), End> {
        match scenario.scenario {
            Some(Scenario::SpeakerUpdate(seconds)) => {
                let seconds = u64::try_from(seconds.clamp(1, 60)).unwrap_or(1);
                let until = Instant::now() + Duration::from_secs(seconds);
                self.simulated.speaking_until = Some(until);
                self.simulate_speaking(true)
            }
            Some(Scenario::NodeFailure(true)) => Err(End(Left::ConnectionLost)),
            Some(Scenario::Migration(true)) => self.send_away(Action::Resume),
            Some(Scenario::ServerLeave(true)) => Err(End(Left::ServerShutdown)),
            Some(Scenario::LeaveRequestFullReconnect(true)) => self.send_away(Action::Reconnect),
            Some(Scenario::DisconnectSignalOnResume(true)) => {
                self.simulated.drop_after = true;
                self.drop_line()
            }
            Some(Scenario::DisconnectSignalOnResumeNoMessages(true)) => {
                self.simulated.drop_before = true;
                self.drop_line()
            }
            // There is one way to reach us, and no bandwidth limit to change.
            _ => self.unsupported(0, None),
        }
    }

    pub fn simulate_speaking(&mut self, active: bool) -> Result<(), End> {
        let level = if active { 0.5 } else { 0.0 };
        let speaker = proto::SpeakerInfo { sid: self.sid.clone(), level, active };
        let speakers = vec![speaker];
        self.say(Response::SpeakersChanged(proto::SpeakersChanged { speakers }))
    }

    /// A request of a kind that we do not know or do not do.
    pub fn unsupported(&mut self, id: u32, echo: Option<Echo>) -> Result<(), End> {
        self.respond(id, Reason::UnsupportedType, "not supported by this server", echo)
    }

    /// A request that the room did not grant.
    pub fn refused(&mut self, id: u32, why: Refusal, echo: Option<Echo>) -> Result<(), End> {
        let reason = match why {
            Refusal::NoSession => return Err(End(Left::StateMismatch)),
            Refusal::NoRoom | Refusal::NoParticipant | Refusal::NoTrack => Reason::NotFound,
            Refusal::NotPermitted => Reason::NotAllowed,
            Refusal::TooLong | Refusal::TooManyTracks => Reason::LimitExceeded,
            Refusal::RoomFull | Refusal::TooManyRooms => Reason::LimitExceeded,
            Refusal::BadName => Reason::InvalidName,
            Refusal::Unavailable => Reason::UnclassifiedError,
        };
        self.respond(id, reason, &why.to_string(), echo)
    }

    pub fn respond(
        &mut self,
        id: u32,
        reason: Reason,
        message: &str,
        echo: Option<Echo>,
    ) -> Result<(), End> {
        self.say(Response::RequestResponse(proto::RequestResponse {
            request_id: id,
            reason: reason.into(),
            message: message.into(),
            request: echo,
        }))
    }
}

fn millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
