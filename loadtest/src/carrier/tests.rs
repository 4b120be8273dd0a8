//! The carrier calls another carrier over loopback, which shows both sides of each row of its table.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use offhook_types::phone::Digit;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::control::Control;
use super::news::{DigitBy, News};
use super::switch::{Inbox, Setup, Switch};

/// One carrier: what it says, and what it is told.
struct Side {
    said: mpsc::UnboundedReceiver<News>,
    notes: mpsc::UnboundedSender<Inbox>,
    address: SocketAddr,
}

impl Side {
    async fn open(via: SocketAddr, tcp: bool, seed: u64) -> Self {
        let (news, mut said) = mpsc::unbounded_channel();
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let switch = Switch::open(Setup { listen, tcp, via, seed }, news).await.unwrap();
        let notes = switch.notes();
        tokio::spawn(switch.run());
        let Some(News::Listening { address }) = said.recv().await else { panic!("no address") };
        let address = address.parse().unwrap();
        Self { said, notes, address }
    }

    fn tell(&self, line: &str) {
        self.notes.send(Inbox::Control(Control::parse(line).unwrap())).unwrap();
    }

    /// Passes over what is said until it is this.
    async fn until<T>(&mut self, what: &str, pick: impl Fn(&News) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let news = self.said.recv().await.expect(what);
                if let Some(found) = pick(&news) {
                    return found;
                }
            }
        });
        found.await.expect(what)
    }

    async fn answered(&mut self) {
        self.until("answer", |news| matches!(news, News::Answered { .. }).then_some(())).await;
    }

    async fn hears(&mut self, hz: u32) {
        let tone = |news: &News| match news {
            News::Heard { heard, .. } if heard.hz == Some(hz) => Some(()),
            _ => None,
        };
        self.until("tone", tone).await;
    }

    async fn bye(&mut self) {
        self.until("bye", |news| matches!(news, News::Bye { .. }).then_some(())).await;
    }

    async fn held(&mut self) -> bool {
        let held = |news: &News| match news {
            News::Hold { held, .. } => Some(*held),
            _ => None,
        };
        self.until("hold", held).await
    }

    async fn reoffered(&mut self) -> u16 {
        let status = |news: &News| match news {
            News::Reoffered { status, .. } => Some(*status),
            _ => None,
        };
        self.until("answer to an offer", status).await
    }

    async fn ended(&mut self) -> News {
        let ended = |news: &News| matches!(news, News::Ended { .. }).then(|| news.clone());
        self.until("end", ended).await
    }
}

/// A caller, and a carrier that it has called at this number.
async fn call(number: &str) -> (Side, Side) {
    call_over(number, false).await
}

async fn call_over(number: &str, tcp: bool) -> (Side, Side) {
    let nowhere = (Ipv4Addr::LOCALHOST, 9).into();
    let far = Side::open(nowhere, tcp, 1).await;
    let near = Side::open(far.address, tcp, 2).await;
    near.tell(&format!("call +12025550000 {number}"));
    (near, far)
}

#[tokio::test]
async fn ordinary_number_rings_answers_and_plays_a_tone() {
    let (mut near, mut far) = call("+12025550101").await;
    let invite = |news: &News| match news {
        News::Invite { from, asserted, to, .. } => {
            Some((from.clone(), asserted.clone(), to.clone()))
        }
        _ => None,
    };
    let from = "+12025550000".to_owned();
    let expect = (from.clone(), Some(from), "+12025550101".to_owned());
    assert_eq!(far.until("invite", invite).await, expect);
    let ringing = |news: &News| matches!(news, News::Progress { status: 180, .. }).then_some(());
    near.until("ringing", ringing).await;
    near.answered().await;
    near.hears(440).await;
    far.hears(440).await;
    near.tell("hangup 1");
    far.bye().await;
    let News::Ended { answered: true, by: "them", status: 200, traffic, .. } = far.ended().await
    else {
        panic!("the far side ended otherwise")
    };
    assert!(traffic.packets > 40 && traffic.sent > 40, "{traffic:?}");
    let News::Ended { by: "us", .. } = near.ended().await else { panic!("the near side too") };
}

#[tokio::test]
async fn echo_comes_back() {
    let (mut near, _far) = call("+12025550102").await;
    near.answered().await;
    near.hears(440).await;
}

async fn check_refusal(number: &str, status: u16, cause: Option<u16>) {
    let (mut near, _far) = call(number).await;
    let News::Ended { answered: false, by: "them", status: was, cause: why, .. } =
        near.ended().await
    else {
        panic!("{number} ended otherwise")
    };
    assert_eq!((was, why), (status, cause), "{number}");
}

