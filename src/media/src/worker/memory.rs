//! What happens when every packet slot is taken: video that is kept for retransmission makes room.

use core::time::Duration;

use offhook_types::{MediaKind, Time, TrackId};

use super::{Core, Track};
use crate::Count;
use crate::address::FastMap;
use crate::slots::History;

/// When nothing could be forgotten it is not tried again before.
const PAUSE: Duration = Duration::from_millis(10);
/// Least span of packets that is forgotten at a time.
const LEAST: Duration = Duration::from_millis(1);

impl Core {
    /// Forget video. First what a stream keeps beyond its fair share of all slots, so that nobody's flood costs
    /// others their repair; when nobody keeps more, the oldest eighth of the time that is kept. Audio stays: it
    /// is small, and what it repairs is heard.
    #[cold]
    pub(super) fn make_room(&mut self, now: Time) {
        if now < self.next_room {
            return;
        }
        let (arena, tracks) = (&mut self.arena, &mut self.tracks);
        arena.reclaim(arena.slots());
        if !arena.is_full() {
            return;
        }
        let share = arena.slots() / histories(tracks).count().max(1);
        let mut forgotten: usize =
            histories(tracks).map(|history| history.shrink(share, arena)).sum();
        if forgotten == 0 {
            let oldest = histories(tracks).filter_map(|history| history.oldest()).min();
            let oldest = oldest.unwrap_or(now);
            let limit = oldest + (now.since(oldest) / 8).max(LEAST);
            forgotten = histories(tracks).map(|history| history.expire(limit, arena)).sum();
        }
        if forgotten == 0 {
            self.next_room = now + PAUSE;
        }
        self.exit.figures.counts.add_many(Count::PacketsForgotten, forgotten as u64);
    }
}

/// What is kept of each stream of video.
fn histories(tracks: &mut FastMap<TrackId, Track>) -> impl Iterator<Item = &mut History> {
    let video = tracks.values_mut().filter(|track| track.kind == MediaKind::Video);
    video.flat_map(|track| track.histories.iter_mut())
}
