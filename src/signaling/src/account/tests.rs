use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use offhook_store::Sqlite;
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::webhook::Webhook;
use crate::webhook::tests::{Receiver, SECRET};

pub(crate) const CODE: &str = "424242";
pub(crate) const ADA: &str = "+12025550101";
pub(crate) const BOB: &str = "+12025550102";

/// A store of its own, deleted with the test.
pub(crate) struct Disk {
    pub(crate) store: Arc<Sqlite>,
    folder: PathBuf,
}

impl Disk {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-signaling-{}-{serial}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let store = Arc::new(Sqlite::open(&folder.join("test.db")).await.unwrap());
        Self { store, folder }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Limits out of the way, and a code that is known.
pub(crate) fn config() -> Config {
    let many = Rate::per_minute(100_000);
    let limits = Limits {
        codes_per_number: many,
        codes_per_address: many,
        codes_in_all: many,
        refreshes_per_address: many,
        requests_per_user: many,
        keys: 1000,
    };
    Config { delivery: Delivery::Log, fixed_code: Some(CODE.into()), limits, ..Config::default() }
}

#[derive(Default)]
struct SignedOut(Mutex<Vec<By>>);

#[async_trait]
impl SignOut for SignedOut {
    async fn signed_out(&self, by: By) {
        self.0.lock().unwrap().push(by);
    }
}

/// An answer: status, headers, body as JSON.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

struct Bench {
    router: Router,
    disk: Disk,
    signed_out: Arc<SignedOut>,
}

impl Bench {
    async fn new(config: Config) -> Self {
        let disk = Disk::new().await;
        let signed_out = Arc::new(SignedOut::default());
        let accounts = Accounts::new(config, disk.store.clone(), signed_out.clone()).unwrap();
        Self { router: routes(accounts), disk, signed_out }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, body.to_vec())
    }

