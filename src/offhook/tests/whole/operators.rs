//! What operators and their scripts do with the binary itself: exit statuses and files.

use serde_json::{Value, json};

use crate::phone::AREA;
use crate::server::Server;
use crate::sipp::free_port;

fn says(output: &std::process::Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn the_books_of_a_running_server_are_proven_equal() {
    let server = Server::start("");
    let output = server.tool(&["ledger", "check"]);
    assert!(output.status.success(), "{}", says(&output));
    assert!(says(&output).contains("records and ledger are equal"), "{}", says(&output));
}

#[test]
fn records_are_exported_beside_a_running_server() {
    let server = Server::start("");
    let csv = server.tool(&["cdr", "export", "--format", "csv"]);
    assert!(csv.status.success(), "{}", says(&csv));
    assert!(String::from_utf8_lossy(&csv.stdout).starts_with("cdr_id,call_id,phone_id,"));
    let file = std::env::temp_dir().join(format!("offhook-cdrs-{}.parquet", server.pid()));
    let path = file.to_string_lossy().into_owned();
    let parquet = server.tool(&["cdr", "export", "--format", "parquet", "--out", &path]);
    assert!(parquet.status.success(), "{}", says(&parquet));
    let bytes = std::fs::read(&file).expect("the file");
    let _ = std::fs::remove_file(&file);
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    for wrong in [["--format", "xml"], ["--from", "soon"]] {
        let arguments = ["cdr", "export", "--format", "csv"];
        let arguments: Vec<&str> = match wrong[0] {
            "--format" => vec!["cdr", "export", "--format", "xml"],
            _ => arguments.into_iter().chain(wrong).collect(),
        };
        let output = server.tool(&arguments);
        assert!(!output.status.success() && says(&output).contains(wrong[0]), "{}", says(&output));
    }
}

#[test]
fn a_number_that_has_no_price_is_refused_with_a_status() {
    let server = Server::start("");
    let output = server.tool(&["route", "explain", "+4930901820"]);
    assert!(!output.status.success());
    assert!(says(&output).contains("there is no plan default"), "{}", says(&output));
}

#[test]
fn a_store_that_is_not_there_is_said() {
    let folder = std::env::temp_dir().join(format!("offhook-nostore-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("offhook.toml");
    let text = format!("[store]\npath = \"{}\"\n", folder.join("none.db").display());
    std::fs::write(&file, text).expect("the file");
    let output = std::process::Command::new(crate::server::binary())
        .args(["ledger", "check", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    let _ = std::fs::remove_dir_all(folder);
    assert!(!output.status.success() && says(&output).contains("none.db"), "{}", says(&output));
}

#[test]
fn the_running_server_explains_with_what_it_knows_of_its_trunks() {
    let mut server = Server::phone("");
    server.expect("trunk does not answer");
    // Nobody listens there, which TCP says at once.
    let port = free_port();
    let proxy = format!("sip:127.0.0.1:{port};transport=tcp");
    server.trunk("gone", port, &json!({"proxy": proxy, "ping_s": 1}));
    let up = "offhook_gateway_trunk_up{trunk=\"gone\"}";
    server.until("a trunk that is down", || (server.metric(up) == 0.0).then_some(()));
    let number = format!("{AREA}0001");
    let live = server.admin("POST", "/v1/routes/explain", &json!({"number": number}));
    let verdict = &live["route"]["trunks"][0]["verdict"];
    assert_eq!((&live["route"]["live"], verdict), (&json!(true), &json!("down")), "{live}");
    assert_eq!(live["refusal"], "no_trunk", "{live}");
    // From the store alone it would be tried, and that is said.
    let output = server.tool(&["route", "explain", &number, "--json"]);
    assert!(output.status.success(), "{output:?}");
    let stored: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let verdict = &stored["trunks"][0]["verdict"];
    assert_eq!((&stored["live"], verdict), (&json!(false), &json!("tried")), "{stored}");
    let output = server.tool(&["route", "explain", &number]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("count as up and idle"), "{text}");
}
