//! Which crate may use which, read from `cargo metadata`. The table is the architecture;
//! docs/ARCHITECTURE.md explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may use of ours. `dev` dependencies obey it too.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("proto", &[]),
    ("link", &["types"]),
    ("wire", &["types"]),
    ("sip", &["types", "wire"]),
    ("call", &["types"]),
    ("billing", &["types"]),
    ("rtc", &["types", "wire"]),
    ("sfu", &["types", "wire"]),
    ("media", &["types", "wire", "rtc", "sfu"]),
    ("quic", &["types", "wire", "media"]),
    ("store", &["types", "call", "billing"]),
    ("signaling", &["types", "wire", "proto", "call", "store"]),
    ("bridge", &["types", "wire", "rtc"]),
    ("gateway", &["types", "wire", "sip", "billing", "store", "bridge"]),
    ("scenario", &["types", "link", "wire", "rtc"]),
    ("sim", &["types", "link", "wire", "rtc", "sip", "call", "billing", "sfu", "scenario"]),
    ("fuzz", &["types", "wire", "proto", "rtc", "sip", "call", "billing", "sfu"]),
    ("loadtest", &["types", "link", "wire", "proto", "rtc", "sip", "scenario"]),
];

/// What layers 0 to 3 must not link, whatever it would be good for: they have no async and no serialization framework.
const NOT_BELOW_LAYER_4: &[&str] = &["tokio", "serde", "futures-util", "axum", "sqlx"];
const BELOW_LAYER_4: &[&str] =
    &["types", "link", "wire", "rtc", "sip", "call", "billing", "sfu", "media"];

fn direct_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().into_iter().flatten();
            (short(&text(&package["name"])), used.map(|d| short(&text(&d["name"]))).collect())
        })
        .collect()
}

fn short(name: &str) -> String {
    name.strip_prefix("offhook-").unwrap_or(name).to_owned()
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let crates = direct_dependencies();
    let ours: BTreeSet<&str> = crates.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for (name, used) in &crates {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
            assert_eq!(name, "offhook", "crate {name} has no row in the table");
            continue;
        };
        let forbidden =
            used.iter().filter(|u| ours.contains(u.as_str()) && !allowed.contains(&u.as_str()));
        wrong.extend(forbidden.map(|u| format!("{name} uses {u}")));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn machines_link_no_runtime() {
    let crates = direct_dependencies();
    for name in BELOW_LAYER_4 {
        let used = &crates[*name];
        let wrong: Vec<_> = NOT_BELOW_LAYER_4.iter().filter(|w| used.contains(**w)).collect();
        assert!(wrong.is_empty(), "{name} links {wrong:?}");
    }
}
