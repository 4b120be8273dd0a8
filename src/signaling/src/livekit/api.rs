//! The server API: Twirp's wire shape (`POST /twirp/livekit.RoomService/Method`, JSON or protobuf).

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use livekit_protocol as proto;
use offhook_call::room::{Admin, CreateRoom, Describe, Left, Refusal, Reply, SubscriptionChange};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::data::from_server;
use super::{Inner, Livekit, convert};
use crate::token::{Claims, TokenError, bearer};

/// Twirp's error: a code, and what is wrong in words.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    code: &'static str,
    msg: String,
    #[serde(skip)]
    status: u16,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), status: status.as_u16() }
    }

    fn malformed(msg: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", msg)
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let code = match error.status() {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            _ => "permission_denied",
        };
        Self::new(error.status(), code, error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::NoRoom | Refusal::NoParticipant | Refusal::NoTrack | Refusal::NoSession => {
                (StatusCode::NOT_FOUND, "not_found")
            }
            Refusal::NotPermitted => (StatusCode::FORBIDDEN, "permission_denied"),
            Refusal::TooLong | Refusal::BadName => (StatusCode::BAD_REQUEST, "invalid_argument"),
            Refusal::RoomFull | Refusal::TooManyRooms | Refusal::TooManyTracks => {
                (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted")
            }
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(self)).into_response()
    }
}

/// Answer one call.
pub(super) async fn call(
    State(door): State<Livekit>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let token = bearer(&headers).ok_or(TokenError::Missing)?;
    let claims = door.inner.keys.verify(token)?;
    let wire = Wire::of(&headers)?;
    Call { door: &door.inner, claims, wire, body }.dispatch(&method).await
}

/// How bodies are written.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Json,
    Protobuf,
}

impl Wire {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match kind.map(|kind| kind.split(';').next().unwrap_or_default().trim()) {
            Some("application/json") => Ok(Self::Json),
            Some("application/protobuf") => Ok(Self::Protobuf),
            _ => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "bad_route",
                "Content-Type must be application/json or application/protobuf",
            )),
        }
    }
}

struct Call<'a> {
    door: &'a Inner,
    claims: Claims,
    wire: Wire,
    body: Bytes,
}

