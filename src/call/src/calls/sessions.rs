//! Devices coming and going.

use offhook_types::{SessionId, Time};

use super::Calls;
use super::presence::Start;
use crate::cause::Cause;
use crate::input::{By, Reply};

impl Calls {
    pub(super) fn attach(&mut self, now: Time, by: By, session: SessionId) -> Reply {
        let start = self.presence.attach(by, session);
        let Some(live) = self.live_of(by.user) else { return Reply::Attached(Vec::new()) };
        let call = live.id;
        if let Some(side) = live.side_of(by.device) {
            side.lost = None;
        }
        let called = live.callee == Some(by.user) && live.rings_until().is_some();
        let newly_rung = called && live.rung.insert(by.device);
        let (incoming, snapshot) = (live.incoming(now), live.snapshot(now, by));
        self.reschedule(call);
        match start {
            Start::Fresh => Reply::Attached(snapshot.into_iter().collect()),
            Start::Resumed => {
                // It was away when the others were told. Had it been told, its session would replay
                // it.
                if newly_rung {
                    self.tell(by.device, incoming);
                }
                Reply::Attached(Vec::new())
            }
        }
    }

    pub(super) fn detach(&mut self, now: Time, by: By, session: SessionId) {
        if self.presence.detach(by, session) {
            self.lost(now, by);
        }
    }

    pub(super) fn close(&mut self, now: Time, by: By, session: SessionId) {
        if self.presence.close(by, session) {
            self.lost(now, by);
        }
    }

    pub(super) fn sign_out(&mut self, now: Time, by: By) {
        self.presence.remove(by.device);
        let Some(live) = self.live_of(by.user) else { return };
        live.rung.remove(&by.device);
        let (call, accepted) = (live.id, live.accepted().is_some());
        if live.side_of(by.device).is_some() {
            let cause = if accepted { Cause::HungUp } else { Cause::Cancelled };
            self.end(now, call, cause, None);
        }
    }

    fn lost(&mut self, now: Time, by: By) {
        let Some(live) = self.live_of(by.user) else { return };
        let call = live.id;
        if let Some(side) = live.side_of(by.device) {
            side.lost.get_or_insert(now);
        }
        self.reschedule(call);
    }
}
