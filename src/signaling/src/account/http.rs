//! The HTTP endpoints of accounts. All are POST; the messages are those of `proto/client/v1`.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::Response;
use axum::routing::post;
use offhook_call::By;
use offhook_proto::client::{
    Empty, RefreshRequest, RequestCodeRequest, RevokeDeviceRequest, UpdateProfileRequest,
    VerifyCodeRequest,
};
use offhook_store::Bearer;

use super::{Accounts, Asked, Caller, Failure, show_user};

/// The largest request is a name or two.
const LONGEST_BODY: usize = 16 * 1024;

pub(super) fn routes(accounts: Accounts) -> Router {
    Router::new()
        .route("/v1/auth/code", post(code))
        .route("/v1/auth/verify", post(verify))
        .route("/v1/auth/refresh", post(refresh))
        .route("/v1/auth/sign-out", post(sign_out))
        .route("/v1/me", post(me))
        .route("/v1/me/update", post(update))
        .route("/v1/devices/list", post(devices))
        .route("/v1/devices/revoke", post(revoke))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(accounts)
}

impl Accounts {
    /// Who sends a request, by its bearer token (RFC 6750 §2.1).
    pub(crate) async fn bearer(&self, caller: &Caller) -> Result<Bearer, Failure> {
        let value = caller.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = value.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let bearer = self.authenticate(token.ok_or_else(Failure::unauthenticated)?).await?;
        self.count_request(bearer.user.id)?;
        Ok(bearer)
    }
}

async fn code(State(accounts): State<Accounts>, asked: Asked<RequestCodeRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let done = async { accounts.request_code(accounts.source(&caller)?, message).await };
    answer.respond(done.await)
}

async fn verify(State(accounts): State<Accounts>, asked: Asked<VerifyCodeRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let done = async { accounts.verify(accounts.source(&caller)?, message).await };
    answer.respond(done.await)
}

async fn refresh(State(accounts): State<Accounts>, asked: Asked<RefreshRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let done = async { accounts.refresh(accounts.source(&caller)?, &message.refresh_token).await };
    answer.respond(done.await)
}

async fn sign_out(State(accounts): State<Accounts>, asked: Asked<Empty>) -> Response {
    let Asked { caller, answer, .. } = asked;
    let done = async {
        let bearer = accounts.bearer(&caller).await?;
        accounts.revoke(By { user: bearer.user.id, device: bearer.device.id }).await?;
        Ok(Empty {})
    };
    answer.respond(done.await)
}

async fn me(State(accounts): State<Accounts>, asked: Asked<Empty>) -> Response {
    let Asked { caller, answer, .. } = asked;
    answer.respond(accounts.bearer(&caller).await.map(|bearer| show_user(&bearer.user)))
}

async fn update(State(accounts): State<Accounts>, asked: Asked<UpdateProfileRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let done = async {
        let bearer = accounts.bearer(&caller).await?;
        accounts.rename(bearer.user.id, &message.display_name).await
    };
    answer.respond(done.await)
}

async fn devices(State(accounts): State<Accounts>, asked: Asked<Empty>) -> Response {
    let Asked { caller, answer, .. } = asked;
    let done = async { accounts.devices(&accounts.bearer(&caller).await?).await };
    answer.respond(done.await)
}

async fn revoke(State(accounts): State<Accounts>, asked: Asked<RevokeDeviceRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let done = async {
        let user = accounts.bearer(&caller).await?.user.id;
        let device = message.device_id.parse();
        let device = device.map_err(|_| Failure::bad_request("device_id is not a device's id"))?;
        accounts.revoke(By { user, device }).await?;
        Ok(Empty {})
    };
    answer.respond(done.await)
}
