//! Why a phone call is not made, in one list for routing, authorization and fraud limits.

use offhook_types::counted;
use offhook_types::counters::Counted;
use offhook_types::phone::Cause;

counted! {
    /// Why a phone call is not made.
    pub enum Refusal {
        /// A short code that is no emergency number where the caller is.
        ShortCode = "short_code",
        /// The account's plan has no price for this number.
        NoPrice = "no_price",
        /// The destination is riskier than the account is allowed.
        Tier = "tier",
        /// No trunk that works has a price for this number.
        NoTrunk = "no_trunk",
        /// Every trunk would cost more than the call brings in.
        NoProfit = "no_profit",
        /// Every trunk that goes there has as many calls as it may.
        TrunksFull = "trunks_full",
        /// The account has as many calls as it may.
        AccountFull = "account_full",
        /// The account starts calls faster than it may.
        AccountTooFast = "account_too_fast",
        /// An emergency number, and no trunk takes emergency calls.
        NoEmergencyTrunk = "no_emergency_trunk",
        /// The account is suspended.
        Suspended = "suspended",
        /// The account is closed.
        Closed = "closed",
        /// The balance does not pay for a call there.
        NoCredit = "no_credit",
        /// The balance is in another currency than the price.
        Currency = "currency",
        /// A price that cannot be applied: its amounts fit no number.
        BadRate = "bad_rate",
        /// A fraud limit is reached.
        FraudLimit = "fraud_limit",
        /// A fraud limit was reached before and the destination is still blocked.
        DestinationBlocked = "destination_blocked",
    }
}

impl Refusal {
    /// What the caller is told.
    pub const fn cause(self) -> Cause {
        match self {
            Self::ShortCode => Cause::InvalidNumber,
            Self::NoPrice | Self::NoTrunk | Self::NoProfit | Self::NoEmergencyTrunk => {
                Cause::NoRoute
            }
            Self::Tier | Self::FraudLimit | Self::DestinationBlocked => Cause::NotPermitted,
            Self::TrunksFull | Self::AccountFull | Self::AccountTooFast => Cause::Congestion,
            Self::Suspended | Self::Closed => Cause::Suspended,
            Self::NoCredit => Cause::NoCredit,
            Self::Currency | Self::BadRate => Cause::Server,
        }
    }

    /// The code, as records and metrics have it.
    pub fn code(self) -> &'static str {
        self.label()
    }
}
