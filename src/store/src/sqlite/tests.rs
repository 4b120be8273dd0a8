use std::sync::atomic::{AtomicU32, Ordering};

use offhook_call::{Caller, Media, Record, Via};
use offhook_types::{CallId, WallTime};

use super::*;
use crate::conformance::{self, sign_up};
use crate::{Calls, Decks, Users};

/// A folder of its own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("offhook-store-{}-{serial}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn file(&self) -> PathBuf {
        self.0.join("inner/offhook.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn sqlite_conforms() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    conformance::check(&store).await;
}

#[tokio::test]
async fn it_writes_again_once_there_is_room() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    // As on a full disk: the file may not grow.
    let full = sqlx::raw_sql("PRAGMA max_page_count = 1");
    full.execute(&store.writer).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let much = "INSERT INTO outbox (key, body, created_at, due_at) \
                VALUES ('k', hex(zeroblob(1000000)), 0, 0)";
    let failed = sqlx::raw_sql(much).execute(&mut *tx).await;
    assert!(failed.is_err());
    drop(tx);
    sign_up(&store, 1).await;
}

#[tokio::test]
async fn an_import_in_progress_is_not_pruned_and_one_that_broke_off_is_forgotten() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    let begun = "INSERT INTO decks (name, version, currency, hash, size) \
                 VALUES ('retail', 1, 'USD', x'00', 1)";
    sqlx::raw_sql(begun).execute(&store.writer).await.unwrap();
    assert_eq!(store.prune_decks(1).await.unwrap(), 0);
    let many = "SELECT COUNT(*) FROM decks";
    let kept: i64 = sqlx::query_scalar(many).fetch_one(&store.readers).await.unwrap();
    assert_eq!(kept, 1);
    store.close().await;
    drop(store);
    let store = Sqlite::open(&folder.file()).await.unwrap();
    let left: i64 = sqlx::query_scalar(many).fetch_one(&store.readers).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn records_survive_a_crash() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    let ada = sign_up(&store, 1).await;
    let record = Record {
        call: CallId(1),
        caller: Caller::User(ada.id),
        callee: None,
        number: ada.number.clone().into(),
        via: Via::App,
        media: Media::Audio,
        placed_at: WallTime(1),
        accepted_at: None,
        ending: None,
    };
    store.open_call(&record).await.unwrap();
    // What a crash leaves: the files as they are now, with the log not yet folded into the
    // database.
    let copy = Folder::new();
    fs::create_dir_all(copy.file().parent().unwrap()).unwrap();
    for ending in ["", "-wal"] {
        let name = |folder: &Folder| format!("{}{ending}", folder.file().display());
        fs::copy(name(&folder), name(&copy)).unwrap();
    }
    let after = Sqlite::open(&copy.file()).await.unwrap();
    assert_eq!(after.call(CallId(1)).await.unwrap(), Some(record));
    assert_eq!(after.close_left_open(WallTime(2)).await.unwrap(), 1);
}

#[tokio::test]
async fn files_are_private() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    sign_up(&store, 1).await;
    for entry in fs::read_dir(folder.0.join("inner")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    store.close().await;
    drop(store);
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let _store = Sqlite::open(&folder.file()).await.unwrap();
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "an existing file is made private");
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    assert!(matches!(Sqlite::open(&folder.file()).await, Err(Error::InUse)));
    store.close().await;
    drop(store);
    Sqlite::open(&folder.file()).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 999").execute(&store.writer).await.unwrap();
    store.close().await;
    drop(store);
    let refused = Sqlite::open(&folder.file()).await;
    assert!(matches!(refused, Err(Error::Newer { found: 999, .. })), "{refused:?}");
}

#[tokio::test]
async fn commits_are_synced_and_readers_do_not_write() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    let pragma =
        async |name| -> i64 { sqlx::query_scalar(name).fetch_one(&store.writer).await.unwrap() };
    assert_eq!(pragma("PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(pragma("PRAGMA foreign_keys").await, 1);
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.writer).await.unwrap();
    assert_eq!(mode, "wal");
    let write = sqlx::query("DELETE FROM users").execute(&store.readers).await;
    assert!(write.is_err());
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    let ada = sign_up(&store, 1).await;
    store.close().await;
    assert!(matches!(store.user(ada.id).await, Err(Error::Unavailable(_))));
    assert!(matches!(store.rename(ada.id, "x").await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_reader_sees_what_a_running_server_wrote_and_writes_nothing() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).await.unwrap();
    let ada = sign_up(&store, 1).await;
    let reader = Sqlite::open_reader(&folder.file()).await.unwrap();
    assert_eq!(reader.user(ada.id).await.unwrap(), Some(ada.clone()));
    assert!(matches!(reader.rename(ada.id, "x").await, Err(Error::Unavailable(_))));
    store.close().await;
    drop(store);
    let after = Sqlite::open_reader(&folder.file()).await.unwrap();
    assert_eq!(after.user(ada.id).await.unwrap(), Some(ada));
}
