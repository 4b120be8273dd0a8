//! From the file to a scenario: names are looked up, numbers are held to their bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_link::{Bursts, Conditions, Schedule, Share, Step};
use offhook_types::media::DataKind;
use offhook_types::{Codec, MediaKind, Rid};
use toml::Spanned;

use super::file::{self, CodecName, DoorName, KindName, TalkName, WireName};
use super::source::Talk;
use super::{
    Arrive, Churn, Group, H264_MODE_1, Layer, MessagePlan, Paths, Scenario, Track, TrackKind, stamp,
};

/// Participants of a run.
const MOST_PARTICIPANTS: u32 = 5000;
const LONGEST_S: f64 = 3600.0;
/// As much as fits a datagram with headers, extensions and protection.
const PACKET_BYTES: usize = 1160;
const SMALLEST_PACKET: usize = 64;
/// From the smallest to the largest, as Chromium's applications call them.
const RIDS: [&str; 3] = ["q", "h", "f"];

/// What is wrong, and where in the text.
pub(super) struct Wrong {
    pub at: Option<usize>,
    pub what: String,
}

type Checked<T> = Result<T, Wrong>;
type Links = BTreeMap<String, Arc<Paths>>;
type Tracks = BTreeMap<String, Arc<Track>>;

fn wrong<T>(what: impl Into<String>) -> Checked<T> {
    Err(Wrong { at: None, what: what.into() })
}

/// What is wrong in here is wrong at this place.
fn within<T, U>(spanned: &Spanned<T>, check: impl FnOnce(&T) -> Checked<U>) -> Checked<U> {
    let place = |wrong: Wrong| Wrong { at: wrong.at.or(Some(spanned.span().start)), ..wrong };
    check(spanned.get_ref()).map_err(place)
}

pub(super) fn check(file: file::File, text: &str) -> Checked<Scenario> {
    let mut tracks = Tracks::new();
    for (name, raw) in &file.track {
        tracks.insert(name.clone(), Arc::new(within(raw, |raw| track(name, raw))?));
    }
    let mut links = Links::new();
    for (name, raw) in &file.link {
        links.insert(name.clone(), Arc::new(within(raw, |raw| paths(name, raw))?));
    }
    let mut groups: Vec<Group> = Vec::new();
    for raw in &file.group {
        let checked = within(raw, |raw| group(raw, &tracks, &links, &groups))?;
        groups.push(checked);
    }
    let scenario = Scenario {
        name: file.name,
        about: file.about,
        seed: file.seed,
        settle: seconds("settle_s", file.settle_s)?,
        measure: seconds("measure_s", file.measure_s as f64)?,
        server: file.server,
        groups,
        links,
        expect: file.expect,
        text: text.into(),
    };
    if scenario.measure.is_zero() {
        return wrong("measure_s is at least 1");
    }
    if !(1..=MOST_PARTICIPANTS).contains(&scenario.participants()) {
        let many = scenario.participants();
        return wrong(format!("{many} participants: 1 to {MOST_PARTICIPANTS} are possible"));
    }
    Ok(scenario)
}

fn seconds(key: &str, value: f64) -> Checked<Duration> {
    match Duration::try_from_secs_f64(value) {
        Ok(span) if value <= LONGEST_S => Ok(span),
        _ => wrong(format!("{key} is from 0 to {LONGEST_S}")),
    }
}

fn millis(key: &str, value: f64) -> Checked<Duration> {
    seconds(key, value / 1000.0)
}

fn share(key: &str, value: f64) -> Checked<Share> {
    if (0.0..=1.0).contains(&value) {
        Ok(Share::of_million((value * 1e6).round() as u32))
    } else {
        wrong(format!("{key} is a share from 0 to 1"))
    }
}

fn between<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    (low, high): (T, T),
) -> Checked<T> {
    if value >= low && value <= high {
        Ok(value)
    } else {
        wrong(format!("{key} is from {low} to {high}"))
    }
}