    async fn post_from(&self, peer: &str, path: &str, token: &str, body: Value) -> Answer {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::post(format!("/v1/{path}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .extension(ConnectInfo(peer))
            .body(Body::from(body.to_string()))
            .unwrap();
        let (status, headers, body) = self.send(request).await;
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap() }
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.post_from("192.0.2.1:1", path, token, body).await
    }

    async fn sign_in(&self, number: &str) -> Value {
        self.post("auth/code", "", json!({"number": number})).await;
        let verify = json!({"number": number, "code": CODE, "deviceName": "phone"});
        let tokens = self.post("auth/verify", "", verify).await;
        assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
        tokens.body
    }

    async fn sign_in_token(&self, number: &str) -> String {
        text(&self.sign_in(number).await["accessToken"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (status, Some(code)));
}

#[tokio::test]
async fn signing_in_makes_a_user_and_a_device() {
    let bench = Bench::new(config()).await;
    let asked = json!({"number": "(202) 555-0101", "country": "us"});
    let sent = bench.post("auth/code", "", asked).await;
    assert_eq!(sent.status, StatusCode::OK);
    assert_eq!(sent.body, json!({"expiresIn": 300, "retryAfter": 30, "number": ADA}));
    assert_eq!(sent.headers["cache-control"], "no-store");

    let verify =
        json!({"number": ADA, "code": CODE, "deviceName": " phone ", "displayName": "Ada"});
    let tokens = bench.post("auth/verify", "", verify).await.body;
    assert_eq!(tokens["user"]["displayName"], "Ada");
    assert_eq!(tokens["device"]["name"], "phone");
    assert!(text(&tokens["accessToken"]).starts_with("at_"));
    assert!(text(&tokens["refreshToken"]).starts_with("rt_"));

    let token = text(&tokens["accessToken"]);
    let me = bench.post("me", &token, json!({})).await;
    assert_eq!(me.body, tokens["user"]);
    let renamed = bench.post("me/update", &token, json!({"displayName": "Countess"})).await;
    assert_eq!(renamed.body["displayName"], "Countess");
    assert_eq!(bench.post("me", &token, json!({})).await.body["displayName"], "Countess");

    // A second sign-in is another device of the same user, under the name that was chosen.
    let again = bench.sign_in(ADA).await;
    assert_eq!(again["user"]["id"], tokens["user"]["id"]);
    assert_eq!(again["user"]["displayName"], "Countess");
    assert_ne!(again["device"]["id"], tokens["device"]["id"]);
}

#[tokio::test]
async fn a_code_works_once_and_for_its_number_only() {
    let bench = Bench::new(config()).await;
    let verify = |number| json!({"number": number, "code": CODE});
    let never_asked = bench.post("auth/verify", "", verify(ADA)).await;
    assert_refused(&never_asked, 403, "ERROR_CODE_BAD_CODE");
    bench.post("auth/code", "", json!({"number": ADA})).await;
    assert_refused(&bench.post("auth/verify", "", verify(BOB)).await, 403, "ERROR_CODE_BAD_CODE");
    assert_eq!(bench.post("auth/verify", "", verify(ADA)).await.status, StatusCode::OK);
    assert_refused(&bench.post("auth/verify", "", verify(ADA)).await, 403, "ERROR_CODE_BAD_CODE");
}

#[tokio::test]
async fn a_code_allows_five_guesses() {
    let bench = Bench::new(config()).await;
    for (guesses, expect) in [(4, StatusCode::OK), (5, StatusCode::FORBIDDEN)] {
        bench.post("auth/code", "", json!({"number": ADA})).await;
        for _ in 0..guesses {
            let wrong = bench.post("auth/verify", "", json!({"number": ADA, "code": "1"})).await;
            assert_refused(&wrong, 403, "ERROR_CODE_BAD_CODE");
        }
        let right = bench.post("auth/verify", "", json!({"number": ADA, "code": CODE})).await;
        assert_eq!(right.status, expect, "after {guesses} wrong guesses");
    }
}

#[tokio::test]
async fn a_code_expires() {
    let bench = Bench::new(Config { code_lifetime: Duration::ZERO, ..config() }).await;
    bench.post("auth/code", "", json!({"number": ADA})).await;
    let late = bench.post("auth/verify", "", json!({"number": ADA, "code": CODE})).await;
    assert_refused(&late, 403, "ERROR_CODE_BAD_CODE");
}

/// What strangers may learn by asking about a number is nothing.
#[tokio::test]
async fn known_and_unknown_numbers_are_answered_alike() {
    let bench = Bench::new(config()).await;
    bench.sign_in(ADA).await;
    let ask = async |number: &str| {
        let code = bench.post("auth/code", "", json!({"number": number})).await;
        let wrong = bench.post("auth/verify", "", json!({"number": number, "code": "0"})).await;
        let strip = |mut answer: Answer| {
            answer.body.as_object_mut().unwrap().remove("number");
            (answer.status, answer.body, answer.headers)
        };
        (strip(code), strip(wrong))
    };
    assert_eq!(ask(ADA).await, ask(BOB).await);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_second_use_revokes_the_device() {
    let bench = Bench::new(config()).await;
    let first = bench.sign_in(ADA).await;
    let refresh = |tokens: &Value| json!({"refreshToken": tokens["refreshToken"]});
    let second = bench.post("auth/refresh", "", refresh(&first)).await;
    assert_eq!(second.status, StatusCode::OK);
    let (old, new) = (text(&first["accessToken"]), text(&second.body["accessToken"]));
    assert_eq!(bench.post("me", &new, json!({})).await.status, StatusCode::OK);
    assert_refused(&bench.post("me", &old, json!({})).await, 401, "ERROR_CODE_UNAUTHENTICATED");
    assert!(bench.signed_out.0.lock().unwrap().is_empty());

    let stolen = bench.post("auth/refresh", "", refresh(&first)).await;
    assert_refused(&stolen, 401, "ERROR_CODE_UNAUTHENTICATED");
    assert_refused(&bench.post("me", &new, json!({})).await, 401, "ERROR_CODE_UNAUTHENTICATED");
    let rest = bench.post("auth/refresh", "", refresh(&second.body)).await;
    assert_refused(&rest, 401, "ERROR_CODE_UNAUTHENTICATED");
    let device = first["device"]["id"].as_str().unwrap().parse().unwrap();
    let signed_out = bench.signed_out.0.lock().unwrap();
    assert_eq!(signed_out.iter().map(|by| by.device).collect::<Vec<_>>(), [device]);
}

#[tokio::test]
async fn devices_are_listed_and_revoked_by_their_owner_only() {
    let bench = Bench::new(config()).await;
    let (first, second) = (bench.sign_in(ADA).await, bench.sign_in(ADA).await);
    let bob = bench.sign_in_token(BOB).await;
    let (one, two) = (text(&first["accessToken"]), text(&second["accessToken"]));
    let list = bench.post("devices/list", &two, json!({})).await.body;
    let current: Vec<_> =
        list["devices"].as_array().unwrap().iter().map(|d| d["current"] == true).collect();
    assert_eq!(current, [false, true]);

    let revoke = json!({"deviceId": first["device"]["id"]});
    assert_eq!(bench.post("devices/revoke", &bob, revoke.clone()).await.status, StatusCode::OK);
    assert_eq!(bench.post("me", &one, json!({})).await.status, StatusCode::OK, "not Bob's");
    assert_eq!(bench.post("devices/revoke", &two, revoke).await.status, StatusCode::OK);
    assert_refused(&bench.post("me", &one, json!({})).await, 401, "ERROR_CODE_UNAUTHENTICATED");
    assert_eq!(bench.post("auth/sign-out", &two, json!({})).await.status, StatusCode::OK);
    assert_refused(&bench.post("me", &two, json!({})).await, 401, "ERROR_CODE_UNAUTHENTICATED");
    assert_eq!(bench.signed_out.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn one_device_too_many_signs_the_oldest_out() {
    let bench = Bench::new(Config { devices_per_user: 1, ..config() }).await;
    let (one, two) = (bench.sign_in_token(ADA).await, bench.sign_in_token(ADA).await);
    assert_refused(&bench.post("me", &one, json!({})).await, 401, "ERROR_CODE_UNAUTHENTICATED");
    assert_eq!(bench.post("me", &two, json!({})).await.status, StatusCode::OK);
    assert_eq!(bench.signed_out.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_and_expired_tokens_open_nothing() {
    let bench = Bench::new(Config { access_lifetime: Duration::ZERO, ..config() }).await;
    let tokens = bench.sign_in(ADA).await;
    let (expired, refresh) = (text(&tokens["accessToken"]), text(&tokens["refreshToken"]));
    let forged = format!("at_{}", "A".repeat(43));
    for token in ["", "x", "at_", &expired, &refresh, &forged] {
        for path in ["me", "me/update", "devices/list", "devices/revoke"] {
            let refused = bench.post(path, token, json!({})).await;
            assert_refused(&refused, 401, "ERROR_CODE_UNAUTHENTICATED");
            assert_eq!(refused.headers["www-authenticate"], "Bearer");
        }
    }
}

#[tokio::test]
async fn codes_are_limited_per_number_address_and_in_all() {
    let limits = Limits {
        codes_per_number: Rate::per_hour(2),
        codes_per_address: Rate::per_hour(3),
        codes_in_all: Rate::per_hour(5),
        ..config().limits
    };
    let bench = Bench::new(Config { limits, ..config() }).await;
    let ask = async |peer: &str, number: u32| {
        let asked = json!({"number": format!("+120255501{number:02}")});
        bench.post_from(peer, "auth/code", "", asked).await
    };
    assert_eq!(ask("192.0.2.1:1", 1).await.status, StatusCode::OK);
    assert_eq!(ask("192.0.2.1:2", 1).await.status, StatusCode::OK);
    let per_number = ask("192.0.2.2:1", 1).await;
    assert_refused(&per_number, 429, "ERROR_CODE_RATE_LIMITED");
    assert_eq!(per_number.body["retryAfter"], 1800);
    assert_eq!(per_number.headers["retry-after"], "1800");

    assert_eq!(ask("192.0.2.1:3", 2).await.status, StatusCode::OK);
    assert_refused(&ask("192.0.2.1:4", 3).await, 429, "ERROR_CODE_RATE_LIMITED");
    // One IPv6 customer has many addresses, but one network.
    assert_eq!(ask("[2001:db8::1]:1", 4).await.status, StatusCode::OK);
    assert_eq!(ask("[2001:db8::2]:1", 5).await.status, StatusCode::OK);
    assert_refused(&ask("192.0.2.9:1", 6).await, 429, "ERROR_CODE_RATE_LIMITED");
}

#[tokio::test]
async fn guesses_are_limited_too() {
    let limits = Limits { codes_per_number: Rate::per_hour(1), ..config().limits };
    let bench = Bench::new(Config { limits, ..config() }).await;
    let guess = json!({"number": ADA, "code": "000000"});
    for _ in 0..5 {
        let wrong = bench.post("auth/verify", "", guess.clone()).await;
        assert_refused(&wrong, 403, "ERROR_CODE_BAD_CODE");
    }
    let limited = bench.post("auth/verify", "", guess).await;
    assert_refused(&limited, 429, "ERROR_CODE_RATE_LIMITED");
}

#[tokio::test]
async fn what_cannot_be_counted_or_stored_is_refused() {
    let bench = Bench::new(config()).await;
    let asked = json!({"number": ADA}).to_string();
    let nowhere = Request::post("/v1/auth/code").header("content-type", "application/json");
    let (status, ..) = bench.send(nowhere.body(Body::from(asked)).unwrap()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "no peer address");

    let token = bench.sign_in_token(ADA).await;
    bench.disk.store.close().await;
    let code = bench.post("auth/code", "", json!({"number": ADA})).await;
    assert_refused(&code, 503, "ERROR_CODE_UNAVAILABLE");
    let verify = json!({"number": ADA, "code": CODE});
    let verified = bench.post("auth/verify", "", verify).await;
    assert_refused(&verified, 503, "ERROR_CODE_UNAVAILABLE");
    let me = bench.post("me", &token, json!({})).await;
    assert_refused(&me, 503, "ERROR_CODE_UNAVAILABLE");
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let bench = Bench::new(config()).await;
    let token = bench.sign_in_token(ADA).await;
    let send = async |kind: &str, body: &[u8]| {
        let request = Request::post("/v1/me/update")
            .header("content-type", kind)
            .header("authorization", format!("bearer {token}"))
            .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 1))))
            .body(Body::from(body.to_vec()));
        bench.send(request.unwrap()).await.0.as_u16()
    };
    assert_eq!(send("application/json", b"{\"displayName\": \"x\"}").await, 200);
    assert_eq!(send("application/json; charset=utf-8", b"{\"fromTheFuture\": 1}").await, 200);
    assert_eq!(send("application/json", b"{").await, 400);
    assert_eq!(send("application/json", b"{\"displayName\": 1}").await, 400);
    assert_eq!(send("application/json", &b"[".repeat(10_000)).await, 400);
    assert_eq!(send("application/x-protobuf", b"\xff\xff\xff").await, 400);
    assert_eq!(send("text/html", b"<p>").await, 415);
    assert_eq!(send("application/json", &[b' '; 20_000]).await, 413);
    let long = format!("{{\"displayName\": \"{}\"}}", "x".repeat(65));
    assert_eq!(send("application/json", long.as_bytes()).await, 400);
    assert_eq!(send("application/json", b"{\"displayName\": \"a\\u0000b\"}").await, 400);
    let bad_number = bench.post("auth/code", "", json!({"number": "12345"})).await;
    assert_refused(&bad_number, 422, "ERROR_CODE_BAD_NUMBER");
}

#[tokio::test]
async fn protobuf_is_spoken_as_well() {
    let bench = Bench::new(config()).await;
    let asked = RequestCodeRequest { number: ADA.into(), country: String::new() };
    let send = async |accept: Option<&str>| {
        let mut request = Request::post("/v1/auth/code")
            .header("content-type", "application/x-protobuf")
            .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 1))));
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        bench.send(request.body(Body::from(asked.encode_to_vec())).unwrap()).await
    };
    let (status, headers, body) = send(None).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"application/x-protobuf".parse().unwrap())
    );
    assert_eq!(RequestCodeResponse::decode(&body[..]).unwrap().number, ADA);
    let (_, headers, body) = send(Some("text/html, application/json;q=0.9")).await;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["number"], ADA);
}

