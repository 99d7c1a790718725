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
install_clamd() { install_asleep 'clamav-daemon.service clamav-daemon.socket clamav-freshclam.service' clamav-daemon; }

# The proxy, which the tests start by hand with settings of their own. Debian's package would start it with its own page.
nginx_present() { [[ -x /usr/sbin/nginx ]]; }
install_nginx() { install_asleep nginx.service nginx; }

# Programs that only check what is rendered for them. Debian's packages would start a server each.
prometheus_present() { command -v promtool >/dev/null; }
install_prometheus() { install_asleep 'prometheus.service prometheus-node-exporter.service' prometheus; }
alertmanager_present() { command -v amtool >/dev/null; }
install_alertmanager() { install_asleep prometheus-alertmanager.service prometheus-alertmanager; }
blackbox_present() { command -v prometheus-blackbox-exporter >/dev/null; }
install_blackbox() { install_asleep prometheus-blackbox-exporter.service prometheus-blackbox-exporter; }
sudo_present() { command -v visudo >/dev/null; }
install_sudo() { apt_install sudo; }
sshd_present() { [[ -x /usr/sbin/sshd ]]; }
install_sshd() { install_asleep 'ssh.service ssh.socket' openssh-server; }

# Redis ties the processes of a homeserver in worker mode together. Debian's `redis-tools` holds the server's program
# and, unlike `redis-server`, starts no service.
redis_present() { command -v redis-server redis-check-rdb >/dev/null; }
install_redis() { apt_install redis-tools; }

# install_asleep "UNIT …" PACKAGE …: installs packages whose units are to start neither now nor at a boot.
install_asleep() {
    local units=$1 policy=/usr/sbin/policy-rc.d ours=false status=0
    shift
    if [[ ! -e $policy ]]; then
        ours=true
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt_install "$@" || status=$?
    if $ours; then rm -f "$policy"; fi
    if command -v systemctl >/dev/null; then
        # shellcheck disable=SC2086 # several units
        systemctl disable --quiet $units 2>/dev/null || true
    fi
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
need prometheus prometheus
need alertmanager prometheus-alertmanager
need blackbox prometheus-blackbox-exporter
need sudo sudo
need sshd openssh-server
