use std::path::PathBuf;

use super::*;

/// A scenario around one thing; what it says of it, or the error.
fn check(text: &str) -> Result<Scenario, String> {
    let around = "name = \"a\"\nabout = \"b\"\nmeasure_s = 5\n";
    Scenario::parse("x.toml", &format!("{around}{text}")).map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    check(text).err().unwrap_or_else(|| panic!("taken: {text}"))
}

const GROUP: &str = "[[group]]\nname = \"all\"\ncount = 2\n";

#[test]
fn committed_scenarios_are_in_order() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../loadtest/scenarios"));
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let scenario = Scenario::read(&path).unwrap();
        assert_eq!(Some(scenario.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        assert!(scenario.about.ends_with('.') && !seats(&scenario).is_empty());
        names.push(scenario.name);
    }
    assert!(names.len() > 8, "{names:?}");
}

#[test]
fn what_is_not_known_is_named_with_its_line() {
    for (text, says) in [
        ("colour = 1", "x.toml:4: unknown field `colour`"),
        ("[[group]]\nname = \"all\"\ncount = 2\nwach = []", "x.toml:7: unknown field `wach`"),
        ("[track.t]\ncodec = \"vp8\"\n\nbitrate = 1", "x.toml:7: unknown field `bitrate`"),
        ("[link.l]\nup = [\n{ los = 0.1 } ]", "x.toml:6: unknown field `los`"),
        ("[expect]\nmin_joy = 1", "x.toml:5: unknown field `min_joy`"),
        ("[track.t]\ncodec = \"vp7\"", "x.toml:5: unknown variant `vp7`"),
        ("[[group]]\nname = \"all\"\ncount = 0", "x.toml:4: count is from 1 to 5000"),
        ("[[group]]\nname = \"all\"\ncount = 1\npublish = [\"t\"]", "x.toml:4: there is no track"),
        ("[[group]]\nname = \"all\"\ncount = 1\nlink = \"l\"", "x.toml:4: there is no link"),
        ("[track.t]\ncodec = \"vp8\"", "x.toml:4: a track has kbps, or packets_per_frame"),
        ("[track.t]\ncodec = \"opus\"\nfps = 3", "x.toml:4: sound has"),
        ("[link.l]\nboth = [{ loss = 1.5 }]", "x.toml:4: loss is a share"),
        ("[link.l]\nboth = [{ burst_every = 5 }]", "x.toml:4: burst_every and burst_length"),
    ] {
        let text =
            if text.contains("[[group]]") { text.into() } else { format!("{text}\n{GROUP}") };
        let said = refused(&text);
        assert!(said.starts_with(says), "{said}\n{text}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    for (group, says) in [
        ("wire = \"tcp\"\nlink = \"l\"", "a link moves datagrams"),
        ("messages = {}", "carry no data messages"),
        ("door = \"quic\"\nmessages = {}", "carry no data messages"),
        ("door = \"quic\"\nwire = \"tcp\"", "QUIC comes in datagrams"),
        ("door = \"quic\"\nroam_s = 0", "roam_s is at least 0.1"),
        ("roam_s = 1", "roam_s is for QUIC"),
        ("door = \"client\"\ncount = 3", "count is even"),
        ("count = 5001", "count is from 1 to 5000"),
    ] {
        let count = if group.contains("count") { "" } else { "count = 1\n" };
        let said = refused(&format!("[link.l]\n[[group]]\nname = \"g\"\n{count}{group}"));
        assert!(said.contains(says), "{said}");
    }
    assert!(refused(&format!("{GROUP}{GROUP}")).contains("two groups are called"));
}

#[test]
fn tracks_get_their_packets_and_names() {
    let text = "[track.cam]\ncodec = \"vp8\"\nlayers = [\
        { kbps = 150, width = 320, height = 180 }, { kbps = 1500, width = 1280, height = 720 }]\n\
        [track.mic]\ncodec = \"opus\"\nkbps = 32\n";
    let scenario = check(&format!("{text}{GROUP}publish = [\"cam\", \"mic\"]\n")).unwrap();
    let [camera, microphone] = &scenario.groups[0].publish[..] else { panic!("two tracks") };
    let layer = |nth: usize| {
        let layer = &camera.layers[nth];
        (layer.rid.unwrap().to_string(), layer.packets, layer.packet_bytes)
    };
    assert_eq!(layer(0), ("q".into(), 1, 625));
    assert_eq!(layer(1), ("h".into(), 6, 1041));
    assert_eq!((microphone.fps, microphone.layers[0].frame_bytes), (50, 80));
    assert_eq!((camera.ticks(), microphone.ticks()), (3000, 960));
}

#[test]
fn everybody_gets_a_seat_from_the_seed() {
    let group = "[[group]]\nname = \"g\"\nrooms = 2\ncount = 3\n\
        arrive = { after_s = 1, within_s = 6, pattern = \"random\" }\nchurn = { stay_s = 2, away_s = 1 }";
    let of = |seed| {
        let mut scenario = check(group).unwrap();
        scenario.seed = seed;
        seats(&scenario)
    };
    let all = of(1);
    assert_eq!((all.len(), &all), (6, &of(1)));
    assert_ne!(all, of(2));
    assert!(all.windows(2).all(|pair| pair[0].arrives <= pair[1].arrives));
    let rooms = all.iter().filter(|seat| seat.room == "room-1").count();
    assert_eq!(rooms, 3);
    let churn = check(group).unwrap().groups[0].churn;
    let visits: Vec<Visit> = all[0].visits(churn).take(3).collect();
    assert_eq!(visits[0].from, all[0].arrives);
    assert!(visits.windows(2).all(|pair| pair[0].until.unwrap() < pair[1].from));
    assert_eq!(all[0].visits(None).count(), 1);
}

#[test]
fn watchers_know_how_many_tracks_there_are() {
    let text = "[track.mic]\ncodec = \"opus\"\n[[group]]\nname = \"speaker\"\ncount = 3\n\
        publish = [\"mic\"]\n[[group]]\nname = \"listener\"\ncount = 9\n";
    let scenario = check(text).unwrap();
    let tracks = |nth: usize| scenario.tracks_for(scenario.group(nth), MediaKind::Audio);
    assert_eq!([tracks(0), tracks(1)], [2, 3]);
}