#[tokio::test]
async fn a_fixed_code_needs_the_log() {
    let disk = Disk::new().await;
    for delivery in [Delivery::None, Delivery::Webhook(webhook("http://127.0.0.1:9/"))] {
        let config = Config { delivery, ..config() };
        let made = Accounts::new(config, disk.store.clone(), Arc::new(SignedOut::default()));
        assert_eq!(made.err(), Some(BadConfig::FixedCode));
    }
}

fn webhook(url: &str) -> Webhook {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Webhook::new(url, SECRET).unwrap()
}

#[tokio::test]
async fn a_code_is_handed_to_the_provider() {
    let mut provider = Receiver::start(&[200, 400]).await;
    let delivery = Delivery::Webhook(webhook(&provider.url));
    let bench = Bench::new(Config { delivery, fixed_code: None, ..config() }).await;
    let sent = bench.post("auth/code", "", json!({"number": ADA})).await;
    assert_eq!(sent.status, StatusCode::OK);
    let told = provider.got.recv().await.unwrap();
    assert_eq!((&told["number"], &told["expires_in"]), (&json!(ADA), &json!(300)));
    let verify = json!({"number": ADA, "code": told["code"]});
    assert_eq!(bench.post("auth/verify", "", verify).await.status, StatusCode::OK);
    // The provider takes no more, and the user is told so.
    let failed = bench.post("auth/code", "", json!({"number": ADA})).await;
    assert_refused(&failed, 503, "ERROR_CODE_UNAVAILABLE");
}

#[tokio::test]
async fn without_delivery_nobody_signs_in() {
    let bench = Bench::new(Config { delivery: Delivery::None, fixed_code: None, ..config() }).await;
    let refused = bench.post("auth/code", "", json!({"number": ADA})).await;
    assert_refused(&refused, 503, "ERROR_CODE_UNAVAILABLE");
}
