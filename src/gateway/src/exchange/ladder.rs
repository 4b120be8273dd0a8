//! The SIP messages of each leg, for operators. They are written in the background, some at a time; a
//! message is text that the agent has freed of what proves a password.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_sip::agent::{Handle, Trace, Way};
use offhook_store::{Step, Store};
use offhook_types::PhoneId;
use tokio::sync::mpsc;

use crate::leg::Now;

/// Brings messages to the store.
#[derive(Debug)]
pub(super) struct Ladder {
    legs: HashMap<Handle, PhoneId>,
    /// Messages that came before their leg was known: the INVITE of a call that comes in.
    early: HashMap<Handle, Vec<Step>>,
    steps: mpsc::Sender<Step>,
}

/// Messages that may wait to be written; beyond that they are left out. Calls come first.
const WAITING: usize = 8192;
/// Written at once.
const BATCH: usize = 512;
/// Calls whose first messages wait for their leg.
const EARLY: usize = 256;
/// Between two writes.
const PAUSE: Duration = Duration::from_millis(250);
/// What is kept of a message.
const HEADERS: [&str; 9] = [
    "cseq",
    "call-id",
    "reason",
    "warning",
    "retry-after",
    "rseq",
    "rack",
    "session-expires",
    "refer-to",
];

impl Ladder {
    pub(super) fn start(store: Arc<dyn Store>, most: u32) -> Self {
        let (steps, written) = mpsc::channel(WAITING);
        tokio::spawn(write(store, most, written));
        Self { legs: HashMap::new(), early: HashMap::new(), steps }
    }

    /// A dialog belongs to a leg.
    pub(super) fn begin(&mut self, handle: Handle, phone: PhoneId) {
        self.legs.insert(handle, phone);
        for step in self.early.remove(&handle).unwrap_or_default() {
            self.put(Step { phone, ..step });
        }
    }

    /// A dialog is over.
    pub(super) fn over(&mut self, handle: Handle) {
        self.legs.remove(&handle);
        self.early.remove(&handle);
    }

    /// A message passed.
    pub(super) fn passed(&mut self, now: Now, trace: &Trace) {
        let Some(handle) = trace.handle else { return };
        let Some(&phone) = self.legs.get(&handle) else {
            if handle >= Handle::INCOMING
                && (self.early.len() < EARLY || self.early.contains_key(&handle))
            {
                let step = step(now, PhoneId(0), trace);
                self.early.entry(handle).or_default().push(step);
            }
            return;
        };
        self.put(step(now, phone, trace));
    }

    fn put(&self, step: Step) {
        let _ = self.steps.try_send(step);
    }
}

fn step(now: Now, phone: PhoneId, trace: &Trace) -> Step {
    Step {
        phone,
        at: now.wall,
        sent: trace.way == Way::Out,
        peer: format!("{} {}", trace.transport.name(), trace.remote),
        line: summary(&trace.text),
    }
}

/// The first line, and of the header what tells how the call went.
fn summary(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines();
    let mut summary = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if HEADERS.contains(&name.as_str()) {
            summary.push('\n');
            summary.push_str(line);
        }
    }
    summary
}

async fn write(store: Arc<dyn Store>, most: u32, mut steps: mpsc::Receiver<Step>) {
    let mut batch = Vec::with_capacity(BATCH);
    while steps.recv_many(&mut batch, BATCH).await > 0 {
        if let Err(error) = store.add_steps(&batch, most).await {
            tracing::debug!(%error, steps = batch.len(), "SIP messages were not kept");
        }
        batch.clear();
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_summed_up() {
        let text = b"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP x\r\nCSeq: 1 INVITE\r\n\
            Reason: Q.850;cause=17\r\nContent-Length: 3\r\n\r\na: b";
        assert_eq!(summary(text), "SIP/2.0 486 Busy Here\nCSeq: 1 INVITE\nReason: Q.850;cause=17");
    }
}
