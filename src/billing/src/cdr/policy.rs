//! How long records are kept, and how long the numbers in them.

use core::time::Duration;

use offhook_types::WallTime;

use super::{Cdr, Recorded};

/// What is kept of closed records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Numbers are whole for so long after the end.
    pub numbers_whole: Duration,
    /// So many of their last digits are hidden afterwards.
    pub hidden_digits: u8,
    /// Records are erased so long after the end. Their transfers stay: books are not rewritten.
    pub kept: Duration,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// Its numbers are cut.
    Cut,
    /// It goes.
    Goes,
}

impl Policy {
    /// What is due for a record now. An open one stays.
    pub fn fate(&self, now: WallTime, cdr: &Cdr) -> Fate {
        let Some(end) = &cdr.end else { return Fate::Stays };
        let whole = cdr.opening.to.dialed().is_some()
            || cdr.opening.from.as_ref().is_some_and(|from| from.dialed().is_some());
        if now >= end.at.plus(self.kept) {
            Fate::Goes
        } else if self.hidden_digits > 0 && whole && now >= end.at.plus(self.numbers_whole) {
            Fate::Cut
        } else {
            Fate::Stays
        }
    }

    /// A number as it is kept after its time.
    pub fn cut(&self, number: &Recorded) -> Recorded {
        number.truncated(usize::from(self.hidden_digits))
    }
}
