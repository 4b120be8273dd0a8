use offhook_types::Rng;

use super::{Step, Walk};
use crate::agent::{Question, Record, Transport};
use crate::uri::Uri;

/// What the name system holds: questions in words, and their answers.
type Zone<'a> = &'a [(&'a str, &'a [Record])];

fn asked(question: &Question) -> String {
    match question {
        Question::Naptr(name) => format!("naptr {name}"),
        Question::Srv(name) => format!("srv {name}"),
        Question::Address(name) => format!("a {name}"),
    }
}

fn resolve(uri: &str, zone: Zone<'_>, seed: u64) -> (Vec<String>, Vec<String>) {
    let uri = Uri::parse(uri.as_bytes()).unwrap();
    let usable = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    let mut walk = Walk::new(uri.as_sip().unwrap(), usable);
    let (mut rng, mut questions) = (Rng::from_seed(seed), Vec::new());
    loop {
        match walk.step() {
            Step::Ask(question) => {
                let question = asked(&question);
                let known = zone.iter().find(|(name, _)| *name == question);
                walk.handle_records(known.map(|(_, r)| r.to_vec()).unwrap_or_default(), &mut rng);
                questions.push(question);
            }
            Step::Done(targets) => {
                let shown = targets.iter().map(|t| format!("{} {}", t.transport.name(), t.remote));
                return (questions, shown.collect());
            }
        }
    }
}

#[track_caller]
fn check(uri: &str, zone: Zone<'_>, questions: &[&str], targets: &[&str]) {
    let (asked, found) = resolve(uri, zone, 1);
    assert_eq!(asked, questions, "{uri}");
    assert_eq!(found, targets, "{uri}");
}

fn naptr(order: u16, service: &str, replacement: &str) -> Record {
    let (flags, service, replacement) = ("s".into(), service.into(), replacement.into());
    Record::Naptr { order, preference: 10, flags, service, replacement }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record::Srv { priority, weight, port, target: target.into() }
}

fn a(last: u8) -> Record {
    Record::Address([192, 0, 2, last].into())
}

#[test]
fn an_address_asks_nothing() {
    check("sip:x@192.0.2.1", &[], &[], &["udp 192.0.2.1:5060"]);
    check("sip:192.0.2.1:99;transport=tcp", &[], &[], &["tcp 192.0.2.1:99"]);
    check("sips:192.0.2.1", &[], &[], &["tls 192.0.2.1:5061"]);
    check("sip:a.example;maddr=192.0.2.7", &[], &[], &["udp 192.0.2.7:5060"]);
}

#[test]
fn a_port_asks_for_addresses_alone() {
    check(
        "sip:a.example:99",
        &[("a a.example", &[a(1), a(2)])],
        &["a a.example"],
        &["udp 192.0.2.1:99", "udp 192.0.2.2:99"],
    );
}

#[test]
fn services_are_tried_in_the_order_of_the_zone() {
    check(
        "sip:a.example",
        &[
            ("naptr a.example", &[naptr(20, "SIP+D2U", "u"), naptr(10, "SIP+D2T", "t")]),
            ("srv t", &[srv(2, 1, 7000, "late"), srv(1, 1, 7001, "soon")]),
            ("srv u", &[srv(1, 1, 7002, "soon")]),
            ("a soon", &[a(1)]),
            ("a late", &[a(2)]),
        ],
        &["naptr a.example", "srv t", "a soon", "a late", "srv u", "a soon"],
        &["tcp 192.0.2.1:7001", "tcp 192.0.2.2:7000", "udp 192.0.2.1:7002"],
    );
}

#[test]
fn a_bare_host_is_the_last_resort() {
    check(
        "sip:a.example",
        &[("a a.example", &[a(9)])],
        &[
            "naptr a.example",
            "srv _sip._udp.a.example",
            "srv _sip._tcp.a.example",
            "srv _sips._tcp.a.example",
            "a a.example",
        ],
        &["udp 192.0.2.9:5060"],
    );
}

#[test]
fn weights_share_the_load() {
    let zone: Zone<'_> = &[
        ("srv _sip._tcp.a.example", &[srv(1, 90, 1, "big"), srv(1, 10, 2, "small")]),
        ("a big", &[a(1)]),
        ("a small", &[a(2)]),
    ];
    let first = |seed| resolve("sip:a.example;transport=tcp", zone, seed).1.remove(0);
    let big = (0..1_000).filter(|seed| first(*seed).ends_with(":1")).count();
    assert!((850..950).contains(&big), "{big}");
}
