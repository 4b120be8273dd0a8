//! House rules that a machine can check: file, function and line lengths, names, forbidden calls, documents in step.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_LINE_COLUMNS: usize = 120;
const VAGUE_NAMES: &[&str] = &["utils", "util", "helpers", "common", "manager", "base", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", "dist", ".git", "corpus"].contains(&name.as_str()) {
                walk(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

/// Every source file with the given endings, with its path from the root and its text.
fn sources(endings: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    walk(&root.join("loadtest"), &mut found);
    found
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| endings.contains(&e.to_string_lossy().as_ref())))
        .filter_map(|p| {
            let name = p.strip_prefix(&root).ok()?.to_string_lossy().into_owned();
            Some((name, fs::read_to_string(&p).ok()?))
        })
        .collect()
}

fn assert_none(rule: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn files_are_short() {
    let long = sources(&["rs", "ts", "tsx", "css"])
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_FILE_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert_none("split files over 800 lines", long);
}

#[test]
fn lines_are_short() {
    let mut long = Vec::new();
    for (name, text) in sources(&["rs", "ts", "tsx"]) {
        let over = text.lines().enumerate().filter(|(_, l)| l.chars().count() > MAX_LINE_COLUMNS);
        long.extend(over.map(|(i, _)| format!("{name}:{}", i + 1)));
    }
    assert_none("break lines over 120 columns", long);
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for (name, text) in sources(&["rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            let is_fn = trimmed.starts_with("fn ")
                || trimmed.starts_with("pub fn ")
                || trimmed.starts_with("pub(crate) fn ")
                || trimmed.starts_with("pub(super) fn ")
                || trimmed.starts_with("async fn ")
                || trimmed.starts_with("pub async fn ")
                || trimmed.starts_with("pub(super) async fn ")
                || trimmed.starts_with("pub(crate) async fn ");
            if !is_fn || trimmed.ends_with(';') {
                continue;
            }
            // rustfmt closes a function with a brace at the indentation of its first line.
            let indent = line.len() - trimmed.len();
            let closing = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|l| *l == closing).unwrap_or(0);
            if length >= MAX_FUNCTION_LINES {
                long.push(format!("{name}:{} ({} lines)", start + 1, length + 1));
            }
        }
    }
    assert_none("split functions over 70 lines", long);
}

#[test]
fn names_say_something() {
    let vague = sources(&["rs", "ts", "tsx"])
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            let stem =
                Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            VAGUE_NAMES.contains(&stem.as_str()) || stem == "mod"
        })
        .collect();
    assert_none("name files after what they hold, and put x.rs beside x/", vague);
}

#[test]
fn nothing_is_left_for_later() {
    let words = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "todo".to_owned() + "!(",
        "dbg".to_owned() + "!(",
        "#[ign".to_owned() + "ore",
        "unimple".to_owned() + "mented!(",
    ];
    let mut wrong = Vec::new();
    for (name, text) in sources(&["rs", "ts", "tsx", "mjs"]) {
        for (i, line) in text.lines().enumerate() {
            wrong.extend(
                words.iter().filter(|w| line.contains(*w)).map(|w| format!("{name}:{} {w}", i + 1)),
            );
        }
    }
    assert_none("finish it", wrong);
}

#[test]
fn machines_read_no_clock_and_hold_no_lock() {
    let forbidden = [
        "Instant::now",
        "SystemTime::now",
        "thread::spawn",
        "Mutex<",
        "RwLock<",
        "std::net::UdpSocket",
    ];
    let mut wrong = Vec::new();
    for (name, text) in sources(&["rs"]) {
        let machine = [
            "src/types/",
            "src/link/",
            "src/wire/",
            "src/rtc/src",
            "src/sip/src",
            "src/call/",
            "src/billing/src",
            "src/sfu/",
        ];
        if !machine.iter().any(|m| name.starts_with(m)) || name.contains("/tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (i, line) in code.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//"))
        {
            wrong.extend(
                forbidden
                    .iter()
                    .filter(|f| line.contains(*f))
                    .map(|f| format!("{name}:{} {f}", i + 1)),
            );
        }
    }
    assert_none("machines are handed time, and share nothing", wrong);
}

#[test]
fn unsafe_stays_in_the_socket_file() {
    let mut wrong = Vec::new();
    for (name, text) in sources(&["rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        let shipped = name.starts_with("src/")
            && !name.contains("/tests/")
            && !name.contains("/benches/")
            && !name.contains("/examples/");
        for (i, line) in lines.iter().enumerate() {
            let opens = line.contains("unsafe {") || line.trim_start().starts_with("unsafe impl");
            if !opens || line.trim_start().starts_with("//") || !shipped {
                continue;
            }
            let explained = lines[i.saturating_sub(6)..=i].iter().any(|l| l.contains("SAFETY"));
            if name != "src/media/src/socket.rs" || !explained {
                wrong.push(format!("{name}:{}", i + 1));
            }
        }
    }
    assert_none("unsafe only in media's socket file, each block with a SAFETY sentence", wrong);
}
