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
    apt_install postgresql
}

# The virus scanner's daemon, which the tests start by hand with signatures of their own. Debian's packages would start
# it, and the download of signatures, at once and at every boot: nobody asked for that either.
clamd_present() { [[ -x /usr/sbin/clamd ]]; }

install_clamd() {
    local status=0
    install_asleep clamav-daemon || status=$?
    if command -v systemctl >/dev/null; then
        systemctl disable --quiet clamav-daemon.service clamav-daemon.socket clamav-freshclam.service 2>/dev/null || true
    fi
    return "$status"
}

# The proxy, which the tests start by hand with settings of their own. Debian's package would start it with its own page.
nginx_present() { [[ -x /usr/sbin/nginx ]]; }

install_nginx() {
    local status=0
    install_asleep nginx || status=$?
    if command -v systemctl >/dev/null; then systemctl disable --quiet nginx.service 2>/dev/null || true; fi
    return "$status"
}

# Redis ties the processes of a homeserver in worker mode together. Debian's `redis-tools` holds the server's program
# and, unlike `redis-server`, starts no service.
redis_present() { command -v redis-server redis-check-rdb >/dev/null; }
install_redis() { apt_install redis-tools; }

# Installs packages whose services are not to start.
install_asleep() {
    local policy=/usr/sbin/policy-rc.d ours=false status=0
    if [[ ! -e $policy ]]; then
        ours=true
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt_install "$@" || status=$?
    if $ours; then rm -f "$policy"; fi
    return "$status"
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    local options=(--yes --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold)
    apt-get "${options[@]}" install "$@" >/dev/null 2>&1 && return
    apt-get update >/dev/null 2>&1 && apt-get "${options[@]}" install "$@" >/dev/null
}

# need NAME PACKAGE: calls NAME_present, and install_NAME if that fails and we may.
need() {
    local name=$1 package=$2
    if "${name}_present"; then
        return
    elif [[ $EUID -ne 0 ]]; then
        say "$name is not installed and this is not root: its tests are left out (apt install $package)"
    elif ! command -v apt-get >/dev/null; then
        say "$name is not installed and there is no apt here: its tests are left out"
    else
        say "installing $name for the tests …"
        "install_$name" || say "$name could not be installed: its tests are left out"
    fi
}

need postgresql postgresql
need clamd clamav-daemon
need nginx nginx
need redis redis-tools
