//! The fields of an exported record, in one table that every format is written from. docs/CDR.md
//! explains each, and a test holds the two together.

use offhook_billing::cdr::{Cdr, Pinned, Stream, VoiceCodec};
use offhook_billing::rate::Charge;
use offhook_types::WallTime;
use offhook_types::counters::Counted;

use crate::iso8601;

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, with its unit where it has one.
    pub name: &'static str,
    read: Read,
}

/// Where it comes from.
#[derive(Debug, Clone, Copy)]
enum Read {
    Text(fn(&Cdr) -> String),
    OptionalText(fn(&Cdr) -> Option<String>),
    Integer(fn(&Cdr) -> i64),
    OptionalInteger(fn(&Cdr) -> Option<i64>),
    Time(fn(&Cdr) -> WallTime),
    OptionalTime(fn(&Cdr) -> Option<WallTime>),
}

impl Field {
    /// What it holds.
    pub const fn kind(&self) -> Kind {
        match self.read {
            Read::Text(_) | Read::OptionalText(_) => Kind::Text,
            Read::Integer(_) | Read::OptionalInteger(_) => Kind::Integer,
            Read::Time(_) | Read::OptionalTime(_) => Kind::Time,
        }
    }

    /// Whether every record has it.
    pub const fn always(&self) -> bool {
        matches!(self.read, Read::Text(_) | Read::Integer(_) | Read::Time(_))
    }

