//! A record as a row. One statement opens, changes and closes: what is closed stays as it is.

use core::time::Duration;

use offhook_billing::cdr::{Cdr, End, Opening, Pinned, Recorded, Stream, Times, Voice};
use offhook_billing::deck::Label;
use offhook_billing::rate::Charge;
use offhook_types::counters::Counted;
use offhook_types::{AccountId, CallId, CdrId, PhoneId, TrunkId, UserId, WallTime};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::many::{Insert, Values};
use super::super::rows::{
    bits, label, micros, optional_bits, optional_label, optional_small, optional_time, parsed,
    rate, rate_text, small, time,
};
use super::super::{Field, signed};
use crate::Error;

const CDRS: Insert = Insert {
    into: "INSERT INTO cdrs (id, phone_id, call_id, account_id, user_id, direction, from_number, \
           to_number, destination, trunk_id, attempt, route, sell_deck, sell_version, \
           sell_currency, sell_rate, buy_deck, buy_version, buy_currency, buy_rate, reserve, \
           opened_at, reserved, invited_at, ringing_at, answered_at, first_in_at, last_in_at, \
           first_out_at, last_out_at, carrier_codec, room_codec, in_packets, in_lost, \
           in_jitter_us, in_mos, out_packets, out_lost, out_jitter_us, out_mos, ended_at, proof, \
           ended_by, cause, sip, q850, talked_ms, sell_billed_s, sell_amount, buy_billed_s, \
           buy_amount)",
    columns: 51,
    then: "ON CONFLICT (id) DO UPDATE SET call_id = excluded.call_id, \
           reserved = excluded.reserved, invited_at = excluded.invited_at, \
           ringing_at = excluded.ringing_at, answered_at = excluded.answered_at, \
           first_in_at = excluded.first_in_at, last_in_at = excluded.last_in_at, \
           first_out_at = excluded.first_out_at, last_out_at = excluded.last_out_at, \
           carrier_codec = excluded.carrier_codec, room_codec = excluded.room_codec, \
           in_packets = excluded.in_packets, in_lost = excluded.in_lost, \
           in_jitter_us = excluded.in_jitter_us, in_mos = excluded.in_mos, \
           out_packets = excluded.out_packets, out_lost = excluded.out_lost, \
           out_jitter_us = excluded.out_jitter_us, out_mos = excluded.out_mos, \
           ended_at = excluded.ended_at, proof = excluded.proof, ended_by = excluded.ended_by, \
           cause = excluded.cause, sip = excluded.sip, q850 = excluded.q850, \
           talked_ms = excluded.talked_ms, sell_billed_s = excluded.sell_billed_s, \
           sell_amount = excluded.sell_amount, buy_billed_s = excluded.buy_billed_s, \
           buy_amount = excluded.buy_amount \
           WHERE cdrs.ended_at IS NULL AND cdrs.phone_id = excluded.phone_id",
};

/// Write records as they are now. [`Error::Conflict`] when one is closed already, or its id is
/// another's.
pub(in super::super) async fn write(tx: &mut SqliteConnection, cdrs: &[Cdr]) -> Result<(), Error> {
    let written = CDRS
        .run(tx, cdrs, |cdr, values| {
            bind_opening(cdr, values);
            bind_progress(cdr, values);
            bind_end(cdr.end.as_ref(), values);
        })
        .await?;
    if written == cdrs.len() as u64 { Ok(()) } else { Err(Error::Conflict) }
}

fn bind_opening(cdr: &Cdr, values: &mut Values) {
    let opening = &cdr.opening;
    values
        .push(signed(opening.id.0))
        .push(signed(opening.phone.0))
        .push(cdr.call.map(|call| signed(call.0)))
        .push(signed(opening.account.0))
        .push(opening.user.map(|user| signed(user.0)))
        .push(opening.direction.label())
        .push(opening.from.as_ref().map(|from| from.as_str()))
        .push(opening.to.as_str())
        .push(opening.destination.as_str())
        .push(signed(opening.trunk.0))
        .push(i64::from(opening.attempt))
        .push(opening.route.as_str());
    for pinned in [&opening.sell, &opening.buy] {
        values
            .push(&*pinned.deck.name)
            .push(i64::from(pinned.deck.version))
            .push(pinned.deck.currency.as_str())
            .push(rate_text(&pinned.rate));
    }
    values.push(opening.reserve.0).push(signed(opening.at.0));
}

