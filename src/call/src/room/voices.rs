//! What passes through a room besides media: messages, who speaks, how everyone is doing.

use std::collections::BTreeMap;

use offhook_types::media::{LegQuality, Speaker};
use offhook_types::{ParticipantId, SessionId, TrackId, WorkerId};

use super::Hall;
use super::input::Refusal;
use super::notice::{Effect, Notice, Score, SpeakerView};
use super::people::Room;
use super::words::{DataMessage, Door};

impl Room {
    /// The loudest track of everyone who speaks and is shown.
    fn voices(&self) -> BTreeMap<ParticipantId, u8> {
        let mut voices = BTreeMap::new();
        for (track, &level) in &self.speaking {
            let owner = self.owners.get(track).and_then(|owner| self.participants.get(owner));
            if let Some(owner) = owner.filter(|owner| !owner.permission.hidden) {
                let loudest = voices.entry(owner.id).or_insert(level);
                *loudest = level.min(*loudest);
            }
        }
        voices
    }
}

impl Hall<'_> {
    pub fn data(&mut self, session: SessionId, message: &DataMessage) -> Result<(), Refusal> {
        let session = self.room.session(session)?;
        if !session.permission.publish_data {
            return Err(Refusal::NotPermitted);
        }
        let person = session.person;
        self.deliver(Some(person), message);
        Ok(())
    }

    /// To everyone named, or to everyone; never back to the sender.
    pub fn deliver(&mut self, sender: Option<ParticipantId>, message: &DataMessage) {
        let all = message.to_identities.is_empty() && message.to_participants.is_empty();
        for (&session, viewer) in &self.room.sessions {
            if viewer.door != Door::Livekit || Some(viewer.person) == sender {
                continue;
            }
            let meant = all || {
                let person = self.room.participants.get(&viewer.person);
                message.to_participants.contains(&viewer.person)
                    || person.is_some_and(|person| {
                        message.to_identities.iter().any(|to| to == person.identity())
                    })
            };
            if meant {
                let notice = Notice::Data { kind: message.kind, payload: message.payload.clone() };
                self.effects.push_back(Effect::Tell { session, notice });
            }
        }
    }

    pub fn speakers(&mut self, worker: WorkerId, speakers: &[Speaker]) {
        let before = self.room.voices();
        let of_worker = |room: &Room, track: TrackId| {
            let track = room.track(track).filter(|track| !track.request.muted);
            let leg = track.and_then(|track| track.published.as_ref()).map(|p| p.leg);
            leg.is_some_and(|leg| leg.worker() == worker)
        };
        let room = &*self.room;
        let silent = room.speaking.keys().copied().filter(|&track| of_worker(room, track));
        let silent: Vec<_> = silent.collect();
        let heard = speakers.iter().filter(|speaker| of_worker(room, speaker.track));
        let heard: Vec<_> = heard.map(|speaker| (speaker.track, speaker.level)).collect();
        for track in silent {
            self.room.speaking.remove(&track);
        }
        self.room.speaking.extend(heard);
        self.tell_speakers(&before);
    }

    /// A track makes no sound any more.
    pub fn silence(&mut self, track: TrackId) {
        let before = self.room.voices();
        if self.room.speaking.remove(&track).is_some() {
            self.tell_speakers(&before);
        }
    }

    fn tell_speakers(&mut self, before: &BTreeMap<ParticipantId, u8>) {
        let after = self.room.voices();
        // A voice rises and falls all the time; only steps that can be seen are worth a message to
        // everyone. Four decibels are a barely visible bar.
        let steps = |voices: &BTreeMap<ParticipantId, u8>| {
            let step = |(&id, &level): (&ParticipantId, &u8)| (id, level / 4);
            voices.iter().map(step).collect::<Vec<_>>()
        };
        if steps(before) == steps(&after) {
            return;
        }
        let speak = |(&participant, &level)| SpeakerView { participant, level, active: true };
        let stop = |(&participant, &level)| SpeakerView { participant, level, active: false };
        let stopped = before.iter().filter(|(id, _)| !after.contains_key(id)).map(stop);
        let views: Vec<_> = after.iter().map(speak).chain(stopped).collect();
        self.tell_clients(|| Notice::Speakers(views.clone()));
    }

    pub fn quality(&mut self, session: SessionId, quality: LegQuality) {
        let Ok(session) = self.room.session(session) else { return };
        let id = session.person;
        let Some(person) = self.room.participants.get_mut(&id) else { return };
        let score = score(quality);
        if person.score.replace(score) != Some(score) && !person.permission.hidden {
            self.tell_clients(|| Notice::Scores(vec![(id, score)]));
        }
    }

    /// How everyone is doing, for someone who has just come in.
    pub fn tell_scores(&mut self, session: SessionId) {
        let shown = self.room.participants.values().filter(|person| !person.permission.hidden);
        let scores = shown.filter_map(|person| Some((person.id, person.score?)));
        let scores: Vec<_> = scores.collect();
        if !scores.is_empty() {
            self.tell(session, Notice::Scores(scores));
        }
    }

    fn tell_clients(&mut self, notice: impl Fn() -> Notice) {
        for (&session, viewer) in &self.room.sessions {
            if viewer.door.is_client() {
                self.effects.push_back(Effect::Tell { session, notice: notice() });
            }
        }
    }
}

/// Loss that is heard and seen decides, and a delay that makes people talk over each other (ITU-T
/// G.114: one way 150 ms is fine, 400 ms is not). Retransmission hides a few per cent.
fn score(quality: LegQuality) -> Score {
    let loss = quality.uplink_loss.max(quality.downlink_loss);
    match (loss, quality.rtt_ms) {
        (0..=20, 0..=300) => Score::Excellent,
        (0..=80, 0..=800) => Score::Good,
        _ => Score::Poor,
    }
}
