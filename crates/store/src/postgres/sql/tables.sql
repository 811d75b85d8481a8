-- The tables of one service. Texts are compared byte by byte; times are nanoseconds since 1970.

CREATE TABLE @.events (
    -- Allotted one by one, never ahead: a commit made after another has higher positions.
    position      bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    stream        text COLLATE "C" NOT NULL,
    sequence      bigint NOT NULL,
    partition_key text COLLATE "C" NOT NULL,
    recorded_at   bigint NOT NULL,
    bytes         bytea NOT NULL,
    UNIQUE (stream, sequence)
);
CREATE INDEX events_by_key ON @.events (partition_key, position);

-- Events the broker has not confirmed yet: a small table with many inserts and deletes, so it is
-- cleaned by their number and not by its size. Its end is not cut off, which would lock it.
CREATE TABLE @.unsent (
    position bigint PRIMARY KEY,
    slot     smallint NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false
);

CREATE TABLE @.handled (
    consumer_group text COLLATE "C" NOT NULL,
    event_id       uuid NOT NULL,
    at             bigint NOT NULL,
    PRIMARY KEY (consumer_group, event_id)
);
CREATE INDEX handled_by_age ON @.handled (at);

CREATE TABLE @.answers (
    principal    text COLLATE "C" NOT NULL,
    method       text COLLATE "C" NOT NULL,
    request_id   text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    at           bigint NOT NULL,
    response     bytea NOT NULL,
    PRIMARY KEY (request_id, principal, method)
);
CREATE INDEX answers_by_age ON @.answers (at);

-- `orders` is what view_orders holds for the row, as a JSON list of pairs. Pages have room for
-- another version of their rows, so that a change need not touch the indexes.
CREATE TABLE @.views (
    view    text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    orders  text NOT NULL,
    body    bytea NOT NULL,
    PRIMARY KEY (view, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE @.view_orders (
    view     text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    sort_key text COLLATE "C" NOT NULL,
    key      text COLLATE "C" NOT NULL,
    PRIMARY KEY (view, name, sort_key, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE @.timers (
    id      text COLLATE "C" PRIMARY KEY,
    due     bigint NOT NULL,
    payload bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX timers_by_due ON @.timers (due, id);

CREATE TABLE @.parked (
    position       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    consumer_group text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    event_id       uuid NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    attempts       bigint NOT NULL,
    parked_at      bigint NOT NULL,
    reason         text NOT NULL,
    headers        text NOT NULL,
    bytes          bytea NOT NULL,
    UNIQUE (consumer_group, event_id)
);
CREATE INDEX parked_by_key ON @.parked (consumer_group, key, position);

CREATE TABLE @.redrives (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_group text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    only_position  bigint,
    per_second     bigint NOT NULL,
    asked_by       text NOT NULL,
    why            text NOT NULL,
    at             bigint NOT NULL,
    UNIQUE (consumer_group, key)
);
CREATE INDEX redrives_by_age ON @.redrives (consumer_group, id);

CREATE TABLE @.parking_audit (
    position        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action          text NOT NULL,
    consumer_group  text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    parked_position bigint NOT NULL,
    event_id        uuid,
    topic           text COLLATE "C" NOT NULL,
    asked_by        text NOT NULL,
    why             text NOT NULL,
    at              bigint NOT NULL
);
CREATE INDEX parking_audit_by_group ON @.parking_audit (consumer_group, position);

-- Who shares in a pool. Renewing a member's slots changes its one row here and nothing else, so
-- it writes little and waits for no commit.
CREATE TABLE @.members (
    pool    text COLLATE "C" NOT NULL,
    member  text COLLATE "C" NOT NULL,
    address text NOT NULL,
    until   timestamptz NOT NULL,
    PRIMARY KEY (pool, member)
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200
);
-- Changes only when a slot changes its holder.
CREATE TABLE @.slots (
    pool   text COLLATE "C" NOT NULL,
    slot   integer NOT NULL,
    epoch  bigint NOT NULL DEFAULT 0,
    holder text COLLATE "C",
    PRIMARY KEY (pool, slot)
) WITH (fillfactor = 50);
