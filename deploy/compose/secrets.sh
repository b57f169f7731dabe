#!/bin/sh
# Run by docker-compose.yml: makes its secrets at random, each in a volume below /secrets; what is there is kept.
# With a name it prints that secret: `docker compose run --rm secrets sender/token`.
set -eu
cd /secrets
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
# Whole or not there, wherever this is killed. 0444: nobody reaches a volume but root and those who mount it, and each
# of them has a user of its own.
put() {
  [ -e "$1" ] && return
  printf '%s\n' "$2" >"$1.new"
  chmod 444 "$1.new"
  mv "$1.new" "$1"
}
put postgres/password "$(random)"
put store/pgpass "*:5432:ringback:ringback:$(cat postgres/password)"
put sender/token "$(random)"
put intake/tokens "$(cat sender/token) compose"
put gateway/token "$(random)"
put grafana/password "$(random)"
[ $# = 0 ] || cat "$1"
