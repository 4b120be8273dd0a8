//! A server with a phone gateway for one test: prices, a plan and trunks over the admin API, records read from it.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::server::{DEADLINE, Server, http};

/// Numbers that begin like this have a price.
pub const AREA: &str = "+1202555";

impl Server {
    /// Start it with SIP over UDP and TCP on loopback, prices for [`AREA`] and the default plan. A whole table in
    /// `extra` takes the place of ours.
    pub fn phone(extra: &str) -> Self {
        let tables = [
            "[phone]\nenabled = true\n",
            "[phone.sip]\nudp = [\"127.0.0.1:0\"]\ntcp = [\"127.0.0.1:0\"]\ntls = []\n",
            "[phone.media]\nbind = \"127.0.0.1\"\nworkers = 1\n",
            "[phone.money]\ninitial_credit = \"20.00\"\n",
        ];
        let ours = tables.iter().filter(|table| {
            let name = table.lines().next().unwrap_or_default();
            !extra.lines().any(|line| line == name)
        });
        let server = Self::start(&ours.copied().chain([extra]).collect::<String>());
        for (name, price) in [("sell", "0.01"), ("buy", "0.002")] {
            let rows = format!("prefix,destination,per_minute\n{},Test,{price}\n", &AREA[1..]);
            let path = format!("/v1/decks/{name}?currency=USD");
            let csv = [("content-type", "text/csv")];
            let answer = http(server.admin, "POST", &path, &csv, &rows);
            assert!(answer.as_ref().is_some_and(|a| a.status == 200), "{answer:?}");
        }
        let plan =
            json!({"deck": "sell", "settings": {"calls_per_second": 1000, "channels": 1000}});
        server.admin("PUT", "/v1/plans/default", &plan);
        server
    }

    /// The port on which it speaks SIP over `transport`: `udp` or `tcp`.
    pub fn sip_port(&self, transport: &str) -> u16 {
        let told = format!("SIP is spoken transport=\"{transport}\" address=");
        let log = self.log();
        let address = log.lines().find_map(|line| line.split_once(&told)).map(|(_, rest)| rest);
        let port = address.and_then(|a| a.trim().rsplit(':').next()).and_then(|p| p.parse().ok());
        port.unwrap_or_else(|| panic!("no SIP over {transport}:\n{log}"))
    }

    /// Ask the operators' API; it has to say yes.
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let kind = [("content-type", "application/json")];
        let answer = http(self.admin, method, path, &kind, &body.to_string());
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(answer.status < 300, "{method} {path} {body}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// Add a trunk to a carrier on a port of loopback, with further settings over the defaults. The gateway knows it,
    /// and whatever was set up before it, when this returns.
    pub fn trunk(&self, name: &str, port: u16, settings: &Value) {
        let mut all = Map::new();
        all.insert("proxy".into(), format!("sip:127.0.0.1:{port}").into());
        // No OPTIONS that a test does not ask for, and the caller's own number.
        all.insert("ping_s".into(), 0.into());
        all.extend(settings.as_object().cloned().unwrap_or_default());
        self.admin("PUT", &format!("/v1/trunks/{name}"), &json!({"deck": "buy", "settings": all}));
        let series = format!("offhook_gateway_trunk_up{{trunk=\"{name}\"}}");
        self.until("trunk", || self.metrics().contains(&series).then_some(()));
    }

    /// Call detail records as docs/CDR.md names their fields, oldest first, open ones too.
    pub fn records(&self) -> Vec<Value> {
        let page = self.admin("GET", "/v1/cdrs?open=true&limit=1000", &Value::Null);
        let mut records = page["cdrs"].as_array().cloned().unwrap_or_default();
        records.reverse();
        records
    }

    /// The records, once there are `many` and all are closed.
    pub fn closed_records(&self, many: usize) -> Vec<Value> {
        let closed = |record: &Value| record["status"] == "closed";
        self.until("closed records", || {
            let records = self.records();
            (records.len() >= many && records.iter().all(closed)).then_some(records)
        })
    }

    /// A metric's value, by its name with labels; zero where it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }

    fn metrics(&self) -> String {
        http(self.admin, "GET", "/metrics", &[], "").map(|a| a.body).unwrap_or_default()
    }

    /// What `look` finds, as soon as it finds something.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what} in time");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// No call, record or reservation is open, and the books are equal.
    pub fn assert_at_rest(&self) {
        self.closed_records(0);
        self.until("end of every leg", || {
            (self.metric("offhook_gateway_legs") == 0.0).then_some(())
        });
        let check = self.tool(&["ledger", "check"]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        let accounts = self.admin("GET", "/v1/accounts", &Value::Null);
        for account in accounts.as_array().expect("accounts") {
            assert_eq!(account["reserved_micros"], 0, "{account}");
        }
    }
}

/// Between two looks at something that tells nobody when it changes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
