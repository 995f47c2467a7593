#!/bin/sh
# Starts an executor from its package, as bin/minimesos-executor there: bin/minimesos-executor KIND ...
#
# Runs it with PYSPARK_PYTHON if that is set, else with python3 or, where there is none, another of
# Python's names. A relative PYSPARK_PYTHON is one of the sandbox, which is the working directory as
# it is for executors that need no package.
set -u

package=$(CDPATH='' cd -- "${0%/*}/.." && pwd -P) || exit 1
if [ -n "${MESOS_SANDBOX:-}" ]; then
    cd -- "$MESOS_SANDBOX" || exit 1
fi

python=${PYSPARK_PYTHON:-}
if [ -n "$python" ]; then
    if ! command -v -- "$python" >/dev/null; then
        echo "this executor needs Python >= 3.11, PYSPARK_PYTHON=$python is not on this agent" >&2
        exit 127
    fi
else
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null; then
            python=$name
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "this executor needs Python >= 3.11, there is no python3 in $PATH;" \
            "install one on this agent, or say where it is with PYSPARK_PYTHON" >&2
        exit 127
    fi
fi

exec "$python" "$package/minimesos_executor/start.py" "$@"
