# shellcheck shell=bash
# What the steps share. Sourced, after `set -euo pipefail`, with the repository as the working folder.

if [[ -n ${CI:-} ]]; then
    # Nothing is edited between two compilations here.
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_TERM_COLOR=never
fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
# Compilers and programs that the steps fetch for themselves; safe to delete.
TOOLS=$CARGO_TARGET_DIR/ci-tools
mkdir -p "$TOOLS"

# ---- running steps ---------------------------------------------------------------------------------

run_steps() {
    local names name started passed=() failed=()
    mapfile -t names < <(awk 'NF { print $1 }' <<<"$STEPS")
    if [[ ${1:-} == --list ]]; then
        printf '%s' "${STEPS#$'\n'}"
        return
    fi
    if (($#)); then
        for name; do
            declare -F "step_${name//-/_}" >/dev/null || {
                echo "no step '$name'; there are: ${names[*]}" >&2
                exit 2
            }
        done
        names=("$@")
    fi
    rm -f "$TOOLS/warnings"
    for name in "${names[@]}"; do
        heading "$name: $(awk -v n="$name" '$1 == n { sub(/^[^ ]+ +/, ""); print }' <<<"$STEPS")"
        started=$SECONDS
        # Not as a condition: bash ignores `set -e` inside one.
        set +e
        (set -e; "step_${name//-/_}")
        local status=$?
        set -e
        if ((status == 0)); then
            passed+=("$name")
            echo "== $name passed in $((SECONDS - started)) s"
        else
            failed+=("$name")
            echo "== $name FAILED (exit code $status) after $((SECONDS - started)) s" >&2
        fi
    done
    heading "summary, after $((SECONDS / 60)) min $((SECONDS % 60)) s"
    if [[ -s $TOOLS/warnings ]]; then
        echo "not everything could be checked:"
        cat "$TOOLS/warnings"
    fi
    if ((${#failed[@]})); then
        echo "FAILED: ${failed[*]}" >&2
        echo "run one again with: bash .ci/run ${failed[0]}" >&2
    fi
    echo "steps: ${#passed[@]} passed, ${#failed[@]} failed"
    ((${#failed[@]} == 0))
}

heading() { printf '\n======== %s\n' "$*"; }

# Says at once, and again in the summary, that a check was weaker than it should be.
warn() {
    printf '\n!!!!!!!! %s\n\n' "$*" >&2
    echo "  - $*" >>"$TOOLS/warnings"
}

# within SECONDS COMMAND...: an example that hangs is an example that fails.
within() { timeout --foreground --kill-after=5 "$@"; }

# ---- what there is to check ------------------------------------------------------------------------

# cargo_metadata EXPRESSION: a Python expression over `packages`, those of the workspace, and `root`,
# the library; prints its items one by one. So new features, examples and so on are covered without a
# change here. Assign what it prints to a variable: a loop over it would not notice that it failed.
cargo_metadata() {
    cargo metadata --no-deps --format-version 1 | python3 -c '
import json, sys
packages = json.load(sys.stdin)["packages"]
root = next((p for p in packages if p["name"] == "persevere"), None)
print(*eval(sys.argv[1]), sep="\n")' "$1"
}

features() { cargo_metadata 'sorted(set(root["features"]) - {"default"})'; }
examples() { cargo_metadata '[t["name"] for t in root["targets"] if "example" in t["kind"]]'; }
packages_in() { cargo_metadata "[p['name'] for p in packages if '/$1/' in p['manifest_path']]"; }

# ---- installing ------------------------------------------------------------------------------------

quietly() { # COMMAND...: shows its output only if it fails
    local log
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then rm -f "$log"; else
        local status=$?
        cat "$log" >&2
        rm -f "$log"
        return "$status"
    fi
}

apt_update() {
    # Once a run, and not again within half a day on a machine that is kept.
    [[ -n $(find "$TOOLS/apt-updated" -mmin -720 2>/dev/null) ]] && return
    quietly apt-get update -o Acquire::Retries=3 && touch "$TOOLS/apt-updated"
}

apt_need() { # PACKAGE...: installs those that are missing
    local name missing=()
    for name; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    echo "installing ${missing[*]}" >&2
    apt_update && DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "${missing[@]}"
}

pypi() { # NAME==VERSION...: prints the folder that holds their programs
    local folder
    folder=$TOOLS/pypi-$(sha1sum <<<"$*" | cut -c1-8)
    if [[ ! -e $folder/complete ]]; then
        rm -rf "$folder"
        # Wheels unpacked beside each other rather than a virtual environment, which needs more of
        # Debian's packages.
        quietly python3 -m pip install --disable-pip-version-check --no-deps --target "$folder" "$@" && touch "$folder/complete"
    fi
    echo "$folder/bin"
}
