//! Waking devices that have no connection. Offhook knows no push service: it tells a webhook, whose
//! owner holds the devices' push tokens.
//!
//! The message is JSON: `{"kind": "ring" | "cancel", "device_id": …, "call_id": …}`. It says
//! nothing about who calls; the woken device connects and asks. Messages about one device arrive in
//! order. A ring that could not be delivered while it was fresh is dropped.

use std::time::{Duration, Instant};

use offhook_types::{CallId, DeviceId};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::webhook::{BadWebhook, Webhook};

/// What a sleeping device is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There is a call for it.
    Ring,
    /// The call needs it no longer.
    Cancel,
}

/// Reaches devices that have no connection.
pub trait Push: Send + Sync {
    /// Take a message for delivery, without waiting. It may be lost.
    fn push(&self, wake: Wake, device: DeviceId, call: CallId);
}

/// Nobody is woken: only connected devices ring.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Push for Nobody {
    fn push(&self, _: Wake, _: DeviceId, _: CallId) {}
}

/// Deliveries at a time. A device always uses the same lane, which keeps its messages in order.
const LANES: usize = 8;
/// Messages waiting in each lane; more are dropped.
const WAITING: usize = 256;
/// Nobody's phone rings longer, so an older ring wakes for nothing.
const FRESH: Duration = Duration::from_secs(45);

/// Tells a webhook.
#[derive(Debug, Clone)]
pub struct WebhookPush {
    lanes: Vec<mpsc::Sender<Message>>,
}

#[derive(Debug)]
struct Message {
    wake: Wake,
    device: DeviceId,
    call: CallId,
    taken: Instant,
}

#[derive(Serialize)]
struct Body {
    kind: &'static str,
    device_id: String,
    call_id: String,
}

impl WebhookPush {
    /// Start the deliveries. To be called within a tokio runtime; they end with the last clone.
    pub fn start(url: &str, secret: &str) -> Result<Self, BadWebhook> {
        let webhook = Webhook::new(url, secret)?;
        let lanes = (0..LANES).map(|_| {
            let (lane, messages) = mpsc::channel(WAITING);
            tokio::spawn(deliver(webhook.clone(), messages));
            lane
        });
        Ok(Self { lanes: lanes.collect() })
    }
}

impl Push for WebhookPush {
    fn push(&self, wake: Wake, device: DeviceId, call: CallId) {
        let message = Message { wake, device, call, taken: Instant::now() };
        let lane = self.lanes.get((device.0 % LANES as u64) as usize);
        if lane.is_none_or(|lane| lane.try_send(message).is_err()) {
            tracing::warn!(%call, "push queue full, message dropped");
        }
    }
}

async fn deliver(webhook: Webhook, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        let kind = match message.wake {
            Wake::Ring if message.taken.elapsed() > FRESH => continue,
            Wake::Ring => "ring",
            Wake::Cancel => "cancel",
        };
        let Message { device, call, .. } = message;
        let body = Body { kind, device_id: device.to_string(), call_id: call.to_string() };
        if let Err(error) = webhook.post(&body).await {
            tracing::warn!(%call, %error, kind, "push not delivered");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::webhook::tests::{Receiver, SECRET};

    #[tokio::test]
    async fn a_device_is_told_in_order_also_when_the_receiver_stumbles() {
        let mut receiver = Receiver::start(&[503]).await;
        let push = WebhookPush::start(&receiver.url, SECRET).unwrap();
        let (device, call) = (DeviceId(5), CallId(6));
        push.push(Wake::Ring, device, call);
        push.push(Wake::Cancel, device, call);
        for kind in ["ring", "ring", "cancel"] {
            let body = json!({
                "kind": kind, "device_id": device.to_string(), "call_id": call.to_string(),
            });
            assert_eq!(receiver.got.recv().await, Some(body));
        }
    }

    #[tokio::test]
    async fn a_full_queue_drops_instead_of_growing() {
        let receiver = Receiver::start(&[]).await;
        let push = WebhookPush::start(&receiver.url, SECRET).unwrap();
        // Nothing is delivered while this test does not wait for anything.
        (0..10_000).for_each(|call| push.push(Wake::Ring, DeviceId(1), CallId(call)));
        let waiting: usize = push.lanes.iter().map(|l| WAITING - l.capacity()).sum();
        assert_eq!(waiting, WAITING);
    }
}