    /// What a record has in it; of its kind, and never `None` where it is always there.
    pub fn of(&self, cdr: &Cdr) -> Value {
        match self.read {
            Read::Text(read) => Value::Text(read(cdr)),
            Read::OptionalText(read) => read(cdr).map_or(Value::None, Value::Text),
            Read::Integer(read) => Value::Integer(read(cdr)),
            Read::OptionalInteger(read) => read(cdr).map_or(Value::None, Value::Integer),
            Read::Time(read) => Value::Time(read(cdr)),
            Read::OptionalTime(read) => read(cdr).map_or(Value::None, Value::Time),
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A whole number.
    Integer,
    /// An instant, to the millisecond.
    Time,
}

/// What a record has in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    None,
    /// UTF-8.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An instant.
    Time(WallTime),
}

/// A record as a JSON object with these fields; those that it has nothing in are `null`.
pub fn object(cdr: &Cdr) -> serde_json::Value {
    let json = |value| match value {
        Value::None => serde_json::Value::Null,
        Value::Text(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Time(at) => iso8601::show(at).into(),
    };
    FIELDS.iter().map(|field| (field.name.to_owned(), json(field.of(cdr)))).collect()
}

/// Every field, in order.
pub const FIELDS: &[Field] = &[
    text("cdr_id", |cdr| cdr.opening.id.to_string()),
    optional_text("call_id", |cdr| cdr.call.map(|call| call.to_string())),
    text("phone_id", |cdr| cdr.opening.phone.to_string()),
    number("attempt", |cdr| i64::from(cdr.opening.attempt)),
    text("status", |cdr| if cdr.end.is_some() { "closed" } else { "open" }.into()),
    text("account_id", |cdr| cdr.opening.account.to_string()),
    optional_text("user_id", |cdr| cdr.opening.user.map(|user| user.to_string())),
    text("direction", |cdr| cdr.opening.direction.label().into()),
    optional_text("from_number", |cdr| cdr.opening.from.as_ref().map(|n| n.as_str().into())),
    text("to_number", |cdr| cdr.opening.to.as_str().into()),
    text("destination", |cdr| cdr.opening.destination.clone()),
    text("trunk_id", |cdr| cdr.opening.trunk.to_string()),
    text("route", |cdr| cdr.opening.route.clone()),
    Field { name: "opened_at", read: Read::Time(|cdr| cdr.opening.at) },
    time("invited_at", |cdr| cdr.times.invited),
    time("ringing_at", |cdr| cdr.times.ringing),
    time("answered_at", |cdr| cdr.times.answered),
    time("first_in_at", |cdr| cdr.times.first_in),
    time("last_in_at", |cdr| cdr.times.last_in),
    time("first_out_at", |cdr| cdr.times.first_out),
    time("last_out_at", |cdr| cdr.times.last_out),
    time("ended_at", |cdr| cdr.end.map(|end| end.at)),
    number("talked_ms", |cdr| i64::try_from(cdr.talked().as_millis()).unwrap_or(i64::MAX)),
    optional_text("proof", |cdr| cdr.end.map(|end| end.proof.label().into())),
    optional_text("ended_by", |cdr| cdr.end.map(|end| end.by.label().into())),
    optional_text("cause", |cdr| cdr.end.map(|end| end.cause.label().into())),
    optional_number("sip_status", |cdr| cdr.end?.sip.map(i64::from)),
    optional_number("q850_cause", |cdr| cdr.end?.q850.map(i64::from)),
    number("reserved_micros", |cdr| cdr.reserved.0),
    text("sell_currency", |cdr| cdr.opening.sell.currency().to_string()),
    optional_number("sell_amount_micros", |cdr| cdr.end.map(|end| end.sell.amount.0)),
    optional_number("sell_billed_s", |cdr| cdr.end.map(|end| billed(&end.sell))),
    text("sell_deck", |cdr| deck(&cdr.opening.sell)),
    number("sell_deck_version", |cdr| i64::from(cdr.opening.sell.deck.version)),
    number("sell_per_minute_micros", |cdr| cdr.opening.sell.rate.per_minute.0),
    number("sell_connection_fee_micros", |cdr| cdr.opening.sell.rate.connection_fee.0),
    number("sell_first_increment_s", |cdr| i64::from(cdr.opening.sell.rate.first_increment_s)),
    number("sell_next_increment_s", |cdr| i64::from(cdr.opening.sell.rate.next_increment_s)),
    text("buy_currency", |cdr| cdr.opening.buy.currency().to_string()),
    optional_number("buy_amount_micros", |cdr| cdr.end.map(|end| end.buy.amount.0)),
    optional_number("buy_billed_s", |cdr| cdr.end.map(|end| billed(&end.buy))),
    text("buy_deck", |cdr| deck(&cdr.opening.buy)),
    number("buy_deck_version", |cdr| i64::from(cdr.opening.buy.deck.version)),
    number("buy_per_minute_micros", |cdr| cdr.opening.buy.rate.per_minute.0),
    number("buy_connection_fee_micros", |cdr| cdr.opening.buy.rate.connection_fee.0),
    number("buy_first_increment_s", |cdr| i64::from(cdr.opening.buy.rate.first_increment_s)),
    number("buy_next_increment_s", |cdr| i64::from(cdr.opening.buy.rate.next_increment_s)),
    optional_text("carrier_codec", |cdr| cdr.voice.carrier.map(codec)),
    optional_text("room_codec", |cdr| cdr.voice.room.map(codec)),
    number("from_carrier_packets", |cdr| count(cdr.voice.from_carrier.packets)),
    number("from_carrier_lost", |cdr| count(cdr.voice.from_carrier.lost)),
    number("from_carrier_jitter_us", |cdr| i64::from(cdr.voice.from_carrier.jitter_us)),
    optional_number("from_carrier_mos_hundredths", |cdr| mos(&cdr.voice.from_carrier)),
    number("to_carrier_packets", |cdr| count(cdr.voice.to_carrier.packets)),
    number("to_carrier_lost", |cdr| count(cdr.voice.to_carrier.lost)),
    number("to_carrier_jitter_us", |cdr| i64::from(cdr.voice.to_carrier.jitter_us)),
    optional_number("to_carrier_mos_hundredths", |cdr| mos(&cdr.voice.to_carrier)),
];

const fn text(name: &'static str, read: fn(&Cdr) -> String) -> Field {
    Field { name, read: Read::Text(read) }
}

const fn optional_text(name: &'static str, read: fn(&Cdr) -> Option<String>) -> Field {
    Field { name, read: Read::OptionalText(read) }
}

const fn number(name: &'static str, read: fn(&Cdr) -> i64) -> Field {
    Field { name, read: Read::Integer(read) }
}

const fn optional_number(name: &'static str, read: fn(&Cdr) -> Option<i64>) -> Field {
    Field { name, read: Read::OptionalInteger(read) }
}

const fn time(name: &'static str, read: fn(&Cdr) -> Option<WallTime>) -> Field {
    Field { name, read: Read::OptionalTime(read) }
}

fn deck(pinned: &Pinned) -> String {
    pinned.deck.name.as_ref().into()
}

fn codec(codec: VoiceCodec) -> String {
    codec.label().into()
}

fn billed(charge: &Charge) -> i64 {
    count(charge.billed_s)
}

fn count(many: u64) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}

/// Nothing was heard that a score could be given to.
fn mos(stream: &Stream) -> Option<i64> {
    (stream.mos > 0).then_some(i64::from(stream.mos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_documented_and_no_other() {
        let page = include_str!("../../../../docs/CDR.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let documented: Vec<&str> = rows.collect();
        let known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(documented, known);
    }
}
