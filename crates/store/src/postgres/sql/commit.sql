-- A commit: one call, one round trip, all or nothing.
--
-- What refuses it is raised as OUTC1 (conflict), OUTC2 (duplicate) or OUTC3 (invalid), with a JSON
-- object as DETAIL. Parts of the commit are named there by their place in the arrays, from 1.

CREATE FUNCTION @.refuse_1(_code text, _detail jsonb)
RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'the commit is refused' USING ERRCODE = _code, DETAIL = _detail::text;
END
$function$;

CREATE FUNCTION @.commit_1(
    _fence_pool text, _fence_slot integer, _fence_epoch bigint,
    -- Names of what is locked, in their order, and whether for this commit alone.
    _locks text[], _alone boolean[],
    _streams text[], _expected bigint[], _counts integer[],
    -- The events of all streams, one after the other.
    _event_keys text[], _event_times bigint[], _event_slots smallint[], _event_bytes bytea[],
    _handled_group text, _handled_event uuid, _handled_key text, _handled_at bigint,
    _principal text, _method text, _request_id text, _request_hash bytea, _response bytea,
    _answered_at bigint,
    -- A version of null: whatever it is. A body of null: the row goes.
    _views text[], _view_keys text[], _view_versions bigint[], _view_orders text[],
    _view_bodies bytea[],
    -- With a payload: set. With a time only: fired. With neither: cleared.
    _timers text[], _timer_dues bigint[], _timer_payloads bytea[],
    -- JSON objects, the bytes of those to be parked, and which rows the others are about.
    _parks text[], _park_bytes bytea[], _park_positions bigint[]
) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    v_class integer := hashtext('@');
    v_found bigint;
    v_first bigint := 1;
    v_old   text;
    v_park  jsonb;
