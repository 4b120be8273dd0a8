use std::net::UdpSocket;
use std::time::Duration;

use offhook_types::PayloadType;
use tokio::time::timeout;

use super::*;
use crate::words::{Carrier, Format, Latch, PhoneCodec, RtcpPath, Side};

const PHONE: PhoneId = PhoneId(7);

fn start(bridges_per_worker: usize) -> (Bridges, mpsc::UnboundedReceiver<Notice>) {
    // The system's ports lie elsewhere, and whatever is taken is passed over.
    let config = Config { bridges_per_worker, ports: 20_000..=29_999, ..Config::default() };
    Bridges::start(config).unwrap()
}

fn carrier(phone: &UdpSocket) -> Order {
    let remote = phone.local_addr().unwrap();
    let (send, receive) = (PayloadType(0), PayloadType(0));
    Order::SetCarrier(Box::new(Carrier {
        remote,
        rtcp: RtcpPath::Mux,
        sends: true,
        receives: true,
        formats: vec![Format { codec: PhoneCodec::Pcmu, send, receive }],
        telephone_event: None,
        comfort_noise: None,
        ptime_ms: 20,
        srtp: None,
        latch: Latch::Strict,
        inband_digits: false,
    }))
}

/// The next notice, which must come within seconds.
async fn next(notices: &mut mpsc::UnboundedReceiver<Notice>) -> Notice {
    timeout(Duration::from_secs(10), notices.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_bridge_sends_hears_and_closes() {
    let (bridges, mut notices) = start(10);
    let handle = bridges.handle();
    let opened = handle.open(PHONE, Options::default()).await.unwrap();
    assert_eq!(opened.carrier.port() % 2, 0);
    assert_eq!(handle.open(PHONE, Options::default()).await, Err(Refused::Taken));
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    handle.order(PHONE, carrier(&phone));
    let mut packet = [0; 200];
    let (len, from) = phone.recv_from(&mut packet).unwrap();
    assert_eq!((len, from), (172, opened.carrier));
    packet[..2].copy_from_slice(&[0x80, 0]);
    phone.send_to(&packet[..172], opened.carrier).unwrap();
    let notice = next(&mut notices).await;
    assert_eq!(notice.phone, PHONE);
    assert_eq!(notice.event, Event::FirstMedia { from: Side::Carrier });
    handle.order(PHONE, Order::Close);
    let notice = next(&mut notices).await;
    assert!(matches!(notice.event, Event::Closed(report) if report.from_carrier.received == 1));
    assert!(handle.counters().await.get(Count::FromCarrier) == 1);
    // Its ports are free again.
    assert!(UdpSocket::bind(opened.carrier).is_ok());
    bridges.stop();
    assert_eq!(handle.open(PHONE, Options::default()).await, Err(Refused::Stopped));
}

#[tokio::test]
async fn a_full_worker_refuses_and_stopping_closes_all() {
    let (bridges, mut notices) = start(2);
    let handle = bridges.handle();
    for phone in 1..=2 {
        assert!(handle.open(PhoneId(phone), Options::default()).await.is_ok());
    }
    assert_eq!(handle.open(PhoneId(3), Options::default()).await, Err(Refused::Busy));
    bridges.stop();
    for _ in 0..2 {
        assert!(matches!(next(&mut notices).await.event, Event::Closed(_)));
    }
}
