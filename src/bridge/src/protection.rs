//! Keys from session descriptions become SRTP contexts.

use offhook_rtc::srtp::{self, Protect, Unprotect};
use offhook_types::media::SrtpProfile;
use offhook_types::phone::MasterKey;

/// Both directions of one side.
pub(super) struct Protection {
    pub(super) protect: Protect,
    pub(super) unprotect: Unprotect,
}

impl Protection {
    /// `None` when a key has not the profile's length.
    pub(super) fn new(profile: SrtpProfile, ours: &MasterKey, theirs: &MasterKey) -> Option<Self> {
        let key = |key: &MasterKey| srtp::MasterKey::new(profile, &key.key, &key.salt);
        Some(Self {
            protect: Protect::new(profile, &key(ours)?)?,
            unprotect: Unprotect::new(profile, &key(theirs)?, MAX_SOURCES)?,
        })
    }
}

/// Sources in the life of a key. A phone changes its source with a transfer, a room has one for each
/// who spoke.
const MAX_SOURCES: usize = 256;
