#!/bin/sh
# Run the runtime's tests, without TensorFlow, under each Python that affect-edge supports and this machine has.
# usage: test_matrix.sh [pytest's options]
set -eu

find_python() {
    # pyenv's shims answer to a name whose version is not chosen, and fail: only one that runs counts.
    for candidate in "python$1" "$HOME/.pyenv/versions/$1".*/bin/python; do
        if "$candidate" -c '' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

failed="" tried=""
for version in 3.10 3.11 3.12 3.13; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "== Python $version: not found, passed over"
        continue
    fi
    tried="$tried $version"
    echo "== Python $version ($python)"
    folder=".venv-$version"
    [ -e "$folder/.installed" ] && [ "$folder/.installed" -nt setup.cfg ] || {
        firmware_config/make_venv.sh "$python" "$folder" demo,test && touch "$folder/.installed"
    }
    "$folder/bin/python" -m pytest tests/edge -m "not tensorflow" "$@" || failed="$failed $version"
done
[ -n "$tried" ] || { echo "none of Python 3.10 to 3.13 was found" >&2; exit 1; }
[ -z "$failed" ] || { echo "failed under:$failed" >&2; exit 1; }
echo "passed under:$tried"
