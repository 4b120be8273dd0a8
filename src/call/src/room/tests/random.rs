//! Random steps from a seed, with what must hold after each of them.

use std::collections::BTreeSet;

use super::*;

/// What a session was told to receive, as it would remember it.
#[derive(Default)]
struct Memory {
    receives: BTreeSet<TrackId>,
    closed: bool,
}

fn step(scene: &mut Scene, rng: &mut Rng, alive: &[String]) {
    let who = ["ann", "bob", "cat", "dan", "ann/whip", "bob/whep"][rng.below(6) as usize];
    let tracks: Vec<_> = scene.tracks.values().copied().collect();
    let track = tracks.get(rng.below(tracks.len() as u32) as usize).copied();
    let track = track.unwrap_or(TrackId(1));
    if !alive.iter().any(|name| name == who) || rng.chance(5) {
        let _ = scene.join_with(who, |join| {
            join.door = match who {
                "ann/whip" => Door::Whip,
                "bob/whep" => Door::Whep,
                _ => Door::Livekit,
            };
            join.permission.hidden = who == "dan";
        });
        return;
    }
    let subscribe = rng.chance(50);
    let act = match rng.below(8) {
        0 => Act::Leave(Left::ClientLeft),
        1 => Act::Mute { track, muted: subscribe },
        2 => Act::Unpublish(track),
        3 => Act::Subscribe(SubscriptionChange { tracks: vec![track], subscribe }),
        4 => {
            let quality = Some(rng.below(4) as u8);
            let settings = TrackSettings { quality, ..TrackSettings::default() };
            Act::Settings { tracks: vec![track], settings }
        }
        5 => {
            let allowed = AllowedTracks { identity: "bob".into(), all: true, ..Default::default() };
            let allowed = vec![allowed];
            Act::SubscriptionPermission(SubscriptionPermission { everyone: subscribe, allowed })
        }
        _ => {
            let name = format!("cam{}", rng.next_u32());
            if let Ok(track) = scene.add(who, &name, TrackRequest::new("c", MediaKind::Video)) {
                let _ = scene.act(who, Act::Publish(published(track, 3)));
            }
            return;
        }
    };
    let _ = scene.act(who, act);
}

/// Sessions remember only what they are told; after every step that must be the machine's view.
fn replay(seed: u64) {
    let mut scene = Scene::new();
    let mut rng = Rng::from_seed(seed);
    let mut memory: BTreeMap<SessionId, Memory> = BTreeMap::new();
    for _ in 0..200 {
        let open = |id: &SessionId| !memory.get(id).is_some_and(|memory| memory.closed);
        let alive = scene.sessions.iter().filter(|(_, id)| open(id));
        let alive: Vec<_> = alive.map(|(name, _)| name.clone()).collect();
        let before = scene.sessions.clone();
        step(&mut scene, &mut rng, &alive);
        for (session, notices) in core::mem::take(&mut scene.heard) {
            let memory = memory.entry(session).or_default();
            assert!(!memory.closed, "seed {seed}: told {notices:?} after the end");
            for notice in &notices {
                learn(&scene, memory, notice);
            }
        }
        verify(&mut scene, &mut memory, &before, seed);
        if rng.chance(10) {
            scene.wait(u64::from(rng.below(8_000)));
        }
    }
}

fn learn(scene: &Scene, memory: &mut Memory, notice: &str) {
    let named = |name: &str| scene.tracks.get(name).copied();
    if let Some(rest) = notice.strip_prefix('+') {
        memory.receives.extend(named(rest.split(' ').next().unwrap()));
    } else if let Some(track) = notice.strip_prefix('-').and_then(named) {
        assert!(memory.receives.remove(&track), "taken away what it never had");
    } else if notice.starts_with("closed") {
        memory.closed = true;
    }
}

fn verify(
    scene: &mut Scene,
    memory: &mut BTreeMap<SessionId, Memory>,
    before: &BTreeMap<String, SessionId>,
    seed: u64,
) {
    for (name, &session) in &scene.sessions.clone() {
        let fresh = before.get(name) != Some(&session);
        let snapshot = scene.machine.handle(scene.now, Input::Act { session, act: Act::Snapshot });
        // Snapshots repeat qualities, which are of no interest here.
        while scene.machine.poll().is_some() {}
        let Ok(Reply::Joined(view)) = snapshot else { continue };
        let memory = memory.entry(session).or_default();
        let truth: BTreeSet<_> = view.subscribed.iter().map(|s| s.track).collect();
        if fresh {
            memory.receives = truth;
            continue;
        }
        assert_eq!(memory.receives, truth, "seed {seed}: {name}");
        let visible: BTreeSet<_> =
            view.others.iter().flat_map(|p| p.tracks.iter().map(|track| track.id)).collect();
        assert!(truth.is_subset(&visible), "seed {seed}: {name} receives what it cannot see");
        assert!(view.others.iter().all(|p| p.identity != "dan"), "seed {seed}: dan is hidden");
    }
}

#[test]
fn what_sessions_are_told_is_what_is() {
    for seed in 0..40 {
        replay(seed);
    }
}
