-- Makes the role that Grafana reads the views with, or puts it right. Run it as superuser, as often as you like, in the
-- database of the exporter, which should hold nothing else:
--
--   psql -X -v ON_ERROR_STOP=1 -v exporter=ROLE -v password_file=FILE -d DATABASE -f postgres/reader.sql
--
-- exporter: the role that the exporter connects as; it must exist and needs not be a superuser.
-- password_file: a file that holds the password that grafana_reader is to have.
-- The exporter itself grants the views, when it starts. What this keeps out, and why: docs/sql.md.

-- The password shall be in no log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET password_encryption = 'scram-sha-256';

\set password `cat :'password_file'`
SELECT :'password' = '' AS without_password \gset
\if :without_password
    \warn 'reader.sql: the file with the password is empty or cannot be read'
    SELECT 1 / 0 AS stopped;
\endif

SELECT count(*) = 0 AS missing FROM pg_roles WHERE rolname = 'grafana_reader' \gset
\if :missing
    CREATE ROLE grafana_reader;
\endif
ALTER ROLE grafana_reader
    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 12
    VALID UNTIL 'infinity'
    PASSWORD :'password';

-- At once, as the exporter may look at them at any time.
BEGIN;
ALTER ROLE grafana_reader RESET ALL;
SELECT format('ALTER ROLE grafana_reader IN DATABASE %I RESET ALL', d.datname)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE s.setrole = 'grafana_reader'::regrole
\gexec
ALTER ROLE grafana_reader SET default_transaction_read_only = on;
ALTER ROLE grafana_reader SET statement_timeout = '8s';
ALTER ROLE grafana_reader SET lock_timeout = '2s';
ALTER ROLE grafana_reader SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE grafana_reader SET work_mem = '16MB';
ALTER ROLE grafana_reader SET temp_file_limit = '256MB';
ALTER ROLE grafana_reader SET search_path = pipelines;
-- A query that fails has its values in its error: they would fill the server's log. Grafana shows errors to who asked.
ALTER ROLE grafana_reader SET log_min_messages = 'fatal';
-- Compiling a query of a panel takes longer than it saves.
ALTER ROLE grafana_reader SET jit = off;
-- Every role may change these for itself. By the comment, which it may not change, the exporter puts them back.
SELECT format('COMMENT ON ROLE grafana_reader IS %L', json_build_object('settings', setconfig))
FROM pg_db_role_setting WHERE setrole = 'grafana_reader'::regrole AND setdatabase = 0
\gexec
COMMIT;

-- Nobody but the exporter makes anything here, not even temporary tables.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE :"DBNAME" TO :"exporter";
GRANT USAGE, CREATE ON SCHEMA public TO :"exporter";
GRANT CONNECT ON DATABASE :"DBNAME" TO grafana_reader;

-- Large objects and messages in the write-ahead log fill the disk, advisory locks keep the exporter from starting, and
-- everybody may use them unless told otherwise.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname ~ '^(lo_.*|loread|lowrite|pg_(try_)?advisory_.*|pg_logical_emit_message|pg_notify|pg_export_snapshot)$'
\gexec
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', oid::regprocedure, :'exporter')
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_'
\gexec

-- A block of code can do in a loop, and catch, what a statement can do once. Functions of views need no right to it.
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO :"exporter";

-- The exporter ends queries of the reader that last too long. Being a member of the role is enough for that, and gives
-- it nothing else: pg_signal_backend would let it end everybody's.
GRANT grafana_reader TO :"exporter";
