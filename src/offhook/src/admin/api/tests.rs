//! The API over a real store and real books.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{Method, header};
use offhook_gateway::books::{self, Books};
use offhook_gateway::exchange::Newcomer;
use offhook_store::{NewUser, Sqlite, Users};
use offhook_types::{Currency, Micros, Rng, UserId, WallTime};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const TOKEN: &str = "a-token-of-at-least-thirty-two-characters";
const ADA: &str = "+12025550123";

struct Api {
    routes: Router,
    folder: PathBuf,
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Api {
    async fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir();
        let folder = folder.join(format!("offhook-admin-{}-{serial}", std::process::id()));
        let store = Arc::new(Sqlite::open(&folder.join("offhook.db")).await.unwrap());
        let started = Books::start(store.clone(), books::Config::default(), WallTime(1000)).await;
        let (books, ..) = started.unwrap();
        let number = ADA.parse().unwrap();
        let ada = NewUser { id: UserId(1), number, display_name: String::new() };
        store.sign_up(WallTime(1000), &ada).await.unwrap();
        let (plan, credit) = ("retail".to_owned(), Micros::ZERO);
        let terms = Newcomer { plan, currency: Currency::USD, credit };
        let listener: offhook_gateway::operate::Listener =
            Arc::new(|_| Box::pin(std::future::ready(())));
        let desk = Desk::new(store, books, terms, (listener, Rng::from_seed(1)));
        Self { routes: routes(desk, &Secret(TOKEN.into())), folder }
    }

    async fn ask(&self, request: Request) -> (StatusCode, Value) {
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        if status.is_client_error() {
            assert_eq!(kind.unwrap(), "application/problem+json");
        }
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn json(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(request(method, path, body.to_string(), "application/json")).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.json(Method::GET, path, Value::Null).await
    }
}

fn request(method: Method, path: &str, body: String, kind: &str) -> Request {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::CONTENT_TYPE, kind)
        .header("idempotency-key", "invoice-1")
        .body(Body::from(body))
        .unwrap()
}

async fn import(api: &Api, name: &str, csv: &str) -> (StatusCode, Value) {
    let path = format!("/v1/decks/{name}?currency=USD");
    api.ask(request(Method::POST, &path, csv.into(), "text/csv")).await
}

#[tokio::test]
async fn without_the_token_only_the_description_is_told() {
    let api = Api::start().await;
    for (token, path, expect) in [
        ("", "/v1/trunks", StatusCode::UNAUTHORIZED),
        ("Bearer wrong", "/v1/trunks", StatusCode::UNAUTHORIZED),
        ("", "/openapi.json", StatusCode::OK),
    ] {
        let request = Request::get(path).header(header::AUTHORIZATION, token);
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(api.ask(request).await.0, expect, "{token} {path}");
    }
    assert_eq!(api.get("/v1/trunks").await, (StatusCode::OK, json!([])));
}

#[tokio::test]
async fn the_description_has_every_route_and_every_reference_leads_somewhere() {
    let api = Api::start().await;
    let (status, description) = api.get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let paths = description["paths"].as_object().unwrap();
    let mut operations = 0;
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse::<Method>().unwrap();
            let filled = path.replace("{number}", ADA).replace("{seq}", "1");
            let filled = filled.split('{').enumerate().map(|(nth, part)| match nth {
                0 => part.to_owned(),
                _ => format!("x{}", part.split_once('}').unwrap().1),
            });
            // Nothing is named x, and an empty object is no request: an answer from the handler says so, one
            // from the router would be without a problem.
            let (status, answer) =
                api.json(method.clone(), &filled.collect::<String>(), json!({})).await;
            let routed = status.is_success() || answer["detail"].is_string();
            assert!(routed, "{method} {path} answers {status}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            operations += 1;
        }
    }
    assert_eq!(operations, 28, "routes and this test grow together");
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}

