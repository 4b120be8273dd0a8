//! docs/protocol/client.md says what is.

use offhook_proto::client::{
    ClientMessage, RequestCodeRequest, RequestCodeResponse, ServerMessage, Tokens,
    VerifyCodeRequest,
};
use offhook_types::counters::Counted;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

const PAGE: &str = include_str!("../../../../../docs/protocol/client.md");

/// Every field of the example is one of the message's, written as the server writes it.
fn check<T: Serialize + DeserializeOwned>(json: &str) {
    let written: Value = serde_json::from_str(json).unwrap();
    let message: T = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_value(message).unwrap(), written);
}

#[test]
fn the_example_is_made_of_real_messages() {
    let frames = PAGE.lines().filter(|line| line.starts_with("> ") || line.starts_with("< "));
    let mut seen = 0;
    for line in frames {
        let (head, json) = line.split_at(line.find('{').unwrap());
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [">"] => check::<ClientMessage>(json),
            ["<"] => check::<ServerMessage>(json),
            [.., "RequestCodeRequest"] => check::<RequestCodeRequest>(json),
            [.., "RequestCodeResponse"] => check::<RequestCodeResponse>(json),
            [.., "VerifyCodeRequest"] => check::<VerifyCodeRequest>(json),
            [.., "Tokens"] => check::<Tokens>(json),
            _ => panic!("what is {head}?"),
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_close_code_is_on_the_page() {
    for why in Closed::ALL {
        let row = format!("| {} | `{}`", why.code(), why.label());
        assert!(PAGE.contains(&row), "{row}");
    }
}
