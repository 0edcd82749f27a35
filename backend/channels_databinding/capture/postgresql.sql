-- One function, which the triggers of all tables call. Its arguments are a table, the column of its primary key, and the
-- columns of its images. It runs as its owner and names everything in full: who writes needs no right to the journal, and
-- no search path or temporary table of theirs leads it elsewhere. An image is of the columns that are there, so that a
-- migration may take one away; and it is `json`, which takes whatever a row holds: jsonb, and all that reads json, refuse
-- \u0000.

CREATE OR REPLACE FUNCTION {schema}.channels_databinding_capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET extra_float_digits = 1
AS $function$
DECLARE
    image text := (
        SELECT format('(SELECT row_to_json(image) FROM (SELECT %s) image)', string_agg(format('was.%I', attname), ', '))
        FROM pg_attribute WHERE attrelid = TG_RELID AND attname = ANY (TG_ARGV[2:]) AND NOT attisdropped
    );
    entries text;
    changed bigint;
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        entries := format('SELECT $1, %1$I::text, ''create'', NULL::json FROM rows_now', TG_ARGV[1]);
    WHEN 'UPDATE' THEN
        -- By the letters of the key: under a collation of its own it may be "the same" and yet another to others.
        entries := format('SELECT $1, coalesce(was.%1$I, now.%1$I)::text,
            CASE WHEN was.%1$I IS NULL THEN ''create'' WHEN now.%1$I IS NULL THEN ''delete'' ELSE ''update'' END,
            CASE WHEN was.%1$I IS NOT NULL THEN %2$s END
            FROM rows_before was FULL JOIN rows_now now ON was.%1$I::text COLLATE "C" = now.%1$I::text COLLATE "C"',
            TG_ARGV[1], image);
    WHEN 'DELETE' THEN
        entries := format('SELECT $1, %1$I::text, ''delete'', %2$s FROM rows_before was', TG_ARGV[1], image);
    ELSE
        entries := 'SELECT $1, NULL, ''reset'', NULL::json';
    END CASE;
    EXECUTE 'INSERT INTO {schema}.channels_databinding_journal ("table", pk, op, image) ' || entries
        USING TG_ARGV[0];
    GET DIAGNOSTICS changed = ROW_COUNT;
    -- Not each transaction: NOTIFY has them go to disk one by one. The first of each moment does, and once.
    IF changed > 0 AND {a_second} > 0 AND current_setting('channels_databinding.notified', true) IS DISTINCT FROM 'yes'
        AND pg_try_advisory_xact_lock({key}, ((extract(epoch FROM clock_timestamp()) * {a_second})::bigint % 1000)::int)
    THEN
        PERFORM pg_notify('channels_databinding', ''), set_config('channels_databinding.notified', 'yes', true);
    END IF;
    RETURN NULL;
END $function$
