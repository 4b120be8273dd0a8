//! What a phone call costs, who may make it and which way it goes: decks, rating, routing,
//! authorization, fraud limits, the double-entry ledger, call detail records, reconciliation. Pure:
//! integers only, no clock, no file, no float. It does not know what a room is.

#![deny(missing_docs)]