BEGIN
    -- Nobody takes the slot over while this is held, so what is decided here holds to the end.
    IF _fence_pool IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(hashtext('@/' || _fence_pool), _fence_slot);
        SELECT epoch INTO v_found FROM @.slots WHERE pool = _fence_pool AND slot = _fence_slot;
        IF coalesce(v_found, 0) <> _fence_epoch THEN
            PERFORM @.refuse_1('OUTC1', jsonb_build_object(
                'kind', 'fenced', 'found', coalesce(v_found, 0)));
        END IF;
    END IF;

    -- From here on nobody else changes what these names stand for, and every statement below sees
    -- what the last one who did has left.
    FOR i IN 1 .. cardinality(_locks) LOOP
        IF _alone[i] THEN
            PERFORM pg_advisory_xact_lock(v_class, hashtext(_locks[i]));
        ELSE
            PERFORM pg_advisory_xact_lock_shared(v_class, hashtext(_locks[i]));
        END IF;
    END LOOP;
    IF cardinality(_park_positions) > 0 THEN
        PERFORM pg_advisory_xact_lock(v_class, hashtext(k.name)) FROM (
            SELECT DISTINCT 'p/' || consumer_group || '/' || key AS name FROM @.parked
            WHERE position = ANY (_park_positions) ORDER BY 1
        ) k;
    END IF;

    -- What has been done already is found before anything that has changed because of it.
    IF _handled_group IS NOT NULL AND EXISTS (
        SELECT FROM @.handled WHERE consumer_group = _handled_group AND event_id = _handled_event
    ) THEN
        PERFORM @.refuse_1('OUTC2', '{"kind": "handled"}');
    END IF;
    IF _request_id IS NOT NULL AND EXISTS (
        SELECT FROM @.answers
        WHERE request_id = _request_id AND principal = _principal AND method = _method
    ) THEN
        PERFORM @.refuse_1('OUTC2', '{"kind": "answered"}');
    END IF;
    FOR i IN 1 .. cardinality(_parks) LOOP
        v_park := _parks[i]::jsonb;
        CONTINUE WHEN v_park ->> 'kind' NOT IN ('park', 'park_behind');
        IF EXISTS (
            SELECT FROM @.handled WHERE consumer_group = v_park ->> 'group'
                AND event_id = (v_park ->> 'event')::uuid
        ) THEN
            PERFORM @.refuse_1('OUTC2', jsonb_build_object(
                'kind', 'park_handled', 'place', i));
        END IF;
        SELECT position INTO v_found FROM @.parked WHERE consumer_group = v_park ->> 'group'
            AND event_id = (v_park ->> 'event')::uuid;
        IF FOUND THEN
            PERFORM @.refuse_1('OUTC2', jsonb_build_object(
                'kind', 'parked', 'place', i, 'position', v_found));
        END IF;
    END LOOP;

    FOR i IN 1 .. cardinality(_streams) LOOP
        SELECT sequence INTO v_found FROM @.events
        WHERE stream = _streams[i] ORDER BY sequence DESC LIMIT 1;
        IF coalesce(v_found, 0) <> _expected[i] THEN
            PERFORM @.refuse_1('OUTC1', jsonb_build_object(
                'kind', 'stream', 'place', i, 'found', coalesce(v_found, 0)));
        END IF;
        FOR e IN v_first .. v_first + _counts[i] - 1 LOOP
            INSERT INTO @.events (stream, sequence, partition_key, recorded_at, bytes)
            VALUES (_streams[i], _expected[i] + 1 + e - v_first, _event_keys[e],
                _event_times[e], _event_bytes[e])
            RETURNING position INTO v_found;
            INSERT INTO @.unsent (position, slot) VALUES (v_found, _event_slots[e]);
        END LOOP;
        v_first := v_first + _counts[i];
    END LOOP;

    IF _handled_group IS NOT NULL THEN
        SELECT position INTO v_found FROM @.parked
        WHERE consumer_group = _handled_group AND key = _handled_key
        ORDER BY position LIMIT 1;
        -- Whether it is the right row is judged when it is unparked.
        IF FOUND AND NOT EXISTS (
            SELECT FROM unnest(_parks) p
            WHERE p::jsonb ->> 'kind' = 'unpark' AND (p::jsonb ->> 'position')::bigint = v_found
        ) THEN
            PERFORM @.refuse_1('OUTC1', jsonb_build_object(
                'kind', 'key_parked', 'first', v_found));
        END IF;
        INSERT INTO @.handled (consumer_group, event_id, at)
        VALUES (_handled_group, _handled_event, _handled_at) ON CONFLICT DO NOTHING;
        -- Somebody else has done it at the same time, and has just finished.
        IF NOT FOUND THEN
            PERFORM @.refuse_1('OUTC2', '{"kind": "handled"}');
        END IF;
    END IF;

    IF _request_id IS NOT NULL THEN
        INSERT INTO @.answers (principal, method, request_id, request_hash, at, response)
        VALUES (_principal, _method, _request_id, _request_hash, _answered_at, _response)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            PERFORM @.refuse_1('OUTC2', '{"kind": "answered"}');
        END IF;
    END IF;

    FOR i IN 1 .. cardinality(_views) LOOP
        LOOP
            SELECT version, orders INTO v_found, v_old FROM @.views
            WHERE view = _views[i] AND key = _view_keys[i] FOR UPDATE;
            IF _view_versions[i] IS NOT NULL AND _view_versions[i] <> coalesce(v_found, 0) THEN
                PERFORM @.refuse_1('OUTC1', jsonb_build_object(
                    'kind', 'view', 'place', i, 'found', coalesce(v_found, 0)));
            END IF;
            IF v_found IS NOT NULL AND _view_bodies[i] IS NOT NULL THEN
                UPDATE @.views
                SET version = version + 1, orders = _view_orders[i], body = _view_bodies[i]
                WHERE view = _views[i] AND key = _view_keys[i];
                EXIT;
            ELSIF v_found IS NOT NULL THEN
                DELETE FROM @.views WHERE view = _views[i] AND key = _view_keys[i];
                EXIT;
            ELSIF _view_bodies[i] IS NULL THEN
                EXIT;
            END IF;
            INSERT INTO @.views (view, key, version, orders, body)
            VALUES (_views[i], _view_keys[i], 1, _view_orders[i], _view_bodies[i])
            ON CONFLICT DO NOTHING;
            -- Otherwise somebody else has just made the row: look again.
            EXIT WHEN FOUND;
        END LOOP;
        -- Most changes leave the row where it is.
        v_old := coalesce(v_old, '[]');
        CONTINUE WHEN v_old = coalesce(_view_orders[i], '[]');
        IF v_old <> '[]' THEN
            DELETE FROM @.view_orders o
            USING (
                SELECT p ->> 0 AS name, p ->> 1 AS sort_key
                FROM jsonb_array_elements(v_old::jsonb) p
                EXCEPT
                SELECT p ->> 0, p ->> 1
                FROM jsonb_array_elements(coalesce(_view_orders[i], '[]')::jsonb) p
            ) gone
            WHERE o.view = _views[i] AND o.name = gone.name AND o.sort_key = gone.sort_key
              AND o.key = _view_keys[i];
        END IF;
        IF coalesce(_view_orders[i], '[]') <> '[]' THEN
            INSERT INTO @.view_orders (view, name, sort_key, key)
            SELECT _views[i], new.name, new.sort_key, _view_keys[i] FROM (
                SELECT p ->> 0 AS name, p ->> 1 AS sort_key
                FROM jsonb_array_elements(_view_orders[i]::jsonb) p
                EXCEPT
                SELECT p ->> 0, p ->> 1 FROM jsonb_array_elements(v_old::jsonb) p
            ) new;
        END IF;
    END LOOP;

    FOR i IN 1 .. cardinality(_timers) LOOP
        IF _timer_payloads[i] IS NOT NULL THEN
            INSERT INTO @.timers (id, due, payload)
            VALUES (_timers[i], _timer_dues[i], _timer_payloads[i])
            ON CONFLICT (id) DO UPDATE SET due = excluded.due, payload = excluded.payload;
        ELSIF _timer_dues[i] IS NOT NULL THEN
            DELETE FROM @.timers WHERE id = _timers[i] AND due = _timer_dues[i];
            IF NOT FOUND THEN
                PERFORM @.refuse_1('OUTC1', jsonb_build_object('kind', 'timer', 'place', i));
            END IF;
        ELSE
            DELETE FROM @.timers WHERE id = _timers[i];
        END IF;
    END LOOP;

    FOR i IN 1 .. cardinality(_parks) LOOP
        PERFORM @.park_1(_parks[i]::jsonb, _park_bytes[i], _handled_group, _handled_event,
            _handled_key);
    END LOOP;
END
$function$;
