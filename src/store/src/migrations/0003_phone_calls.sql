-- A call may have a phone on one side: its caller is then no user, and may hide its number.
CREATE TABLE calls_with_phones (
    id            INTEGER PRIMARY KEY,
    caller_id     INTEGER REFERENCES users (id),
    -- Of a phone that called; NULL where it hides its number.
    caller_number TEXT,
    caller_name   TEXT    NOT NULL DEFAULT '',
    called        TEXT    NOT NULL,
    callee_id     INTEGER REFERENCES users (id),
    via           TEXT    NOT NULL,
    media         TEXT    NOT NULL,
    placed_at     INTEGER NOT NULL,
    accepted_at   INTEGER,
    ended_at      INTEGER,
    cause         TEXT,
    CHECK (caller_id IS NOT NULL OR via = 'phone'),
    CHECK ((ended_at IS NULL) = (cause IS NULL))
) STRICT;

INSERT INTO calls_with_phones
    (id, caller_id, called, callee_id, via, media, placed_at, accepted_at, ended_at, cause)
    SELECT id, caller_id, called, callee_id, 'app', media, placed_at, accepted_at, ended_at, cause
    FROM calls;

DROP TABLE calls;
ALTER TABLE calls_with_phones RENAME TO calls;

CREATE INDEX calls_open ON calls (placed_at) WHERE ended_at IS NULL;

-- peer_number is empty for a phone that hid it; peer_name is what the phone network showed.
ALTER TABLE history ADD COLUMN via TEXT NOT NULL DEFAULT 'app';
ALTER TABLE history ADD COLUMN peer_name TEXT NOT NULL DEFAULT '';