impl Call<'_> {
    async fn dispatch(self, method: &str) -> Result<Response, Problem> {
        match method {
            "CreateRoom" => self.create().await,
            "ListRooms" => self.list().await,
            "DeleteRoom" => self.delete().await,
            "ListParticipants" => self.participants().await,
            "GetParticipant" => self.participant().await,
            "RemoveParticipant" => self.remove().await,
            "MutePublishedTrack" => self.mute().await,
            "UpdateParticipant" => self.update().await,
            "UpdateSubscriptions" => self.subscriptions().await,
            "SendData" => self.send_data().await,
            "UpdateRoomMetadata" => self.metadata().await,
            "ForwardParticipant" | "MoveParticipant" | "PerformRpc" => Err(Problem::new(
                StatusCode::NOT_IMPLEMENTED,
                "unimplemented",
                "not supported by this server",
            )),
            _ => Err(Problem::new(StatusCode::NOT_FOUND, "bad_route", "no such method")),
        }
    }

    fn read<M: Message + Default + DeserializeOwned>(&self) -> Result<M, Problem> {
        match self.wire {
            Wire::Protobuf => M::decode(self.body.clone())
                .map_err(|_| Problem::malformed("the protobuf request could not be decoded")),
            Wire::Json if self.body.is_empty() => Ok(M::default()),
            Wire::Json => serde_json::from_slice(&self.body).map_err(|error| {
                Problem::malformed(format!("the json request could not be decoded: {error}"))
            }),
        }
    }

    fn write<M: Message + Serialize>(&self, message: &M) -> Result<Response, Problem> {
        let (kind, body) = match self.wire {
            Wire::Protobuf => ("application/protobuf", message.encode_to_vec()),
            Wire::Json => {
                let body = serde_json::to_vec(message).map_err(|error| {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    Problem::new(status, "internal", error.to_string())
                })?;
                ("application/json", body)
            }
        };
        Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
    }

    async fn admin(&self, admin: Admin) -> Result<Reply, Problem> {
        Ok(self.door.rooms.admin(admin).await?)
    }

    async fn create(self) -> Result<Response, Problem> {
        self.claims.creates()?;
        let request: proto::CreateRoomRequest = self.read()?;
        let room = self.door.rooms.create(CreateRoom {
            name: request.name,
            empty_timeout_s: request.empty_timeout,
            departure_timeout_s: request.departure_timeout,
            max_participants: request.max_participants,
            metadata: request.metadata,
        });
        self.write(&convert::room(&room.await?))
    }

    async fn list(self) -> Result<Response, Problem> {
        self.claims.lists()?;
        let request: proto::ListRoomsRequest = self.read()?;
        let rooms = self.door.rooms.list(request.names).await?;
        self.write(&proto::ListRoomsResponse { rooms: rooms.iter().map(convert::room).collect() })
    }

    async fn delete(self) -> Result<Response, Problem> {
        self.claims.creates()?;
        let request: proto::DeleteRoomRequest = self.read()?;
        self.door.rooms.delete(&request.room, Left::RoomDeleted).await?;
        self.write(&proto::DeleteRoomResponse {})
    }

    async fn participants(self) -> Result<Response, Problem> {
        let request: proto::ListParticipantsRequest = self.read()?;
        self.claims.administers(&request.room)?;
        let participants = match self.admin(Admin::Participants { room: request.room }).await {
            Ok(Reply::Participants(people)) => convert::participants(&people),
            // A room that nobody is in is listed as empty, whether it is kept open or not.
            Err(problem) if problem.code == "not_found" => Vec::new(),
            Ok(_) => Vec::new(),
            Err(problem) => return Err(problem),
        };
        self.write(&proto::ListParticipantsResponse { participants })
    }

    async fn participant(self) -> Result<Response, Problem> {
        let request: proto::RoomParticipantIdentity = self.read()?;
        self.claims.administers(&request.room)?;
        let (room, identity) = (request.room, request.identity);
        match self.admin(Admin::Participant { room, identity }).await? {
            Reply::Participant(person) => self.write(&convert::participant(&person)),
            _ => Err(Refusal::Unavailable.into()),
        }
    }

    async fn remove(self) -> Result<Response, Problem> {
        let request: proto::RoomParticipantIdentity = self.read()?;
        self.claims.administers(&request.room)?;
        let (room, identity) = (request.room, request.identity);
        self.admin(Admin::Remove { room, identity }).await?;
        self.write(&proto::RemoveParticipantResponse {})
    }

    async fn mute(self) -> Result<Response, Problem> {
        let request: proto::MuteRoomTrackRequest = self.read()?;
        self.claims.administers(&request.room)?;
        let track = request.track_sid.parse().map_err(|_| Refusal::NoTrack)?;
        let (room, identity, muted) = (request.room, request.identity, request.muted);
        match self.admin(Admin::Mute { room, identity, track, muted }).await? {
            Reply::Track(track) => {
                let track = Some(convert::track(&track));
                self.write(&proto::MuteRoomTrackResponse { track })
            }
            _ => Err(Refusal::Unavailable.into()),
        }
    }

    async fn update(self) -> Result<Response, Problem> {
        let request: proto::UpdateParticipantRequest = self.read()?;
        self.claims.administers(&request.room)?;
        let given = |text: String| (!text.is_empty()).then_some(text);
        let change = Describe {
            name: given(request.name),
            metadata: given(request.metadata),
            attributes: request.attributes.into_iter().collect(),
            permission: request.permission.as_ref().map(convert::permission_from),
        };
        let (room, identity) = (request.room, request.identity);
        match self.admin(Admin::Describe { room, identity, change }).await? {
            Reply::Participant(person) => self.write(&convert::participant(&person)),
            _ => Err(Refusal::Unavailable.into()),
        }
    }

    async fn subscriptions(self) -> Result<Response, Problem> {
        let request: proto::UpdateSubscriptionsRequest = self.read()?;
        self.claims.administers(&request.room)?;
        let mut tracks = convert::tracks(&request.track_sids);
        for some in &request.participant_tracks {
            tracks.extend(convert::tracks(&some.track_sids));
        }
        let change = SubscriptionChange { tracks, subscribe: request.subscribe };
        let (room, identity) = (request.room, request.identity);
        self.admin(Admin::Subscribe { room, identity, change }).await?;
        self.write(&proto::UpdateSubscriptionsResponse {})
    }

    async fn send_data(self) -> Result<Response, Problem> {
        let request: proto::SendDataRequest = self.read()?;
        self.claims.administers(&request.room)?;
        if request.data.len() > self.door.config.max_data_bytes {
            return Err(Refusal::TooLong.into());
        }
        let room = request.room.clone();
        let message = from_server(request);
        self.admin(Admin::Data { room, message }).await?;
        self.write(&proto::SendDataResponse {})
    }

    async fn metadata(self) -> Result<Response, Problem> {
        let request: proto::UpdateRoomMetadataRequest = self.read()?;
        self.claims.administers(&request.room)?;
        let (room, metadata) = (request.room, request.metadata);
        match self.admin(Admin::Metadata { room, metadata }).await? {
            Reply::Room(room) => self.write(&convert::room(&room)),
            _ => Err(Refusal::Unavailable.into()),
        }
    }
}
