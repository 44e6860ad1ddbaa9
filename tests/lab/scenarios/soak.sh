# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# `make soak` does this for minutes or hours (soak/soak.sh); here each part of it runs once, so that it does not rot.

# shellcheck source=tests/lab/soak/soak.sh
source "$ROOT/tests/lab/soak/soak.sh"

# shellcheck disable=SC2034 # soak.sh's
scenario_soak_briefly() {
	local SEED=1 OUT=$LAB/soak
	disturb
	(
		trap - ERR
		set +e
		soak 0
	)
	cat "$OUT/findings"
	[ ! -s "$OUT/findings" ] || fail "$(paste -sd';' "$OUT/findings")"
}
