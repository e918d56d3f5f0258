#!/bin/sh
# Make .venv and install requirements into it: make_venv.sh STAMP REQUIREMENTS_FILE...
# The stamp is touched at the end, so that make calls this again only after a requirements file has changed.
# PYTHON names the interpreter to build with; without it, the first one on PATH that is new enough.
set -eu

stamp=$1
shift
venv=$(dirname "$stamp")

is_new_enough() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer is needed (looked for: ${PYTHON:-python3, python3.13, python3.12, python3.11})." >&2
    return 1
}

# Debian and Ubuntu ship Python without ensurepip, in which case a virtual environment gets no pip.
provide_ensurepip() {
    "$1" -c 'import ensurepip' 2>/dev/null && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "This Python cannot make virtual environments: install it first, on Debian or Ubuntu: sudo apt-get install $package" >&2
        return 1
    fi
    echo "Installing $package with apt-get, because this Python cannot make virtual environments yet ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    provide_ensurepip "$python"
    echo "Making the virtual environment $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
fi

files=
for file in "$@"; do
    files="$files -r $file"
done
echo "Installing $* into $venv (the first time takes a minute or two) ..."
# shellcheck disable=SC2086 # one argument each
"$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check $files
touch "$stamp"
