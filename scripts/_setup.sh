# Sourced by the commands beside it: a virtual environment in .venv that holds the locked set of packages.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
LEAST_PYTHON='(3, 11)'

say() { printf '%s\n' "$*" >&2; }

stop_with() {
    say "$*"
    exit 1
}

# Prints the first Python that is new enough and can make a virtual environment.
find_python() {
    local name without_venv=''
    for name in python3.13 python3.12 python3.11 python3; do
        # A name on the PATH may be a shim without a Python behind it, so each is asked to run.
        "$name" -c "import sys; sys.exit(sys.version_info < $LEAST_PYTHON)" 2>/dev/null </dev/null || continue
        if "$name" -c 'import ensurepip, venv' 2>/dev/null </dev/null; then
            command -v "$name"
            return
        fi
        without_venv=$name
    done
    if [[ -n $without_venv ]]; then
        stop_with "$without_venv lacks its venv module: run 'apt-get install python3-venv', then this command again."
    fi
    stop_with "Python 3.11 or newer was not found: install it (on Debian 12: 'apt-get install python3 python3-venv')."
}

# What an installation depends on: where it lies, what it holds, and what the locked set was.
fingerprint() {
    { printf '%s\n' "$ROOT" "$1" && cat "$ROOT/constraints.txt" "$ROOT/pyproject.toml" "$ROOT/sdk/pyproject.toml"; } | cksum
}

is_installed() {
    local stamp=$VENV/.installed-$1
    [[ -x $VENV/bin/python && -f $stamp && $(<"$stamp") == "$(fingerprint "$1")" ]]
}

# Turns pip's many lines into a short account of where it is.
show_progress() {
    local line count=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$VENV/install.log"
        case $line in
            Collecting\ *)
                count=$((count + 1))
                if ((count % 15 == 0)); then say "  $count packages found"; fi
                ;;
            'Installing collected packages'*) say '  putting them into .venv' ;;
        esac
    done
}

run_pip() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --constraint "$ROOT/constraints.txt" "$@" 2>&1 </dev/null
}

locked_pip() { run_pip "$@" | show_progress; }

# A virtual environment knows its own place, so one that was moved along with its folder does not count.
has_venv() {
    "$VENV/bin/python" -c "import pip, sys; sys.exit(sys.version_info < $LEAST_PYTHON)" 2>/dev/null &&
        grep -qF -- "$VENV/bin/python" "$VENV/bin/pip"
}

make_venv() {
    local python
    has_venv && return
    python=$(find_python)
    say "Making a virtual environment in .venv with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
}

# install runtime|test: what the product needs, or that and what its tests need.
install() {
    local what='.'
    [[ $1 == test ]] && what='.[test]'
    [[ -w $ROOT && (! -e $VENV || -w $VENV) ]] ||
        stop_with "$ROOT cannot be written to: give yourself the right to write there, or clone to a folder of your own."
    make_venv
    rm -f "$VENV/.installed-$1" "$VENV/install.log"
    say 'Installing the locked set of packages (about a minute, once)'
    cd -- "$ROOT"
    # The build tools come first, so that the two packages of this repository are built with the locked ones.
    # They are few, and not worth an account of their own.
    if ! run_pip hatchling editables >"$VENV/install.log" || ! locked_pip --no-build-isolation --editable ./sdk --editable "$what"; then
        tail -n 15 "$VENV/install.log" >&2
        stop_with 'The packages could not be installed (the lines above tell why; all of them: .venv/install.log); try again.'
    fi
    fingerprint "$1" >"$VENV/.installed-$1"
}

# ensure_installed runtime|test: installs what is missing, one process at a time, and nothing when all is there.
ensure_installed() {
    is_installed "$1" && return
    (
        if command -v flock >/dev/null; then flock 9; fi
        is_installed "$1" || install "$1" 9<&-
    ) 9<"$ROOT/scripts"
}
