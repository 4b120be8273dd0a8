//! Questions of RFC 3263 to the name system, answered by the library behind it. An error or nothing
//! found is an empty answer: the agent then tries what comes next.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::proto::rr::{RData, RecordType};
use offhook_sip::agent::{Input, QueryId, Question, Record};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::Arrival;

/// Asks, and answers as arrivals.
pub(super) struct Resolver {
    /// `None` when the system has no resolver configured; then only addresses work.
    library: Option<Arc<TokioResolver>>,
    places: Arc<Semaphore>,
    arrivals: mpsc::Sender<Arrival>,
}

/// Questions under way at a time; further ones wait.
const QUESTIONS: usize = 256;
/// A carrier that cannot be resolved for so long is tried elsewhere.
const PATIENCE: Duration = Duration::from_secs(5);

impl Resolver {
    pub(super) fn new(arrivals: mpsc::Sender<Arrival>) -> Self {
        Self { library: library(), places: Arc::new(Semaphore::new(QUESTIONS)), arrivals }
    }

    pub(super) fn ask(&self, query: QueryId, question: Question) {
        let (library, places) = (self.library.clone(), self.places.clone());
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let _place = places.acquire().await;
            let records = match library {
                Some(library) => {
                    timeout(PATIENCE, answer(&library, question)).await.unwrap_or_default()
                }
                None => Vec::new(),
            };
            let _ = arrivals.send(Arrival::Input(Input::Resolved { query, records })).await;
        });
    }
}

fn library() -> Option<Arc<TokioResolver>> {
    let mut builder = TokioResolver::builder_tokio().ok()?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().ok().map(Arc::new)
}

async fn answer(library: &TokioResolver, question: Question) -> Vec<Record> {
    let (name, kind) = match question {
        Question::Naptr(name) => (name, RecordType::NAPTR),
        Question::Srv(name) => (name, RecordType::SRV),
        Question::Address(name) => return addresses(library, &name).await,
    };
    let Ok(found) = library.lookup(fully_qualified(name), kind).await else { return Vec::new() };
    found.answers().iter().filter_map(|record| read(&record.data)).collect()
}

async fn addresses(library: &TokioResolver, name: &str) -> Vec<Record> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return vec![Record::Address(address)];
    }
    match library.lookup_ip(name).await {
        Ok(found) => found.iter().map(Record::Address).collect(),
        Err(_) => Vec::new(),
    }
}

/// Without the final dot the search list of the host would be tried as well.
fn fully_qualified(mut name: String) -> String {
    if !name.ends_with('.') {
        name.push('.');
    }
    name
}

fn read(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match data {
        RData::NAPTR(naptr) => Some(Record::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: naptr.replacement.to_string(),
        }),
        RData::SRV(srv) => Some(Record::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_string(),
        }),
        _ => None,
    }
}
