use std::path::PathBuf;
use std::time::Duration;

use offhook_scenario::{Found, Scenario};

use super::*;

/// Every committed scenario.
fn committed() -> Vec<Scenario> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../loadtest/scenarios"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| Scenario::read(&path).unwrap()).collect()
}

/// The same with fewer people who come sooner, and a few seconds that count.
fn shortened(mut scenario: Scenario) -> Scenario {
    for group in &mut scenario.groups {
        group.rooms = group.rooms.min(4);
        group.count = group.count.min(8);
        group.arrive.after = group.arrive.after.min(Duration::from_millis(500));
        group.arrive.within = group.arrive.within.min(Duration::from_millis(500));
    }
    scenario.measure = scenario.measure.min(Duration::from_secs(4));
    scenario
}

/// What comes of ten seconds of a publisher of a camera and a microphone and a watcher, each with more to say of it.
fn check(publisher: &str, watcher: &str) -> Found {
    let text = format!(
        r#"
        name = "two"
        about = "One watches another."
        measure_s = 10
        track.camera = {{ codec = "vp8", kbps = 800, key_every_s = 60 }}
        track.microphone = {{ codec = "opus" }}
        link.lossy = {{ both = [{{ delay_ms = 20, loss = 0.05 }}] }}
        link.narrow = {{ both = [{{ delay_ms = 20, rate_kbps = 400 }}] }}

        [[group]]
        name = "publisher"
        count = 1
        publish = ["camera", "microphone"]
        {publisher}

        [[group]]
        name = "watcher"
        count = 1
        watch = ["video"]
        arrive = {{ after_s = 0.5 }}
        {watcher}
        "#
    );
    play(&Scenario::parse("two.toml", &text).unwrap()).found
}

#[test]
fn every_scenario_is_what_it_expects() {
    for scenario in committed() {
        let report = play(&shortened(scenario));
        assert!(report.holds(), "{report}");
    }
}

#[test]
fn a_seed_replays_to_the_byte_and_another_does_not() {
    let scenarios = committed();
    let lossy = scenarios.iter().find(|scenario| scenario.name == "lossy").unwrap();
    let of = |seed| play(&Scenario { seed, ..shortened(lossy.clone()) }).to_string();
    assert_eq!(of(2), of(2));
    // The first line names the seed.
    let figures = |text: String| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_ne!(figures(of(2)), figures(of(3)));
}

#[test]
fn what_is_lost_on_either_way_is_sent_again() {
    for (publisher, watcher) in [("", ""), ("", r#"link = "lossy""#), (r#"link = "lossy""#, "")] {
        let found = check(publisher, watcher);
        assert_eq!(found.delivered.map(|share| share > 0.999), Some(true), "{found:?}");
        assert!(found.fps.is_some_and(|fps| fps > 29.5), "{found:?}");
    }
}

#[test]
fn a_picture_that_does_not_fit_is_made_smaller_for_one_and_paused_beside_others() {
    let found = check("", r#"link = "narrow""#);
    assert!(found.delivered.is_some_and(|share| share > 0.9), "{found:?}");
    let other = "[[group]]\nname = \"other\"\ncount = 1\nwatch = [\"video\"]";
    let found = check("", &format!("link = \"narrow\"\n{other}"));
    assert!(found.delivered.is_some_and(|share| (0.5..0.8).contains(&share)), "{found:?}");
}

#[test]
fn who_tells_no_arrivals_is_served_by_reports() {
    for (link, enough) in [("", true), (r#"link = "narrow""#, false)] {
        let found = check("", &format!("feedback = false\n{link}"));
        assert_eq!(found.delivered.map(|share| share > 0.99), Some(enough), "{found:?}");
    }
}

#[test]
fn whoever_comes_again_is_shown_again() {
    let found = check("churn = { stay_s = 1, away_s = 1 }", "");
    assert!(found.fps.is_some_and(|fps| fps > 15.0) && found.loss == Some(0.0), "{found:?}");
}

#[test]
fn a_bound_that_does_not_hold_is_said_and_one_that_means_nothing_is_named() {
    let text = "name = \"a\"\nabout = \"b\"\nmeasure_s = 1\ntrack.t = { codec = \"vp8\", kbps = 100 }\n\
        [[group]]\nname = \"all\"\ncount = 2\npublish = [\"t\"]\nwatch = [\"video\"]\n\
        [expect]\nmin_fps = 31\nmax_loss = 0\nmin_joined = 1\n";
    let report = play(&Scenario::parse("a.toml", text).unwrap());
    let holds: Vec<(&str, bool)> = report.verdicts.iter().map(|v| (v.bound, v.holds)).collect();
    assert_eq!(holds, [("min_fps", false), ("max_loss", true)]);
    assert_eq!((report.holds(), &report.unjudged[..]), (false, &["min_joined"][..]));
    let text = report.to_string();
    assert!(text.contains("DOES NOT HOLD") && text.contains("without a server: min_joined"));
}
