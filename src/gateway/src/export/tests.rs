use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use offhook_billing::cdr::{
    Direction, Ender, Evidence, Interim, Opening, Pinned, Proof, Recorded, Times,
};
use offhook_billing::deck::Label;
use offhook_billing::ledger::{Ledger, Op};
use offhook_billing::rate::Rate;
use offhook_store::{Batch, Books as _, Sqlite};
use offhook_types::phone::Cause;
use offhook_types::{CdrId, Currency, Dialed, Micros, PhoneId, TrunkId};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use super::*;

/// A store in a folder of its own that goes away with the test.
pub(crate) struct Kept {
    pub store: Arc<Sqlite>,
    folder: PathBuf,
}

impl Kept {
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-gateway-{}-{serial}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let store = Arc::new(Sqlite::open(&folder.join("offhook.db")).await.unwrap());
        Self { store, folder }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const ADA: AccountId = AccountId(1);

/// A record of a call at 0.12 a minute that is free to be stored without a reservation.
pub(crate) fn record(serial: u64) -> Cdr {
    let pin = |per_minute| Pinned {
        deck: Label { name: "retail".into(), version: 3, currency: Currency::USD },
        rate: Rate::by_the_second(Micros(per_minute)),
    };
    let opening = Opening {
        id: CdrId(serial),
        phone: PhoneId(serial),
        account: ADA,
        user: None,
        direction: Direction::Out,
        from: None,
        to: Recorded::from(&"+4915112345678".parse::<Dialed>().unwrap()),
        destination: "Germany, mobile \"D1\"".into(),
        trunk: TrunkId(1),
        attempt: 1,
        route: "the only one".into(),
        sell: pin(0),
        buy: pin(0),
        reserve: Micros::ZERO,
        at: WallTime(1_772_346_600_000 + serial),
    };
    Cdr::open(opening).unwrap()
}

pub(crate) fn closed(serial: u64) -> Cdr {
    let at = WallTime(1_772_346_700_000);
    let times = Times { answered: Some(WallTime(1_772_346_640_000)), ..Times::default() };
    let evidence = Evidence {
        proof: Proof::Bye,
        by: Ender::Callee,
        cause: Cause::HungUp,
        sip: Some(200),
        q850: Some(16),
        at,
        talked: Duration::from_secs(60),
        last: Interim { times, ..Interim::default() },
    };
    record(serial).close(&evidence).unwrap().cdr
}

/// Records of one account, in its store.
pub(crate) async fn with_records(cdrs: Vec<Cdr>) -> Kept {
    let kept = Kept::new().await;
    let mut ledger = Ledger::new(100);
    let (account, currency) = (ADA, Currency::USD);
    ledger.apply(Op::Open { account, currency, credit_limit: Micros::ZERO }).unwrap();
    let batch = Batch { changes: ledger.take_changes(), cdrs, ..Batch::default() };
    kept.store.commit_billing(&batch).await.unwrap();
    kept
}

async fn written(kept: &Kept, selection: Selection, format: Format) -> (u64, Vec<u8>) {
    let mut out = Vec::new();
    let many = export(&*kept.store, &selection, format, &mut out).await.unwrap();
    (many, out)
}

#[tokio::test]
async fn csv_has_a_header_and_a_line_for_each_closed_record() {
    let kept = with_records(vec![closed(1), record(2), closed(3)]).await;
    let (many, out) = written(&kept, Selection::default(), Format::Csv).await;
    let mut lines = csv::Reader::from_reader(&*out);
    let header: Vec<_> = lines.headers().unwrap().iter().map(str::to_owned).collect();
    assert!(header.iter().eq(FIELDS.iter().map(|field| field.name)));
    let place = |name: &str| header.iter().position(|field| field == name).unwrap();
    let lines: Vec<_> = lines.records().map(Result::unwrap).collect();
    assert_eq!((many, lines.len()), (2, 2));
    assert_eq!(&lines[0][place("destination")], "Germany, mobile \"D1\"");
    assert_eq!(&lines[0][place("ended_at")], "2026-03-01T06:31:40.000Z");
    assert_eq!(&lines[0][place("talked_ms")], "60000");
    assert_eq!(&lines[0][place("user_id")], "");
}

#[tokio::test]
async fn open_records_come_when_they_are_asked_for() {
    let kept = with_records(vec![closed(1), record(2)]).await;
    let selection = Selection { open: true, ..Selection::default() };
    let (many, out) = written(&kept, selection, Format::Jsonl).await;
    let lines = std::str::from_utf8(&out).unwrap().lines();
    let lines: Vec<serde_json::Value> =
        lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((many, lines.len()), (2, 2));
    assert_eq!(lines[0]["status"], "closed");
    assert_eq!(lines[0]["sell_amount_micros"], 0);
    assert_eq!(lines[1]["status"], "open");
    assert!(lines[1]["sell_amount_micros"].is_null());
}

#[tokio::test]
async fn times_and_accounts_select() {
    let kept = with_records((1..=5).map(closed).collect()).await;
    let base = 1_772_346_600_000;
    let (from, until) = (Some(WallTime(base + 2)), Some(WallTime(base + 4)));
    let some = Selection { from, until, ..Selection::default() };
    assert_eq!(written(&kept, some, Format::Jsonl).await.0, 2);
    let nobody = Selection { account: Some(AccountId(9)), ..Selection::default() };
    assert_eq!(written(&kept, nobody, Format::Jsonl).await, (0, vec![]));
}

#[tokio::test]
async fn parquet_columns_are_typed_and_can_be_read_back() {
    let kept = with_records(vec![closed(1), record(2)]).await;
    let selection = Selection { open: true, ..Selection::default() };
    let (many, out) = written(&kept, selection, Format::Parquet).await;
    let file = SerializedFileReader::new(Bytes::from(out)).unwrap();
    let names = file.metadata().file_metadata().schema_descr();
    let place = |name: &str| names.columns().iter().position(|c| c.name() == name).unwrap();
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!((many, rows.len()), (2, 2));
    assert_eq!(rows[0].get_string(place("cdr_id")).unwrap(), &CdrId(1).to_string());
    let ended = rows[0].get_timestamp_millis(place("ended_at")).unwrap();
    assert_eq!(ended, 1_772_346_700_000);
    assert_eq!(rows[0].get_long(place("talked_ms")).unwrap(), 60_000);
    assert_eq!(rows[0].get_long(place("sell_amount_micros")).unwrap(), 0);
    assert!(rows[1].get_long(place("sell_amount_micros")).is_err(), "it has none yet");
}

#[tokio::test]
async fn an_empty_export_is_a_whole_file() {
    let kept = Kept::new().await;
    for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
        assert_eq!(written(&kept, Selection::default(), format).await.0, 0);
    }
    let out = written(&kept, Selection::default(), Format::Parquet).await.1;
    assert!(SerializedFileReader::new(Bytes::from(out)).is_ok());
}