fn track(name: &str, raw: &file::Track) -> Checked<Track> {
    let (codec, kind) = match raw.codec {
        CodecName::Opus => (Codec::Opus, TrackKind::Audio),
        CodecName::Vp8 => (Codec::Vp8, TrackKind::Video),
        CodecName::H264 => (H264_MODE_1, TrackKind::Video),
    };
    let audio = kind == TrackKind::Audio;
    let of_video = raw.fps.is_some()
        || !raw.layers.is_empty()
        || raw.packets_per_frame.is_some()
        || raw.packet_bytes.is_some()
        || raw.temporal_layers.is_some()
        || raw.key_every_s.is_some()
        || raw.key_scale.is_some();
    let of_audio =
        raw.talk.is_some() || raw.on_s.is_some() || raw.off_s.is_some() || raw.dtx.is_some();
    if audio && of_video {
        return wrong("sound has kbps, talk, on_s, off_s and dtx only");
    }
    if !audio && of_audio {
        return wrong("talk, on_s, off_s and dtx are for sound");
    }
    let fps = if audio { 50 } else { between("fps", raw.fps.unwrap_or(30), (1, 120))? };
    Ok(Track {
        name: name.into(),
        kind,
        codec,
        fps,
        layers: layers(raw, fps, audio)?,
        temporal_layers: between("temporal_layers", raw.temporal_layers.unwrap_or(1), (1, 3))?,
        key_every: seconds("key_every_s", raw.key_every_s.unwrap_or(10.0))?
            .max(Duration::from_millis(100)),
        key_scale: between("key_scale", raw.key_scale.unwrap_or(1), (1, 50))?,
        talk: talk(raw)?,
        dtx: raw.dtx.unwrap_or(true),
    })
}

fn layers(raw: &file::Track, fps: u32, audio: bool) -> Checked<Vec<Layer>> {
    let packet_bytes = raw.packet_bytes.unwrap_or(PACKET_BYTES);
    let packet_bytes = between("packet_bytes", packet_bytes, (SMALLEST_PACKET, PACKET_BYTES + 20))?;
    let layer = |rid, kbps: u32, (width, height)| {
        let frame = (u64::from(kbps) * 125 / u64::from(fps)) as usize;
        let packets = frame.div_ceil(packet_bytes).max(1);
        Layer {
            rid,
            width,
            height,
            packets: packets as u16,
            packet_bytes: (frame / packets).max(SMALLEST_PACKET),
            frame_bytes: frame,
        }
    };
    match (raw.kbps, raw.packets_per_frame, &raw.layers[..]) {
        (Some(kbps), None, []) => {
            Ok(vec![layer(None, between("kbps", kbps, (4, 50_000))?, (640, 360))])
        }
        (None, None, []) if audio => Ok(vec![layer(None, 32, (0, 0))]),
        (None, Some(packets), []) => {
            let packets = between("packets_per_frame", packets, (1, 100))?;
            let frame_bytes = usize::from(packets) * packet_bytes;
            Ok(vec![Layer {
                rid: None,
                width: 640,
                height: 360,
                packets,
                packet_bytes,
                frame_bytes,
            }])
        }
        (None, None, many @ [_, ..]) if many.len() <= RIDS.len() => {
            if many.windows(2).any(|pair| pair[0].width > pair[1].width) {
                return wrong("layers go from the smallest to the largest picture");
            }
            let rids = RIDS.iter().filter(|_| many.len() > 1).map(|rid| Rid::new(rid.as_bytes()));
            let rids = rids.chain([None]);
            let each = many.iter().zip(rids).map(|(raw, rid)| {
                let kbps = between("kbps", raw.kbps, (4, 50_000))?;
                Ok(layer(rid, kbps, (raw.width, raw.height)))
            });
            each.collect()
        }
        _ => wrong("a track has kbps, or packets_per_frame, or one to three layers"),
    }
}

fn talk(raw: &file::Track) -> Checked<Talk> {
    match (raw.talk.unwrap_or(TalkName::Always), raw.on_s, raw.off_s) {
        (TalkName::Always, None, None) => Ok(Talk::Always),
        (TalkName::Never, None, None) => Ok(Talk::Never),
        (TalkName::Turns, Some(on), Some(off)) => {
            Ok(Talk::Turns { on: seconds("on_s", on)?, off: seconds("off_s", off)? })
        }
        _ => wrong("on_s and off_s belong to talk = \"turns\", and both do"),
    }
}

fn paths(name: &str, raw: &file::Link) -> Checked<Paths> {
    if !raw.both.is_empty() && (!raw.up.is_empty() || !raw.down.is_empty()) {
        return wrong("a link has both, or up and down");
    }
    let schedule = |steps: &[file::Step]| {
        let steps = if raw.both.is_empty() { steps } else { &raw.both };
        let steps: Checked<Vec<Step>> = steps.iter().map(step).collect();
        steps.map(Schedule::new)
    };
    Ok(Paths { name: name.into(), up: schedule(&raw.up)?, down: schedule(&raw.down)? })
}

