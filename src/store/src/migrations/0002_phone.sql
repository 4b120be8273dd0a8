-- Phone calls and money. Amounts are millionths of the main unit of a currency. Settings that only
-- the gateway reads are kept as it writes them.

-- Who pays. What an account has is in `books`.
CREATE TABLE accounts (
    id        INTEGER PRIMARY KEY,
    user_id   INTEGER UNIQUE REFERENCES users (id) ON DELETE SET NULL,
    status    TEXT    NOT NULL,
    plan      TEXT    NOT NULL,
    country   TEXT    NOT NULL,
    currency  TEXT    NOT NULL,
    tier      TEXT,
    note      TEXT    NOT NULL,
    opened_at INTEGER NOT NULL
) STRICT;

-- The ledger: `book` names whose money it is (AC_… for customers, TK_…/USD for carriers,
-- revenue/USD for the house).
CREATE TABLE books (
    book         TEXT    PRIMARY KEY,
    currency     TEXT    NOT NULL,
    booked       INTEGER NOT NULL,
    reserved     INTEGER NOT NULL,
    credit_limit INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE transfers (
    seq        INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE,
    from_book  TEXT    NOT NULL,
    to_book    TEXT    NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    purpose    TEXT    NOT NULL,
    account_id INTEGER,
    cdr_id     INTEGER,
    booked_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX transfers_of_account ON transfers (account_id, seq) WHERE account_id IS NOT NULL;
CREATE INDEX transfers_of_cdr ON transfers (cdr_id) WHERE cdr_id IS NOT NULL;

-- Open ones only: a reservation that is captured is a transfer, one that is released is gone.
CREATE TABLE reservations (
    id         BLOB    PRIMARY KEY,
    account_id INTEGER NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    cdr_id     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A rate is its fields in order, with spaces between: per minute, connection fee, first and next
-- increment, minimum, grace, greatest cost or `-`, rounding.
--
-- Ids are random and rows are wide: kept in the order in which they come, a batch fills a few pages
-- instead of touching one for each record.
CREATE TABLE cdrs (
    seq           INTEGER PRIMARY KEY,
    id            INTEGER NOT NULL UNIQUE,
    phone_id      INTEGER NOT NULL,
    call_id       INTEGER,
    account_id    INTEGER NOT NULL,
    user_id       INTEGER,
    direction     TEXT    NOT NULL,
    from_number   TEXT,
    to_number     TEXT    NOT NULL,
    destination   TEXT    NOT NULL,
    trunk_id      INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    route         TEXT    NOT NULL,
    sell_deck     TEXT    NOT NULL,
    sell_version  INTEGER NOT NULL,
    sell_currency TEXT    NOT NULL,
    sell_rate     TEXT    NOT NULL,
    buy_deck      TEXT    NOT NULL,
    buy_version   INTEGER NOT NULL,
    buy_currency  TEXT    NOT NULL,
    buy_rate      TEXT    NOT NULL,
    reserve       INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    reserved      INTEGER NOT NULL,
    invited_at    INTEGER,
    ringing_at    INTEGER,
    answered_at   INTEGER,
    first_in_at   INTEGER,
    last_in_at    INTEGER,
    first_out_at  INTEGER,
    last_out_at   INTEGER,
    carrier_codec TEXT,
    room_codec    TEXT,
    in_packets    INTEGER NOT NULL,
    in_lost       INTEGER NOT NULL,
    in_jitter_us  INTEGER NOT NULL,
    in_mos        INTEGER NOT NULL,
    out_packets   INTEGER NOT NULL,
    out_lost      INTEGER NOT NULL,
    out_jitter_us INTEGER NOT NULL,
    out_mos       INTEGER NOT NULL,
    ended_at      INTEGER,
    proof         TEXT,
    ended_by      TEXT,
    cause         TEXT,
    sip           INTEGER,
    q850          INTEGER,
    talked_ms     INTEGER,
    sell_billed_s INTEGER,
    sell_amount   INTEGER,
    buy_billed_s  INTEGER,
    buy_amount    INTEGER,
    CHECK ((ended_at IS NULL) = (proof IS NULL))
) STRICT;

CREATE INDEX cdrs_open ON cdrs (opened_at) WHERE ended_at IS NULL;
CREATE INDEX cdrs_by_time ON cdrs (opened_at, id);
CREATE INDEX cdrs_of_account ON cdrs (account_id, opened_at);
CREATE INDEX cdrs_of_call ON cdrs (call_id) WHERE call_id IS NOT NULL;

CREATE TABLE trunks (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    deck     TEXT,
    enabled  INTEGER NOT NULL,
    settings TEXT    NOT NULL
) STRICT;

CREATE TABLE plans (
    name     TEXT PRIMARY KEY,
    deck     TEXT NOT NULL,
    settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A version without `published_at` is being imported, or its import broke off.
CREATE TABLE decks (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    hash         BLOB    NOT NULL,
    size         INTEGER NOT NULL,
    published_at INTEGER,
    UNIQUE (name, version)
) STRICT;

CREATE TABLE deck_rows (
    deck_id     INTEGER NOT NULL REFERENCES decks (id) ON DELETE CASCADE,
    place       INTEGER NOT NULL,
    prefix      TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    rate        TEXT    NOT NULL,
    valid_from  INTEGER NOT NULL,
    valid_until INTEGER,
    tier        TEXT    NOT NULL,
    PRIMARY KEY (deck_id, place)
) STRICT, WITHOUT ROWID;

-- Our own numbers. A PIN is kept as a salted hash.
CREATE TABLE owned_numbers (
    number     TEXT    PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user_id    INTEGER REFERENCES users (id) ON DELETE CASCADE,
    room       TEXT,
    pin_salt   BLOB,
    pin_hash   BLOB,
    CHECK ((user_id IS NULL) <> (room IS NULL)),
    CHECK ((pin_salt IS NULL) = (pin_hash IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX owned_numbers_of_account ON owned_numbers (account_id);

-- Numbers that an account may show.
CREATE TABLE caller_ids (
    account_id  INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    number      TEXT    NOT NULL,
    verified_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE fraud_rules (
    name     TEXT    PRIMARY KEY,
    enabled  INTEGER NOT NULL,
    settings TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
    seq        INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    phone_id   INTEGER,
    rule       TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    appeal     TEXT    NOT NULL,
    decided_at INTEGER NOT NULL
) STRICT;

CREATE INDEX decisions_of_account ON decisions (account_id, seq);
CREATE INDEX decisions_by_time ON decisions (decided_at);

-- What webhooks have to tell. A row is there until it was told or given up.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE,
    body       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE sip_steps (
    phone_id  INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    direction TEXT    NOT NULL,
    peer      TEXT    NOT NULL,
    line      TEXT    NOT NULL,
    PRIMARY KEY (phone_id, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX sip_steps_by_time ON sip_steps (at);

-- How well each trunk reaches each country, hour by hour.
CREATE TABLE quality (
    trunk_id  INTEGER NOT NULL,
    country   TEXT    NOT NULL,
    hour      INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    answered  INTEGER NOT NULL,
    one_way   INTEGER NOT NULL,
    delays    INTEGER NOT NULL,
    delay_ms  INTEGER NOT NULL,
    PRIMARY KEY (trunk_id, country, hour)
) STRICT, WITHOUT ROWID;
