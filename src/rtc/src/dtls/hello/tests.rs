use super::*;

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn body(versions: &[u16], profiles: &[u16], padding: usize) -> Vec<u8> {
    let list = |items: &[u16]| items.iter().flat_map(|i| i.to_be_bytes()).collect::<Vec<_>>();
    let mut extensions = Vec::new();
    if !versions.is_empty() {
        let versions = list(versions);
        extensions.extend(extension(43, &[&[versions.len() as u8][..], &versions].concat()));
    }
    extensions.extend(extension(21, &vec![0; padding]));
    let profiles = list(profiles);
    let len = (profiles.len() as u16).to_be_bytes();
    extensions.extend(extension(14, &[&len[..], &profiles, &[0]].concat()));
    let mut body = vec![0xfe, 0xfd];
    body.extend([7; 32]);
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    body
}

/// One record with bytes `from..to` of the message.
fn fragment(body: &[u8], from: usize, to: usize) -> Vec<u8> {
    let mut out = headers(body.len(), 0);
    let len = to - from;
    out[11..13].copy_from_slice(&((len + HANDSHAKE_HEADER_LEN) as u16).to_be_bytes());
    out[19..22].copy_from_slice(&(from as u32).to_be_bytes()[1..]);
    out[22..25].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
    out.extend(&body[from..to]);
    out
}

fn check(versions: &[u16], profiles: &[u16], expect: Choice) {
    let body = body(versions, profiles, 0);
    let mut hello = Hello::default();
    assert_eq!(
        hello.add(&fragment(&body, 0, body.len())),
        Some(expect),
        "{versions:x?} {profiles:?}"
    );
    assert_eq!(hello.take().len(), 1);
}

#[test]
fn the_engine_is_the_one_that_ends_in_gcm() {
    let (v12, v13) = (0xfefd, 0xfefc);
    check(&[v13, v12], &[1, 8, 7], Choice::Only12);
    check(&[v12, v13], &[2, 1, 7], Choice::Only12);
    check(&[v13, v12], &[8, 7, 1], Choice::Either);
    check(&[v13, v12], &[2, 7, 1], Choice::Either);
    check(&[v13, v12], &[1], Choice::Either);
    check(&[v13, v12], &[], Choice::Either);
    check(&[v13], &[1, 7], Choice::Either);
    check(&[v12], &[1, 7], Choice::Either);
    check(&[], &[1, 7], Choice::Either);
}

#[test]
fn fragments_in_any_order_and_number_are_put_together() {
    let body = body(&[0xfefc, 0xfefd], &[1, 7], 3000);
    let mut hello = Hello::default();
    let steps = [(1000, 2000), (2000, body.len()), (1500, 2500), (0, 400), (300, 1000)];
    for (step, &(from, to)) in steps.iter().enumerate() {
        let choice = hello.add(&fragment(&body, from, to));
        assert_eq!(choice, (step == 4).then_some(Choice::Only12), "step {step}");
        // The third lies within what is known already.
        assert_eq!(hello.is_waiting_for_more(), step != 2);
    }
    assert_eq!(hello.take().len(), 4);
}

#[test]
fn several_fragments_in_one_datagram_are_read() {
    let body = body(&[0xfefc, 0xfefd], &[1, 7], 500);
    let datagram = [fragment(&body, 300, body.len()), fragment(&body, 0, 300)].concat();
    assert_eq!(Hello::default().add(&datagram), Some(Choice::Only12));
}

#[test]
fn what_is_no_client_hello_changes_nothing() {
    let good = fragment(&body(&[], &[7], 0), 0, 40);
    let mut hello = Hello::default();
    for cut in 0..good.len() {
        assert_eq!(hello.add(&good[..cut]), None);
        assert!(!hello.is_waiting_for_more(), "{cut}");
    }
    let mut encrypted = good.clone();
    encrypted[4] = 1;
    let mut server_hello = good.clone();
    server_hello[13] = 2;
    let mut huge = good.clone();
    huge[14..17].copy_from_slice(&[0xff; 3]);
    let mut beyond = good.clone();
    beyond[19..22].copy_from_slice(&[0xff; 3]);
    for odd in [encrypted, server_hello, huge, beyond] {
        assert_eq!(hello.add(&odd), None);
        assert!(!hello.is_waiting_for_more());
    }
    assert!(hello.take().is_empty());
}

#[test]
fn endless_fragments_do_not_grow_and_do_not_block_the_next_message() {
    let long = body(&[], &[7], 8000);
    let mut hello = Hello::default();
    for n in 0..1000 {
        assert_eq!(hello.add(&fragment(&long, n * 2, n * 2 + 1)), None);
        assert!(hello.datagrams.len() <= MAX_DATAGRAMS);
    }
    let body = body(&[], &[7], 0);
    assert_eq!(hello.add(&fragment(&body, 0, body.len())), Some(Choice::Either));
}

#[test]
fn a_complete_but_malformed_message_is_thrown_away() {
    let mut bad = body(&[0xfefc], &[7], 0);
    bad[34] = 200;
    let mut hello = Hello::default();
    assert_eq!(hello.add(&fragment(&bad, 0, bad.len())), None);
    assert!(hello.take().is_empty());
}

#[test]
fn only_a_server_can_answer() {
    let mut answer = fragment(&body(&[], &[7], 0), 0, 40);
    assert!(!is_server_answer(&answer));
    for (kind, good) in [(2, true), (3, true), (11, false)] {
        answer[13] = kind;
        assert_eq!(is_server_answer(&answer), good);
    }
    assert!(!is_server_answer(b"hello"));
}
