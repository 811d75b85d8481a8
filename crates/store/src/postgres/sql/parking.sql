-- One change to the parked events. `_write` holds its fields under the names of the seam; `_bytes`
-- are those of an event to be parked. The caller holds the lock of the key.

CREATE FUNCTION @.audit_1(_action text, _group text, _key text, _position bigint, _event uuid,
    _topic text, _by text, _why text, _at bigint)
RETURNS void LANGUAGE sql AS $function$
    INSERT INTO @.parking_audit (action, consumer_group, key, parked_position, event_id, topic,
        asked_by, why, at)
    VALUES (_action, _group, _key, _position, _event, _topic, _by, _why, _at)
$function$;

CREATE FUNCTION @.park_1(_write jsonb, _bytes bytea, _handled_group text, _handled_event uuid,
    _handled_key text)
RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    v_kind     text := _write ->> 'kind';
    v_position bigint := _write ->> 'position';
    v_at       bigint := _write ->> 'at';
    v_by       text := _write ->> 'by';
    v_why      text := _write ->> 'why';
    v_group    text := _write ->> 'group';
    v_key      text := _write ->> 'key';
    v_row      record;
    v_first    bigint;
BEGIN
    IF v_kind IN ('park', 'park_behind') THEN
        IF v_kind = 'park_behind' AND NOT EXISTS (
            SELECT FROM @.parked WHERE consumer_group = v_group AND key = v_key
        ) THEN
            PERFORM @.refuse_1('OUTC1', jsonb_build_object(
                'kind', 'key_free', 'group', v_group, 'key', v_key));
        END IF;
        INSERT INTO @.parked (consumer_group, key, event_id, topic, attempts, parked_at, reason,
            headers, bytes)
        VALUES (v_group, v_key, (_write ->> 'event')::uuid, _write ->> 'topic',
            (_write ->> 'attempts')::bigint, v_at, v_why, _write ->> 'headers', _bytes);
        RETURN;
    ELSIF v_kind = 'cancel_redrive' THEN
        DELETE FROM @.redrives WHERE consumer_group = v_group AND key = v_key;
        IF FOUND THEN
            PERFORM @.audit_1('redrive_cancelled', v_group, v_key, 0, NULL, '', v_by, v_why, v_at);
        END IF;
        RETURN;
    ELSIF v_kind = 'redrive_group' THEN
        -- Changing the rows first waits for whoever takes some of them away: what is asked for
        -- below is parked for as long as this commit lasts.
        WITH reset AS (
            UPDATE @.parked SET attempts = 0 WHERE consumer_group = v_group RETURNING key
        )
        INSERT INTO @.redrives AS r
            (consumer_group, key, only_position, per_second, asked_by, why, at)
        SELECT DISTINCT v_group, key, NULL::bigint, (_write ->> 'per_second')::bigint, v_by, v_why,
            v_at
        FROM reset ORDER BY key
        ON CONFLICT (consumer_group, key) DO UPDATE SET only_position = NULL,
            per_second = excluded.per_second, asked_by = excluded.asked_by, why = excluded.why,
            at = excluded.at;
        IF FOUND THEN
            PERFORM @.audit_1('redrive_requested', v_group, '', 0, NULL, '', v_by, v_why, v_at);
        END IF;
        RETURN;
    ELSIF v_kind = 'redrive_key' THEN
        UPDATE @.parked SET attempts = 0 WHERE consumer_group = v_group AND key = v_key;
        IF FOUND THEN
            INSERT INTO @.redrives (consumer_group, key, only_position, per_second, asked_by, why,
                at)
            VALUES (v_group, v_key, NULL, (_write ->> 'per_second')::bigint, v_by, v_why, v_at)
            ON CONFLICT (consumer_group, key) DO UPDATE SET only_position = NULL,
                per_second = excluded.per_second, asked_by = excluded.asked_by,
                why = excluded.why, at = excluded.at;
            PERFORM @.audit_1('redrive_requested', v_group, v_key, 0, NULL, '', v_by, v_why, v_at);
        END IF;
        RETURN;
    END IF;

    -- The others are about one row.
    SELECT position, consumer_group, key, event_id, topic INTO v_row
    FROM @.parked WHERE position = v_position;
    IF NOT FOUND THEN
        PERFORM @.refuse_1('OUTC1', jsonb_build_object(
            'kind', 'not_parked', 'position', v_position));
    END IF;
    IF v_kind IN ('unpark', 'redrive_event') THEN
        SELECT position INTO v_first FROM @.parked
        WHERE consumer_group = v_row.consumer_group AND key = v_row.key
        ORDER BY position LIMIT 1;
        IF v_first <> v_position THEN
            PERFORM @.refuse_1('OUTC1', jsonb_build_object(
                'kind', 'not_first', 'position', v_position, 'first', v_first));
        END IF;
    END IF;
    IF v_kind = 'redrive_event' AND v_row.consumer_group <> v_group THEN
        PERFORM @.refuse_1('OUTC1', jsonb_build_object(
            'kind', 'not_parked', 'position', v_position));
    END IF;

    IF v_kind = 'redrive_event' THEN
        UPDATE @.parked SET attempts = 0 WHERE position = v_position;
        -- A request for all of the key stays one.
        INSERT INTO @.redrives AS r
            (consumer_group, key, only_position, per_second, asked_by, why, at)
        VALUES (v_row.consumer_group, v_row.key, v_position, (_write ->> 'per_second')::bigint,
            v_by, v_why, v_at)
        ON CONFLICT (consumer_group, key) DO UPDATE SET
            only_position = CASE WHEN r.only_position IS NULL THEN NULL
                                 ELSE excluded.only_position END,
            per_second = excluded.per_second, asked_by = excluded.asked_by, why = excluded.why,
            at = excluded.at;
        PERFORM @.audit_1('redrive_requested', v_row.consumer_group, v_row.key, v_position,
            v_row.event_id, v_row.topic, v_by, v_why, v_at);
        RETURN;
    ELSIF v_kind = 'failed_again' THEN
        UPDATE @.parked
        SET reason = v_why, attempts = attempts + (_write ->> 'attempts')::bigint
        WHERE position = v_position;
        DELETE FROM @.redrives WHERE consumer_group = v_row.consumer_group AND key = v_row.key
        RETURNING asked_by INTO v_by;
        PERFORM @.audit_1('redrive_failed', v_row.consumer_group, v_row.key, v_position,
            v_row.event_id, v_row.topic, coalesce(v_by, ''), v_why, v_at);
        RETURN;
    ELSIF v_kind = 'unpark' THEN
        IF (v_row.consumer_group, v_row.key, v_row.event_id)
            IS DISTINCT FROM (_handled_group, _handled_key, _handled_event) THEN
            PERFORM @.refuse_1('OUTC3', jsonb_build_object('kind', 'unpark_without_handled'));
        END IF;
        SELECT asked_by INTO v_by FROM @.redrives
        WHERE consumer_group = v_row.consumer_group AND key = v_row.key;
        v_by := coalesce(v_by, '');
    END IF;

    -- Unparked or discarded: the row goes, and its key's request when nothing is left to do.
    DELETE FROM @.parked WHERE position = v_position;
    DELETE FROM @.redrives r
    WHERE r.consumer_group = v_row.consumer_group AND r.key = v_row.key
      AND (r.only_position = v_position OR NOT EXISTS (
          SELECT FROM @.parked p
          WHERE p.consumer_group = v_row.consumer_group AND p.key = v_row.key));
    IF v_kind = 'discard' THEN
        INSERT INTO @.handled (consumer_group, event_id, at)
        VALUES (v_row.consumer_group, v_row.event_id, v_at) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM @.audit_1(CASE v_kind WHEN 'unpark' THEN 'redriven' ELSE 'discarded' END,
        v_row.consumer_group, v_row.key, v_position, v_row.event_id, v_row.topic, v_by,
        coalesce(v_why, ''), v_at);
END
$function$;
