//! One user agent's protocol life in SIP (RFC 3261): messages, transactions, dialogs, registration,
//! authentication, timers. Machines without socket or clock; it knows no money and no media packet.

#![deny(missing_docs)]
