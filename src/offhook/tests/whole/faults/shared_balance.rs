//! Two hundred calls at once on one small balance, over the real gateway and the demo carrier. The app lets a person
//! make one call at a time, so they are dialled at the gateway's own door.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use offhook_bridge as bridge;
use offhook_gateway::books::{Books, Moved};
use offhook_gateway::exchange;
use offhook_gateway::gateway::{Config, Gateway};
use offhook_gateway::transport;
use offhook_store::{Sqlite, Users};
use offhook_types::phone::{Cause, Command, Dial, Event};
use offhook_types::{CallId, PhoneId, UserId, WallTime};
use serde_json::json;
use tokio::sync::{broadcast, mpsc};

use super::{CONFIG, SECOND, booked, charged, leave, stage};
use crate::caller::Caller;
use crate::phone::AREA;
use crate::server::{DEADLINE, Server};

const ADA: &str = "+13035550101";
const CALLS: u64 = 200;
/// Enough for a quarter of them to begin, and for none to go on for long.
const BALANCE: i64 = 100 * SECOND;

#[test]
fn many_calls_on_one_balance_never_spend_more_than_there_is() {
    let (mut server, carrier) = stage();
    Caller::sign_up(&server, ADA).ask("balance", json!({}));
    leave(&server, ADA, BALANCE, "small");
    let plan = json!({"deck": "sell", "settings": {"calls_per_second": null, "channels": null}});
    server.admin("PUT", "/v1/plans/default", &plan);
    let rule = json!({"settings": {"measure": "concurrent", "limit": "1000", "action": "warn"}});
    server.admin("PUT", "/v1/fraud/rules/none", &rule);
    assert!(server.terminate(), "{}", server.log());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let (ended, least) = runtime.expect("a runtime").block_on(dial_all(&server));
    assert!(least >= 0, "overspent by {least}");
    let server = server.kill_and_restart(CONFIG);
    let records = server.closed_records(1);
    assert_eq!(BALANCE - booked(&server, ADA), charged(&records));
    assert!(booked(&server, ADA) >= 0);
    let of = |cause: Cause| ended.iter().filter(|ended| **ended == cause).count();
    assert_eq!(of(Cause::NoCredit) + of(Cause::CreditEnded), ended.len(), "{ended:?}");
    assert!(of(Cause::CreditEnded) > 1, "{ended:?}");
    assert_eq!(carrier.all("invite").len(), of(Cause::CreditEnded), "{ended:?}");
    server.assert_at_rest();
}

/// Dial everything at once; how each ended, and the least that the account ever had left.
async fn dial_all(server: &Server) -> (Vec<Cause>, i64) {
    let store = Arc::new(Sqlite::open(&server.store()).await.expect("the store"));
    let user = store.user_by_number(&ADA.parse().expect("a number")).await.expect("an answer");
    let user = user.expect("a user").id;
    let started = Books::start(store.clone(), Default::default(), now()).await;
    let (books, _, writer) = started.expect("books");
    let watch = tokio::spawn(least_left(books.moved()));
    let (tell, mut told) = mpsc::unbounded_channel();
    let loopback = "127.0.0.1:0".parse().expect("an address");
    let mut options = exchange::Options::default();
    let second = Duration::from_secs(1);
    options.slicing.length = 2 * second;
    (options.slicing.least, options.slicing.warning) = (second, second);
    options.slicing.lead = Duration::ZERO;
    let config = Config {
        sip: transport::Options { udp: vec![loopback], ..Default::default() },
        agent: Default::default(),
        bridges: bridge::Config { bridges_per_worker: 1000, ..Default::default() },
        options,
    };
    let tell = Arc::new(move |event| drop(tell.send(event)));
    let gateway = Gateway::start(config, (store.clone(), books), tell, Arc::new(|_, _| {})).await;
    let gateway = gateway.expect("a gateway");
    (1..=CALLS).for_each(|serial| gateway.send(dial(serial, user)));
    let mut going: HashSet<PhoneId> = (1..=CALLS).map(PhoneId).collect();
    let mut causes = Vec::new();
    while !going.is_empty() {
        let event = tokio::time::timeout(DEADLINE, told.recv()).await.expect("in time");
        if let Some(Event::Ended { phone, cause }) = event {
            assert!(going.remove(&phone), "ended twice");
            causes.push(cause);
        }
    }
    gateway.stop().await;
    drop(gateway);
    // It ends when everything is written and nobody can ask for more.
    tokio::time::timeout(DEADLINE, writer).await.expect("in time").expect("no panic");
    store.close().await;
    (causes, watch.await.expect("no panic"))
}

/// The least that an account ever had left.
async fn least_left(mut moved: broadcast::Receiver<Moved>) -> i64 {
    let mut least = i64::MAX;
    loop {
        match moved.recv().await {
            Ok((_, balance)) => least = least.min(balance.booked.0 - balance.reserved.0),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return least,
        }
    }
}

fn dial(serial: u64, user: UserId) -> Command {
    let to = format!("{AREA}{:02}01", serial % 100).parse().expect("a number");
    Command::Dial(Dial {
        phone: PhoneId(serial),
        call: CallId(serial),
        user,
        to,
        quote: None,
        anonymous: false,
    })
}

fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    WallTime(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)))
}