fn bind_progress(cdr: &Cdr, values: &mut Values) {
    let (times, voice) = (&cdr.times, &cdr.voice);
    values.push(cdr.reserved.0);
    for at in [
        times.invited,
        times.ringing,
        times.answered,
        times.first_in,
        times.last_in,
        times.first_out,
        times.last_out,
    ] {
        values.push(at.map(|at: WallTime| signed(at.0)));
    }
    values.push(voice.carrier.map(Counted::label)).push(voice.room.map(Counted::label));
    for stream in [&voice.from_carrier, &voice.to_carrier] {
        values
            .push(signed(stream.packets))
            .push(signed(stream.lost))
            .push(i64::from(stream.jitter_us))
            .push(i64::from(stream.mos));
    }
}

fn bind_end(end: Option<&End>, values: &mut Values) {
    let talked = |end: &End| i64::try_from(end.talked.as_millis()).unwrap_or(i64::MAX);
    values
        .push(end.map(|end| signed(end.at.0)))
        .push(end.map(|end| end.proof.label()))
        .push(end.map(|end| end.by.label()))
        .push(end.map(|end| end.cause.label()))
        .push(end.and_then(|end| end.sip).map(i64::from))
        .push(end.and_then(|end| end.q850).map(i64::from))
        .push(end.map(talked))
        .push(end.map(|end| signed(end.sell.billed_s)))
        .push(end.map(|end| end.sell.amount.0))
        .push(end.map(|end| signed(end.buy.billed_s)))
        .push(end.map(|end| end.buy.amount.0));
}

/// A record.
pub(in super::super) fn read_cdr(row: &SqliteRow) -> Result<Cdr, Error> {
    Ok(Cdr {
        opening: read_opening(row)?,
        call: optional_bits(row, "call_id")?.map(CallId),
        reserved: micros(row, "reserved")?,
        times: Times {
            invited: optional_time(row, "invited_at")?,
            ringing: optional_time(row, "ringing_at")?,
            answered: optional_time(row, "answered_at")?,
            first_in: optional_time(row, "first_in_at")?,
            last_in: optional_time(row, "last_in_at")?,
            first_out: optional_time(row, "first_out_at")?,
            last_out: optional_time(row, "last_out_at")?,
        },
        voice: Voice {
            carrier: optional_label(row, "carrier_codec")?,
            room: optional_label(row, "room_codec")?,
            from_carrier: Stream {
                packets: bits(row, "in_packets")?,
                lost: bits(row, "in_lost")?,
                jitter_us: small(row, "in_jitter_us")?,
                mos: small(row, "in_mos")?,
            },
            to_carrier: Stream {
                packets: bits(row, "out_packets")?,
                lost: bits(row, "out_lost")?,
                jitter_us: small(row, "out_jitter_us")?,
                mos: small(row, "out_mos")?,
            },
        },
        end: match optional_time(row, "ended_at")? {
            Some(at) => Some(read_end(row, at)?),
            None => None,
        },
    })
}

fn read_opening(row: &SqliteRow) -> Result<Opening, Error> {
    let from = row.field::<Option<&str>>("from_number")?;
    Ok(Opening {
        id: CdrId(bits(row, "id")?),
        phone: PhoneId(bits(row, "phone_id")?),
        account: AccountId(bits(row, "account_id")?),
        user: optional_bits(row, "user_id")?.map(UserId),
        direction: label(row, "direction")?,
        from: from.map(Recorded::from_stored),
        to: Recorded::from_stored(row.field("to_number")?),
        destination: row.field("destination")?,
        trunk: TrunkId(bits(row, "trunk_id")?),
        attempt: small(row, "attempt")?,
        route: row.field("route")?,
        sell: Pinned {
            deck: Label {
                name: row.field::<&str>("sell_deck")?.into(),
                version: small(row, "sell_version")?,
                currency: parsed(row, "sell_currency")?,
            },
            rate: rate(row, "sell_rate")?,
        },
        buy: Pinned {
            deck: Label {
                name: row.field::<&str>("buy_deck")?.into(),
                version: small(row, "buy_version")?,
                currency: parsed(row, "buy_currency")?,
            },
            rate: rate(row, "buy_rate")?,
        },
        reserve: micros(row, "reserve")?,
        at: time(row, "opened_at")?,
    })
}

fn read_end(row: &SqliteRow, at: WallTime) -> Result<End, Error> {
    Ok(End {
        proof: label(row, "proof")?,
        by: label(row, "ended_by")?,
        cause: label(row, "cause")?,
        sip: optional_small(row, "sip")?,
        q850: optional_small(row, "q850")?,
        at,
        talked: Duration::from_millis(bits(row, "talked_ms")?),
        sell: Charge { billed_s: bits(row, "sell_billed_s")?, amount: micros(row, "sell_amount")? },
        buy: Charge { billed_s: bits(row, "buy_billed_s")?, amount: micros(row, "buy_amount")? },
    })
}
