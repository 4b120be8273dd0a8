use std::collections::VecDeque;

use offhook_store::{Batch, Books as _, Sqlite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::export::tests::{Kept, closed as closed_record};

const SECRET: &str = "a secret of sixteen";

/// What a receiver was sent.
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// Somebody's server: answers with these statuses in turn, then with 200.
async fn receiver(statuses: &[u16]) -> (String, mpsc::UnboundedReceiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut statuses: VecDeque<u16> = statuses.iter().copied().collect();
    let (sender, got) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = Vec::new();
            let request = loop {
                if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
                    break None;
                }
                let seen = String::from_utf8_lossy(&text);
                let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
                let got = Got { head: head.into(), body: body.into() };
                if got.header("content-length").parse() == Ok(body.len()) {
                    break Some(got);
                }
            };
            let Some(request) = request else { continue };
            let status = statuses.pop_front().unwrap_or(200);
            let answer =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            if sender.send(request).is_err() {
                break;
            }
        }
    });
    (url, got)
}

fn config(url: &str) -> Config {
    let short = Duration::from_millis(1);
    let (url, secret) = (url.into(), SECRET.into());
    Config { url, secret, first_wait: short, pause: short, ..Config::default() }
}

/// That a record was closed a moment ago.
fn fresh(serial: u64) -> NewMessage {
    NewMessage { at: iso8601::now(), ..closed(&closed_record(serial)) }
}

async fn put(store: &Sqlite, messages: Vec<NewMessage>) {
    store.commit_billing(&Batch { messages, ..Batch::default() }).await.unwrap();
}

async fn next(got: &mut mpsc::UnboundedReceiver<Got>) -> Got {
    let got = tokio::time::timeout(Duration::from_secs(20), got.recv()).await;
    got.expect("a message in time").unwrap()
}

/// Waits until nothing is left to tell.
async fn emptied(outbox: &dyn Outbox) {
    let empty = async {
        while outbox.waiting_messages().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), empty).await.expect("delivered in time");
}

fn start(config: Config, store: &Arc<Sqlite>) -> Sender {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Sender::start(config, store.clone(), Rng::from_seed(1)).unwrap()
}

async fn store() -> (Arc<Sqlite>, Kept) {
    let kept = Kept::new().await;
    (kept.store.clone(), kept)
}

#[tokio::test]
async fn a_message_is_signed_and_comes_again_with_its_key_until_it_is_taken() {
    let (store, _kept) = store().await;
    let (url, mut got) = receiver(&[500, 429]).await;
    let message = fresh(7);
    let key = message.key.clone();
    put(&store, vec![message]).await;
    let sender = start(config(&url), &store);
    for _ in 0..3 {
        let got = next(&mut got).await;
        assert_eq!(got.header("idempotency-key"), key);
        let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let expect = hmac::sign(&hmac_key, got.body.as_bytes());
        let expect: String = expect.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(got.header(SIGNATURE), expect);
        let body: Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!(
            (&body["event"], &body["cdr"]["status"]),
            (&"cdr.closed".into(), &"closed".into())
        );
    }
    emptied(&*store).await;
    let counts = sender.counts();
    assert_eq!((counts.get(Told::Delivered), counts.get(Told::Refused)), (1, 2));
}

#[tokio::test]
async fn what_waits_is_told_by_the_next_process() {
    let (store, _kept) = store().await;
    put(&store, vec![fresh(1), fresh(2)]).await;
    // Nobody listens on port 9 of loopback: the first process gets nowhere.
    let first = start(config("http://127.0.0.1:9/"), &store);
    let failed = async {
        while first.counts().get(Told::NoAnswer) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), failed).await.unwrap();
    drop(first);
    let (url, mut got) = receiver(&[]).await;
    let _second = start(config(&url), &store);
    let keys = [next(&mut got).await, next(&mut got).await];
    assert!(keys.iter().all(|got| got.header("idempotency-key").starts_with("cdr.closed/CD_")));
    emptied(&*store).await;
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_given_up_and_counted() {
    let (store, _kept) = store().await;
    let (url, mut got) = receiver(&[500; 8]).await;
    put(&store, vec![fresh(1)]).await;
    let sender = start(Config { give_up: Duration::ZERO, ..config(&url) }, &store);
    next(&mut got).await;
    emptied(&*store).await;
    assert_eq!(sender.counts().get(Told::GivenUp), 1);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (url, secret) in [("ftp://host/", SECRET), ("/hook", SECRET), ("http://host/", "short")] {
        let config = Config { url: url.into(), secret: secret.into(), ..Config::default() };
        let nobody: Arc<dyn Outbox> = Arc::new(Nobody);
        assert!(Sender::start(config, nobody, Rng::from_seed(1)).is_err(), "{url}");
    }
}

struct Nobody;

#[async_trait::async_trait]
impl Outbox for Nobody {
    async fn due_messages(
        &self,
        _: WallTime,
        _: u32,
    ) -> Result<Vec<Message>, offhook_store::Error> {
        Ok(Vec::new())
    }

    async fn retry_message(&self, _: u64, _: WallTime) -> Result<(), offhook_store::Error> {
        Ok(())
    }

    async fn remove_message(&self, _: u64) -> Result<(), offhook_store::Error> {
        Ok(())
    }

    async fn waiting_messages(&self) -> Result<u64, offhook_store::Error> {
        Ok(0)
    }
}
