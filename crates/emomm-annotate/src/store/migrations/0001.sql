-- Version 1. Later versions are files beside this one; a released file is never changed.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- A clip of a corpus. Its names leave the database only by export and on the lead's pages.
CREATE TABLE clip (
    id        INTEGER PRIMARY KEY,
    seq       INTEGER NOT NULL UNIQUE,
    corpus    TEXT NOT NULL,
    class_map TEXT NOT NULL,
    video_id  TEXT NOT NULL,
    clip_id   TEXT NOT NULL,
    language  TEXT NOT NULL,
    use       TEXT NOT NULL CHECK (use IN ('main', 'training', 'calibration'))
) STRICT;

-- What a clip shows in one view: text here, media as a derivative file under a random name.
CREATE TABLE item (
    id         INTEGER PRIMARY KEY,
    lead_id    TEXT NOT NULL UNIQUE,
    clip       INTEGER NOT NULL REFERENCES clip,
    view       TEXT NOT NULL CHECK (view IN ('text', 'audio', 'video', 'multimodal')),
    text       TEXT,
    blob       TEXT,
    media_type TEXT,
    bytes      INTEGER,
    sha256     TEXT,
    condition  TEXT NOT NULL,
    warning    TEXT,
    UNIQUE (clip, view)
) STRICT;

-- A known label: of the corpus, of the lead, or adjudicated. Gold items are checked silently in main work.
CREATE TABLE reference (
    item    INTEGER PRIMARY KEY REFERENCES item,
    label   INTEGER NOT NULL,
    note    TEXT NOT NULL,
    is_gold INTEGER NOT NULL,
    source  TEXT NOT NULL CHECK (source IN ('corpus', 'lead', 'adjudication')),
    set_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id               INTEGER PRIMARY KEY,
    pseudonym        TEXT NOT NULL UNIQUE,
    role             TEXT NOT NULL CHECK (role IN ('annotator', 'lead')),
    state            TEXT NOT NULL CHECK (state IN ('invited', 'active', 'locked', 'withdrawn')),
    password         TEXT,
    language         TEXT NOT NULL,
    hotkeys          TEXT NOT NULL,
    consent_version  INTEGER,
    consent_at       INTEGER,
    sound_checked_at INTEGER,
    rested_at        INTEGER,
    queue_id         TEXT NOT NULL UNIQUE,
    created_at       INTEGER NOT NULL
) STRICT;

-- Who is behind a pseudonym. May be emptied without touching anything else.
CREATE TABLE identity (
    account INTEGER PRIMARY KEY REFERENCES account,
    login   TEXT NOT NULL UNIQUE COLLATE NOCASE
) STRICT;

CREATE TABLE invitation (
    token_hash BLOB PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX session_account ON session (account);

-- One modality of one annotator: closed → guide → training → calibration → main → done; held waits for the lead.
CREATE TABLE pass (
    account INTEGER NOT NULL REFERENCES account,
    number  INTEGER NOT NULL,
    view    TEXT NOT NULL,
    stage   TEXT NOT NULL CHECK (stage IN ('closed', 'guide', 'training', 'calibration', 'held', 'main', 'done')),
    attempt INTEGER NOT NULL,
    done_at INTEGER,
    PRIMARY KEY (account, number)
) STRICT;

CREATE TABLE assignment (
    id        INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    account   INTEGER NOT NULL REFERENCES account,
    item      INTEGER NOT NULL REFERENCES item,
    pass      INTEGER NOT NULL,
    phase     TEXT NOT NULL CHECK (phase IN ('training', 'calibration', 'main')),
    attempt   INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    role      TEXT NOT NULL CHECK (role IN ('plain', 'gold', 'repeat')),
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'open', 'done', 'revoked')),
    opened_at INTEGER,
    done_at   INTEGER
) STRICT;
-- Nobody ever has two items before them.
CREATE UNIQUE INDEX assignment_open ON assignment (account) WHERE state = 'open';
CREATE INDEX assignment_next ON assignment (account, pass, phase, state, position);
CREATE INDEX assignment_item ON assignment (item);

-- What an annotator answered. A change of mind is a new version; nothing is overwritten.
CREATE TABLE response (
    id              INTEGER PRIMARY KEY,
    assignment      INTEGER NOT NULL REFERENCES assignment,
    account         INTEGER NOT NULL REFERENCES account,
    version         INTEGER NOT NULL,
    label           INTEGER,
    cannot_judge    TEXT,
    comment         TEXT NOT NULL,
    privacy         INTEGER NOT NULL,
    plays           INTEGER NOT NULL,
    first_play_ms   INTEGER,
    total_ms        INTEGER NOT NULL,
    hidden_ms       INTEGER NOT NULL,
    ui_language     TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    salt            TEXT NOT NULL,
    received_at     INTEGER NOT NULL,
    CHECK ((label IS NULL) <> (cannot_judge IS NULL)),
    UNIQUE (assignment, version),
    UNIQUE (account, idempotency_key)
) STRICT;
CREATE INDEX response_account ON response (account, received_at);

CREATE TABLE retraction (
    response     INTEGER PRIMARY KEY REFERENCES response,
    retracted_at INTEGER NOT NULL
) STRICT;

-- The answer that counts: the newest version that was not taken back.
CREATE VIEW answer AS
SELECT r.*
FROM response r
WHERE r.version = (SELECT max(version) FROM response WHERE assignment = r.assignment)
  AND NOT EXISTS (SELECT 1 FROM retraction WHERE response = r.id);

CREATE TABLE adjudication (
    id         INTEGER PRIMARY KEY,
    item       INTEGER NOT NULL REFERENCES item,
    label      INTEGER NOT NULL,
    category   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    account    INTEGER NOT NULL REFERENCES account,
    decided_at INTEGER NOT NULL
) STRICT;
CREATE INDEX adjudication_item ON adjudication (item);

-- Stretches of work without a pause, for breaks and for pay.
CREATE TABLE work_span (
    id         INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account,
    started_at INTEGER NOT NULL,
    last_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX work_span_account ON work_span (account, last_at);

-- Every event, chained: hash = SHA-256 over the hash before, number, time, actor, action and detail.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash   TEXT NOT NULL
) STRICT;

CREATE TRIGGER response_is_kept BEFORE UPDATE ON response
BEGIN SELECT raise(ABORT, 'a response is never changed'); END;
CREATE TRIGGER response_stays BEFORE DELETE ON response
WHEN (SELECT state FROM account WHERE id = old.account) <> 'withdrawn'
BEGIN SELECT raise(ABORT, 'a response is never deleted but by withdrawal'); END;
CREATE TRIGGER retraction_is_kept BEFORE UPDATE ON retraction
BEGIN SELECT raise(ABORT, 'a retraction is never changed'); END;
CREATE TRIGGER adjudication_is_kept BEFORE UPDATE ON adjudication
BEGIN SELECT raise(ABORT, 'an adjudication is never changed'); END;
CREATE TRIGGER adjudication_stays BEFORE DELETE ON adjudication
BEGIN SELECT raise(ABORT, 'an adjudication is never deleted'); END;
CREATE TRIGGER audit_is_kept BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit trail is never deleted'); END;