fn step(raw: &file::Step) -> Checked<Step> {
    let bursts = match (raw.burst_every, raw.burst_length) {
        (Some(every), Some(length)) => Some(Bursts {
            every: between("burst_every", every, (1, 1_000_000))?,
            length: between("burst_length", length, (1, 10_000))?,
        }),
        (None, None) => None,
        _ => return wrong("burst_every and burst_length belong together"),
    };
    let rate = raw.rate_kbps.map(|rate| between("rate_kbps", rate, (8, 10_000_000)));
    let standard = Conditions::default();
    let conditions = Conditions {
        rate_bps: rate.transpose()?.map(|rate| rate * 1000),
        queue: match raw.queue_ms {
            Some(queue) => millis("queue_ms", queue as f64)?,
            None => standard.queue,
        },
        loss: share("loss", raw.loss)?,
        bursts,
        delay: millis("delay_ms", raw.delay_ms)?,
        jitter: millis("jitter_ms", raw.jitter_ms)?,
        late: share("late", raw.late)?,
        late_by: millis("late_by_ms", raw.late_by_ms)?,
        double: share("double", raw.double)?,
    };
    Ok(Step { after: seconds("from_s", raw.from_s)?, conditions })
}

/// What a way in cannot do.
fn fits_the_door(raw: &file::Group) -> Checked<()> {
    let (quic, stream) = (raw.door == DoorName::Quic, raw.wire == WireName::Tcp);
    let silent = quic || raw.door == DoorName::Whip;
    let odd = raw.door == DoorName::Client && !raw.count.is_multiple_of(2);
    let wrongs = [
        (
            stream && raw.link.is_some(),
            "a link moves datagrams; for a stream put the conditions on a veth",
        ),
        (stream && quic, "QUIC comes in datagrams: wire is udp"),
        (silent && raw.messages.is_some(), "WHIP, WHEP and QUIC carry no data messages"),
        (odd, "the first half calls the second: count is even"),
        (!quic && raw.roam_s.is_some(), "roam_s is for QUIC: others would need an ICE restart"),
        (raw.roam_s.is_some_and(|roam| roam < 0.1), "roam_s is at least 0.1"),
    ];
    match wrongs.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, why)) => wrong(why),
        None => Ok(()),
    }
}

fn group(raw: &file::Group, tracks: &Tracks, links: &Links, before: &[Group]) -> Checked<Group> {
    let unknown = |what: &str, name: &str| wrong(format!("there is no {what} {name:?}"));
    let mut publish = Vec::new();
    for name in &raw.publish {
        match tracks.get(name) {
            Some(track) => publish.push(track.clone()),
            None => return unknown("track", name),
        }
    }
    let link = match &raw.link {
        None => None,
        Some(name) => match links.get(name) {
            Some(link) => Some(link.clone()),
            None => return unknown("link", name),
        },
    };
    if before.iter().any(|other| other.name == raw.name) {
        return wrong(format!("two groups are called {:?}", raw.name));
    }
    if before.iter().any(|other| other.room == raw.room && other.rooms != raw.rooms) {
        return wrong(format!("groups of room {:?} differ in rooms", raw.room));
    }
    fits_the_door(raw)?;
    let messages = raw.messages.as_ref().map(|raw| {
        Ok(MessagePlan {
            every: raw.every_ms.map(|every| millis("every_ms", every as f64)).transpose()?,
            bytes: between("bytes", raw.bytes, (stamp::LEN, 60_000))?,
            kind: if raw.reliable { DataKind::Reliable } else { DataKind::Lossy },
        })
    });
    let kind = |kind: &KindName| match kind {
        KindName::Audio => MediaKind::Audio,
        KindName::Video => MediaKind::Video,
    };
    let churn = raw.churn.map(|churn| {
        let stay = seconds("stay_s", churn.stay_s)?.max(Duration::from_millis(500));
        Ok(Churn { stay, away: seconds("away_s", churn.away_s)? })
    });
    Ok(Group {
        name: raw.name.clone(),
        room: raw.room.clone(),
        rooms: between("rooms", raw.rooms, (1, MOST_PARTICIPANTS))?,
        count: between("count", raw.count, (1, MOST_PARTICIPANTS))?,
        door: raw.door,
        wire: raw.wire,
        publish,
        watch: raw.watch.iter().map(kind).collect(),
        messages: messages.transpose()?,
        feedback: raw.feedback,
        link,
        roam: raw.roam_s.map(|roam| seconds("roam_s", roam)).transpose()?,
        arrive: Arrive {
            after: seconds("after_s", raw.arrive.after_s)?,
            within: seconds("within_s", raw.arrive.within_s)?,
            pattern: raw.arrive.pattern,
        },
        churn: churn.transpose()?,
    })
}
