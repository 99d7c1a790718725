#!/usr/bin/env bash
# Installs the Debian packages that the tests need where it may (root, apt), else says what is left out.
# Quick, and without network, when everything is there. Never fails: what is missing is skipped with its reason.
set -euo pipefail

say() { printf 'needs: %s\n' "$*"; }

# PostgreSQL's server: the store and one homeserver are tested on it too. Debian's `postgresql` package makes and
# starts a cluster of its own, which nobody asked for; a setting that must stand before its installation prevents it.
postgresql_present() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

install_postgresql() {
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    export DEBIAN_FRONTEND=noninteractive
    local options=(--yes --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold)
    apt-get "${options[@]}" install postgresql >/dev/null 2>&1 && return
    apt-get update >/dev/null 2>&1 && apt-get "${options[@]}" install postgresql >/dev/null
}

if postgresql_present; then
    :
elif [[ $EUID -ne 0 ]]; then
    say "PostgreSQL is not installed and this is not root: its tests are left out (apt install postgresql)"
elif ! command -v apt-get >/dev/null; then
    say "PostgreSQL is not installed and there is no apt here: its tests are left out"
else
    say "installing PostgreSQL's server for the tests …"
    install_postgresql || say "PostgreSQL could not be installed: its tests are left out"
fi