#[tokio::test]
async fn refusals_have_their_status_and_cause() {
    check_refusal("+12025550103", 486, Some(17)).await;
    check_refusal("+12025550106", 404, Some(1)).await;
    check_refusal("+12025550110", 603, Some(21)).await;
    check_refusal("+12025550111", 503, None).await;
    check_refusal("+12025550113", 302, None).await;
}

#[tokio::test]
async fn announcement_is_heard_before_the_answer() {
    let (mut near, _far) = call("+12025550105").await;
    let early = |news: &News| match news {
        News::Heard { heard, .. } => heard.hz.map(Ok),
        News::Answered { .. } => Some(Err("answered")),
        _ => None,
    };
    let tone = near.until("announcement", early).await.unwrap();
    assert!([697, 941].contains(&tone), "{tone}");
    near.answered().await;
    near.hears(440).await;
}

#[tokio::test]
async fn digits_are_heard_once_each_and_answered_with_beeps() {
    let (mut near, mut far) = call("+12025550107").await;
    near.answered().await;
    near.tell("digits 1 77#");
    for face in ['7', '7', '#'] {
        let digit = |news: &News| match news {
            News::Digit { digit, by: DigitBy::Rtp, .. } => Some(*digit),
            _ => None,
        };
        assert_eq!(Some(far.until("digit", digit).await), Digit::from_face(face));
    }
    near.hears(1000).await;
    near.tell("hangup 1");
    let News::Ended { digits, .. } = far.ended().await else { panic!("no end") };
    assert_eq!(digits, "77#");
}

#[tokio::test]
async fn hold_stops_the_callers_sound_until_the_call_is_taken_back() {
    let (mut near, mut far) = call("+12025550108").await;
    assert!(near.held().await);
    assert_eq!(far.reoffered().await, 200);
    let quiet = |news: &News| match news {
        News::Heard { heard, .. } => heard.db.is_none().then_some(()),
        _ => None,
    };
    far.until("quiet", quiet).await;
    assert!(!near.held().await);
    assert_eq!(far.reoffered().await, 200);
    far.hears(440).await;
}

#[tokio::test]
async fn carrier_hangs_up() {
    let (mut near, mut far) = call("+12025550109").await;
    near.bye().await;
    let News::Ended { answered: true, by: "us", .. } = far.ended().await else { panic!("no") };
}

#[tokio::test]
async fn deaf_carrier_goes_on_after_a_bye() {
    let (mut near, mut far) = call("+12025550112").await;
    near.answered().await;
    near.tell("hangup 1");
    far.bye().await;
    let next = |news: &News| match news {
        News::Heard { .. } => Some(true),
        News::Bye { .. } | News::Ended { .. } => Some(false),
        _ => None,
    };
    // The BYE is sent again after half a second and after another, and is told only once.
    for _ in 0..3 {
        assert!(far.until("sound", next).await);
    }
    while let Ok(news) = near.said.try_recv() {
        assert!(!matches!(news, News::Ended { .. }), "{news:?}");
    }
}

#[tokio::test]
async fn caller_is_asked_for_an_offer() {
    let (mut near, mut far) = call("+12025550114").await;
    near.answered().await;
    assert_eq!(far.reoffered().await, 200);
    far.hears(440).await;
    near.hears(440).await;
    far.tell("hangup 1");
    near.bye().await;
    let News::Ended { by: "us", status: 200, .. } = far.ended().await else { panic!("no end") };
}

#[tokio::test]
async fn one_way_call_hears_and_says_nothing() {
    let (mut near, mut far) = call("+12025550115").await;
    far.hears(440).await;
    near.tell("hangup 1");
    let News::Ended { answered: true, traffic, .. } = near.ended().await else { panic!("no end") };
    assert_eq!((traffic.packets, traffic.rtcp), (0, 0));
}

#[tokio::test]
async fn transfer_is_asked_for() {
    let (_near, mut far) = call("+12025550116").await;
    let over = |news: &News| match news {
        News::Transfer { status, done: true, .. } => Some(*status),
        _ => None,
    };
    // Carriers do not let themselves be transferred.
    assert_eq!(far.until("transfer", over).await, 603);
}

#[tokio::test]
async fn silent_call_has_reports_and_comfort_noise() {
    let (mut near, _far) = call("+12025550117").await;
    let reports = |news: &News| match news {
        News::Heard { heard, traffic, .. } => {
            assert_eq!(heard.db, None);
            (traffic.rtcp > 0 && traffic.packets > 0).then_some(())
        }
        _ => None,
    };
    near.until("reports", reports).await;
}

#[tokio::test]
async fn calls_are_set_up_over_tcp() {
    let (mut near, mut far) = call_over("+12025550101", true).await;
    far.answered().await;
    near.hears(440).await;
    near.tell("quit");
    far.bye().await;
}

const PATIENCE: Duration = Duration::from_secs(60);
