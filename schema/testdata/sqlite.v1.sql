-- A data file of schema version 1, as SQL. Never edited: it stands for files that exist. A new version gets a new file.
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);

-- Ids are 16-byte blobs, times are milliseconds since 1970, `clock` is the seq of the event that a row comes from.

-- [history] One row per event of any kind. Its seq is the clock of all its cells. Its bucket is ord / 10,000: one table
-- with an index needs no buckets and so no chat_buckets.
CREATE TABLE messages (
    chat      BLOB    NOT NULL,
    seq       INTEGER NOT NULL,
    prev      INTEGER NOT NULL,
    ord       INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    members   INTEGER NOT NULL,
    countable INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    sender    BLOB    NOT NULL,
    client_id BLOB,
    at        INTEGER NOT NULL,
    raw       BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_seq ON messages (chat, seq);

-- [history] The newest state of a chat; seq is the clock.
CREATE TABLE chat_heads (
    chat        BLOB    NOT NULL PRIMARY KEY,
    seq         INTEGER NOT NULL,
    ord         INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    members     INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    title       TEXT,
    creator     BLOB    NOT NULL,
    at          INTEGER,
    preview     TEXT,
    newest_from BLOB
) STRICT, WITHOUT ROWID;

-- [history] Who is, or was, in a chat. role is absent once they have left.
CREATE TABLE members (
    chat       BLOB    NOT NULL,
    user       BLOB    NOT NULL,
    clock      INTEGER NOT NULL,
    role       TEXT,
    joined_seq INTEGER NOT NULL,
    left_seq   INTEGER,
    PRIMARY KEY (chat, user)
) STRICT, WITHOUT ROWID;

-- [user_chats] A chat in a user's list as of the last pointer (clock = its seq, 0 before the first, when only the read
-- position is known and the row is in no list). The read position has a clock of its own: itself.
CREATE TABLE user_chats (
    user        BLOB    NOT NULL,
    chat        BLOB    NOT NULL,
    clock       INTEGER NOT NULL,
    kind        TEXT,
    title       TEXT,
    with_user   BLOB,
    members     INTEGER NOT NULL DEFAULT 0,
    role        TEXT,
    joined_seq  INTEGER NOT NULL DEFAULT 0,
    left_seq    INTEGER,
    newest_seq  INTEGER NOT NULL DEFAULT 0,
    newest_n    INTEGER NOT NULL DEFAULT 0,
    newest_at   INTEGER,
    preview     TEXT,
    newest_from BLOB,
    read_seq    INTEGER NOT NULL DEFAULT 0,
    read_n      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user, chat)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_chats_newest ON user_chats (user, newest_seq DESC, chat DESC) WHERE clock > 0;

-- [row workers] Everything of a stream up to seq is in the rows. Written together with them.
CREATE TABLE progress (
    worker  TEXT    NOT NULL,
    stream  TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    PRIMARY KEY (worker, stream)
) STRICT, WITHOUT ROWID;

-- [handlers] People. The handle is absent for users known only by an app's token, and so is the password.
CREATE TABLE users (
    id            BLOB    NOT NULL PRIMARY KEY,
    handle        TEXT    UNIQUE,
    name          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    password_hash TEXT
) STRICT, WITHOUT ROWID;

-- [handlers] SHA-256 of each refresh token. Used ones stay until they expire, so that a second use is noticed.
CREATE TABLE refresh_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY,
    user       BLOB    NOT NULL,
    family     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

INSERT INTO messages VALUES
    (x'0190a5c47e00700080000000000000a1', 12, 0, 0, 0, 2, 0, 'created', x'0190a5c47e0070008000000000000001', x'0190a5c47e00700080000000000000d1', 1767323045678, CAST('{"v":1}' AS BLOB)),
    (x'0190a5c47e00700080000000000000a1', 44, 12, 1, 1, 2, 1, 'message', x'0190a5c47e0070008000000000000002', NULL, 1767323045679, x'7bff7d');
INSERT INTO chat_heads VALUES
    (x'0190a5c47e00700080000000000000a1', 44, 1, 1, 2, 'group', 'Tide table', x'0190a5c47e0070008000000000000001', 1767323045679, 'café', x'0190a5c47e0070008000000000000002'),
    (x'0190a5c47e00700080000000000000a2', 7, 0, 0, 2, 'direct', NULL, x'0190a5c47e0070008000000000000001', NULL, NULL, NULL);
INSERT INTO members VALUES
    (x'0190a5c47e00700080000000000000a1', x'0190a5c47e0070008000000000000001', 12, 'owner', 12, NULL),
    (x'0190a5c47e00700080000000000000a1', x'0190a5c47e0070008000000000000002', 20, 'admin', 12, NULL),
    (x'0190a5c47e00700080000000000000a1', x'0190a5c47e0070008000000000000003', 30, NULL, 12, 30),
    (x'0190a5c47e00700080000000000000a1', x'0190a5c47e0070008000000000000004', 31, 'member', 31, NULL);
INSERT INTO user_chats VALUES
    (x'0190a5c47e0070008000000000000001', x'0190a5c47e00700080000000000000a1', 44, 'group', 'Tide table', NULL, 2, 'owner', 12, NULL, 44, 1, 1767323045679, 'café', x'0190a5c47e0070008000000000000002', 12, 0),
    (x'0190a5c47e0070008000000000000001', x'0190a5c47e00700080000000000000a2', 7, 'direct', NULL, x'0190a5c47e0070008000000000000002', 2, NULL, 7, 7, 7, 0, NULL, NULL, NULL, 0, 0),
    (x'0190a5c47e0070008000000000000002', x'0190a5c47e00700080000000000000a1', 0, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, 0, NULL, NULL, NULL, 44, 1);
INSERT INTO progress VALUES ('history', 'CHAT_0', 44, 1767323045680, 3), ('user_chats', 'INBOX_0', 9, 1767323045681, 4);
INSERT INTO users VALUES
    (x'0190a5c47e0070008000000000000001', 'ann', 'Ann', 1767323045678, '$argon2id$sample'),
    (x'0190a5c47e0070008000000000000002', NULL, 'Bob', 1767323045678, NULL);
INSERT INTO refresh_tokens VALUES
    (x'0101010101010101010101010101010101010101010101010101010101010101', x'0190a5c47e0070008000000000000001', x'0190a5c47e00700080000000000000f1', 7258118400000, 0),
    (x'0202020202020202020202020202020202020202020202020202020202020202', x'0190a5c47e0070008000000000000001', x'0190a5c47e00700080000000000000f1', 7258118400000, 1);
