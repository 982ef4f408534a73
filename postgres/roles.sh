#!/bin/bash
# Roles and rights in the stack's PostgreSQL. Runs in a container of its own at every `docker compose up`, so that
# a cluster that is older than this version, or was restored from a backup, has them, too.
# Passwords go from their files into the session: no command line and no log line has one.
set -euo pipefail

export SECRETS=${SECRETS:-/run/secrets/postgres}
export PGHOST=${PGHOST:-postgres} PGUSER=postgres PGPASSWORD
PGPASSWORD=$(<"$SECRETS/superuser_password")

# `docker compose restart` starts this beside PostgreSQL, not after it.
for _ in $(seq 60); do
  if pg_isready --quiet; then break; fi
  sleep 1
done

sql() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 "$@"; }

sql --dbname postgres <<'SQL'
-- A statement that fails is written to the server's log, and these hold passwords.
SET log_min_error_statement = panic;
SET log_statement = none;
\set exporter_password `cat "$SECRETS/exporter_password"`
SELECT 'CREATE ROLE exporter' WHERE to_regrole('exporter') IS NULL \gexec
ALTER ROLE exporter LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  PASSWORD :'exporter_password';
SELECT 'CREATE DATABASE pipelines OWNER exporter'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'pipelines') \gexec
SQL

# What Grafana may do.
sql --dbname pipelines --file "$(dirname "${BASH_SOURCE[0]}")/reader.sql" --set exporter=exporter \
  --set password_file="$SECRETS/grafana_reader_password"
