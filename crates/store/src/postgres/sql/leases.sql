-- Leases: a member's shares of all the pools it asks for, in one call.
--
-- The class of a pool's locks is the hash of its name. Lock -1 of a pool is held by whoever deals
-- out its slots. Lock n is held, shared, by every commit that is made for slot n, to its end.

CREATE FUNCTION @.lease_1(
    _member text, _address text, _ttl_ms bigint,
    _pools text[], _slots integer[],
    -- Slots given back, and the place of their pools.
    _back_places integer[], _back_slots integer[]
) RETURNS TABLE (held integer[], epochs bigint[], surplus integer, freed boolean)
LANGUAGE plpgsql AS $function$
#variable_conflict use_column
DECLARE
    v_until   timestamptz;
    v_members integer;
    v_others  integer;
    v_held    integer;
    v_allowed integer;
    v_row     record;
BEGIN
    PERFORM pg_advisory_xact_lock(c.class, -1) FROM (
        SELECT DISTINCT hashtext('@/' || p) AS class FROM unnest(_pools) p ORDER BY 1
    ) c;
    v_until := clock_timestamp() + _ttl_ms * interval '1 millisecond';
    FOR i IN 1 .. cardinality(_pools) LOOP
        -- Nobody may go on with what was given back, so that ends its epoch.
        UPDATE @.slots s SET holder = NULL, epoch = s.epoch + 1
        WHERE s.pool = _pools[i] AND s.holder = _member AND (s.slot >= _slots[i] OR EXISTS (
            SELECT FROM unnest(_back_places, _back_slots) b (place, slot)
            WHERE b.place = i AND b.slot = s.slot));
        freed := FOUND;

        INSERT INTO @.members AS m (pool, member, address, until)
        VALUES (_pools[i], _member, _address, v_until)
        ON CONFLICT (pool, member) DO UPDATE
        SET until = excluded.until, address = excluded.address;
        DELETE FROM @.members m WHERE m.pool = _pools[i] AND m.until <= clock_timestamp();
        IF (SELECT count(*) FROM @.slots s WHERE s.pool = _pools[i] AND s.slot < _slots[i])
            < _slots[i] THEN
            INSERT INTO @.slots (pool, slot)
            SELECT _pools[i], g FROM generate_series(0, _slots[i] - 1) g ON CONFLICT DO NOTHING;
        END IF;

        -- The remainder of an uneven division goes to those who have it already.
        SELECT count(*) INTO v_members FROM @.members m WHERE m.pool = _pools[i];
        SELECT count(*) INTO v_others FROM (
            SELECT FROM @.slots s JOIN @.members m ON m.pool = s.pool AND m.member = s.holder
            WHERE s.pool = _pools[i] AND s.slot < _slots[i] AND s.holder <> _member
            GROUP BY s.holder HAVING count(*) > _slots[i] / v_members
        ) o;
        SELECT count(*) INTO v_held FROM @.slots s
        WHERE s.pool = _pools[i] AND s.slot < _slots[i] AND s.holder = _member;
        v_allowed := _slots[i] / v_members + (v_others < _slots[i] % v_members)::integer;

        FOR v_row IN
            SELECT s.slot, s.holder FROM @.slots s
            WHERE s.pool = _pools[i] AND s.slot < _slots[i] AND v_held < v_allowed
              AND (s.holder IS NULL OR NOT EXISTS (
                  SELECT FROM @.members m WHERE m.pool = s.pool AND m.member = s.holder))
            ORDER BY s.slot
        LOOP
            EXIT WHEN v_held >= v_allowed;
            -- A holder that has not renewed is cut off first: its commits that begin from now on
            -- are refused. Those in flight hold the slot's lock; the slot is taken when they have
            -- ended. Waiting for them here would hold up the renewals of all others, so a slot
            -- with such commits is left for the next time.
            IF v_row.holder IS NOT NULL THEN
                UPDATE @.slots s SET holder = NULL, epoch = s.epoch + 1
                WHERE s.pool = _pools[i] AND s.slot = v_row.slot;
            END IF;
            CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtext('@/' || _pools[i]), v_row.slot);
            UPDATE @.slots s SET holder = _member, epoch = s.epoch + 1
            WHERE s.pool = _pools[i] AND s.slot = v_row.slot;
            v_held := v_held + 1;
        END LOOP;

        SELECT coalesce(array_agg(s.slot ORDER BY s.slot), '{}'),
            coalesce(array_agg(s.epoch ORDER BY s.slot), '{}')
        INTO held, epochs FROM @.slots s WHERE s.pool = _pools[i] AND s.holder = _member;
        surplus := greatest(v_held - v_allowed, 0);
        RETURN NEXT;
    END LOOP;
END
$function$;

CREATE FUNCTION @.leave_1(_member text) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(c.class, -1) FROM (
        SELECT DISTINCT hashtext('@/' || pool) AS class FROM @.slots WHERE holder = _member
        ORDER BY 1
    ) c;
    UPDATE @.slots SET holder = NULL, epoch = epoch + 1 WHERE holder = _member;
    DELETE FROM @.members WHERE member = _member;
END
$function$;
