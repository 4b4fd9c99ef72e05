#!/bin/sh
# Makes the virtual environment VENV with PYTHON, if it is not there: venv.sh PYTHON VENV
set -eu

python=$1
venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "regctl needs Python 3.11 or newer; $python is $("$python" --version)" >&2
    echo "name another: make PYTHON=python3.12 ..." >&2
    exit 1
}
[ -x "$venv/bin/pip" ] && exit 0

# Debian and Ubuntu have venv in a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$python lacks venv; installing python$version-venv" >&2
    become=
    [ "$(id -u)" -eq 0 ] || become=sudo
    export DEBIAN_FRONTEND=noninteractive
    $become apt-get install --yes --quiet "python$version-venv" || {
        $become apt-get update --quiet
        $become apt-get install --yes --quiet "python$version-venv"
    }
fi
"$python" -m venv "$venv"
