//! What an agent counts.

use offhook_types::counted;
use offhook_types::counters::Counters;

counted! {
    /// Why a message was not processed.
    pub enum Drop {
        /// From an address that is no peer's.
        UnknownSource = "unknown_source",
        /// Longer than is read.
        TooLong = "too_long",
        /// A keep-alive of line ends alone.
        Blank = "blank",
        /// No SIP message.
        Malformed = "malformed",
        /// A request that cannot be answered, since nobody can tell whose it is.
        Unanswerable = "unanswerable",
        /// A response to nothing that was asked.
        StrayResponse = "stray_response",
        /// An ACK of nothing that was answered.
        StrayAck = "stray_ack",
        /// No room for its transaction.
        Overload = "overload",
    }
}

counted! {
    /// What a peer did that it should not have, and what came of it.
    pub enum Misdeed {
        /// A request that is no request, answered with 400 or its like.
        BadRequest = "bad_request",
        /// A request of a dialog that is not there: 481.
        NoDialog = "no_dialog",
        /// A request older than the last: 500 (RFC 3261 §12.2.2).
        OldRequest = "old_request",
        /// The same request over another path: 482.
        Merged = "merged",
        /// Two offers at once: 491.
        Glare = "glare",
        /// A challenge that was not answered.
        Challenge = "challenge",
        /// A second answer to one INVITE, acknowledged and ended.
        SecondAnswer = "second_answer",
        /// A response without what every response has.
        BadResponse = "bad_response",
        /// Our answer was never acknowledged.
        NoAck = "no_ack",
        /// Our reliable provisional response was never acknowledged.
        NoPrack = "no_prack",
    }
}

counted! {
    /// How calls of peers went that have to log in.
    pub enum Login {
        /// They had the password.
        LetIn = "let_in",
        /// They were asked for it.
        Challenged = "challenged",
        /// They were right, and too late.
        Stale = "stale",
        /// They were right, and that answer was used before.
        Replayed = "replayed",
        /// They were wrong.
        Wrong = "wrong",
        /// They contradicted themselves, or were for something else.
        Malformed = "malformed",
        /// Not read, after too many that were wrong.
        TooMany = "too_many",
    }
}

/// What an agent counts.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Messages in, without drops.
    pub received: u64,
    /// Messages out.
    pub sent: u64,
    /// Of these, sent again.
    pub repeated: u64,
    /// Messages that were not processed.
    pub drops: Counters<Drop>,
    /// What peers did that they should not have.
    pub misdeeds: Counters<Misdeed>,
    /// How calls of peers went that have to log in.
    pub logins: Counters<Login>,
}