#[tokio::test]
async fn a_list_is_imported_whole_or_every_bad_row_is_named() {
    let api = Api::start().await;
    let (status, problem) = import(&api, "retail", "prefix,per_minute\nx,1\n49,y\n").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["line"]), (2, &json!(2)));
    assert_eq!(errors[1]["field"], "per_minute");
    assert_eq!(api.get("/v1/decks").await.1, json!([]));
    let (status, deck) = import(&api, "retail", "prefix,per_minute\n49,0.05\n").await;
    assert_eq!((status, &deck["version"], &deck["rows"]), (StatusCode::OK, &json!(1), &json!(1)));
}

#[tokio::test]
async fn a_call_can_be_set_up_paid_for_and_explained() {
    let api = Api::start().await;
    import(&api, "retail", "prefix,per_minute\n49,0.05\n").await;
    import(&api, "carrier", "prefix,per_minute\n49,0.01\n").await;
    let plan = json!({"deck": "retail"});
    assert_eq!(api.json(Method::PUT, "/v1/plans/retail", plan).await.0, StatusCode::OK);
    let trunk = json!({"deck": "carrier", "settings": {"proxy": "sip:192.0.2.1"}});
    assert_eq!(api.json(Method::PUT, "/v1/trunks/carrier", trunk).await.0, StatusCode::OK);
    let asked = json!({"number": "+4930901820", "account": ADA});
    let account = format!("/v1/accounts/{ADA}");
    assert_eq!(api.get(&account).await.1["booked_micros"], 0);
    let refused = api.json(Method::POST, "/v1/routes/explain", asked.clone()).await.1;
    assert_eq!(refused["refusal"], "no_credit");
    let money = json!({"kind": "top_up", "amount": "5.00", "reason": "paid"});
    let transfers = format!("{account}/transfers");
    for new in [true, false] {
        let (status, booked) = api.json(Method::POST, &transfers, money.clone()).await;
        assert_eq!((status, &booked["new"]), (StatusCode::OK, &json!(new)));
        assert_eq!(booked["booked_micros"], 5_000_000);
    }
    assert_eq!(api.get(&transfers).await.1.as_array().unwrap().len(), 1);
    let allowed = api.json(Method::POST, "/v1/routes/explain", asked).await.1;
    assert_eq!(allowed["refusal"], Value::Null);
    assert_eq!(allowed["route"]["trunks"][0]["trunk"], "carrier");
}

#[tokio::test]
async fn what_is_wrong_has_its_status_and_field() {
    let api = Api::start().await;
    let check = async |method, path: &str, body, status: StatusCode, field: Value| {
        let (said, problem) = api.json(method, path, body).await;
        assert_eq!((said, &problem["errors"][0]["field"]), (status, &field), "{path}: {problem}");
        assert_eq!(problem["status"], status.as_u16());
    };
    let (get, put) = (Method::GET, Method::PUT);
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let trunk = json!({"settings": {"proxy": "nowhere"}});
    check(put.clone(), "/v1/trunks/a", trunk, wrong, json!("settings.proxy")).await;
    check(put.clone(), "/v1/trunks/a", json!({"settngs": {}}), wrong, Value::Null).await;
    check(get.clone(), "/v1/cdrs?from=soon", Value::Null, wrong, json!("from")).await;
    check(get.clone(), "/v1/cdrs/x", Value::Null, wrong, json!("cdr")).await;
    let missing = StatusCode::NOT_FOUND;
    check(get.clone(), "/v1/cdrs/CD_00000000001", Value::Null, missing, Value::Null).await;
    check(get, "/v1/cdrs?limt=1", Value::Null, StatusCode::BAD_REQUEST, Value::Null).await;
    let large = json!({"settings": {"proxy": "x".repeat(BODY_BYTES)}});
    check(put, "/v1/trunks/a", large, StatusCode::PAYLOAD_TOO_LARGE, Value::Null).await;
}
