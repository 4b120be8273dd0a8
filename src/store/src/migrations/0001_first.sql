-- Times are milliseconds since 1970. Ids are 64 random bits, kept as signed integers of the same bits.

CREATE TABLE users (
    id           INTEGER PRIMARY KEY,
    number       TEXT    NOT NULL UNIQUE,
    display_name TEXT    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
    id                INTEGER PRIMARY KEY,
    user_id           INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name              TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    last_seen_at      INTEGER NOT NULL,
    access_hash       BLOB    NOT NULL UNIQUE,
    access_expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX devices_of_user ON devices (user_id, created_at);

-- Spent tokens stay until their time is over, so that a second use is recognised as theft.
CREATE TABLE refresh_tokens (
    hash       BLOB    PRIMARY KEY,
    device_id  INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    spent      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_of_device ON refresh_tokens (device_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

CREATE TABLE codes (
    key           BLOB    PRIMARY KEY,
    hash          BLOB    NOT NULL,
    expires_at    INTEGER NOT NULL,
    attempts_left INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_by_expiry ON codes (expires_at);

CREATE TABLE calls (
    id          INTEGER PRIMARY KEY,
    caller_id   INTEGER NOT NULL REFERENCES users (id),
    called      TEXT    NOT NULL,
    callee_id   INTEGER REFERENCES users (id),
    media       TEXT    NOT NULL,
    placed_at   INTEGER NOT NULL,
    accepted_at INTEGER,
    ended_at    INTEGER,
    cause       TEXT,
    CHECK ((ended_at IS NULL) = (cause IS NULL))
) STRICT;

CREATE INDEX calls_open ON calls (placed_at) WHERE ended_at IS NULL;

-- What one participant may see of a call, written when it is closed.
CREATE TABLE history (
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    placed_at   INTEGER NOT NULL,
    call_id     INTEGER NOT NULL,
    direction   TEXT    NOT NULL,
    peer_number TEXT    NOT NULL,
    peer_id     INTEGER REFERENCES users (id) ON DELETE SET NULL,
    media       TEXT    NOT NULL,
    cause       TEXT    NOT NULL,
    accepted_at INTEGER,
    ended_at    INTEGER NOT NULL,
    PRIMARY KEY (user_id, placed_at, call_id, direction)
) STRICT, WITHOUT ROWID;
