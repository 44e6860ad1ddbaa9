# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Figure 2 with a stop-watch: the path through local-gw-01 goes silent while a device asks again and again. Everything is
# computed from captured events, all by the one clock of the host:
#
#   beat     the device's requests and replies, numbered, each a flow of its own (tools/beat.c): one would stay with its owner
#   cut      when the path went silent
#   edge     edge-gw-01's routes: BIRD's marker of a neighbour leaves table 7777 when its BFD goes down
#   local    local-gw-01's routes: the loopback leaves when its BFD goes down
#   ixp      the ixp-router's routes: the loopback moves to local-gw-02

# shellcheck disable=SC2153 # LOOPBACK is topology.sh's
TIMELINE=$LAB/timeline
BEAT=$BUILD/lab/beat
BEAT_MS=${BEAT_MS:-10}

timeline_record() { # FAMILY SECONDS: leaves the path cut
	local family=$1
	rm -rf "$TIMELINE"
	mkdir -p "$TIMELINE"
	background edge-gw-01 "$TIMELINE/edge" ip -ts -4 monitor route
	background local-gw-01 "$TIMELINE/local" ip -ts "-$family" monitor route
	background ixp-router "$TIMELINE/ixp" ip -ts "-$family" monitor route
	background device "$TIMELINE/beat" "$BEAT" "$(device_address "$family" 11)" "${LOOPBACK[$family]}" 17 "$BEAT_MS" "$2" anew
	within 10 grep -q ' reply 50 ' "$TIMELINE/beat" || die "the device gets no replies to begin with"
	date +%s.%6N >"$TIMELINE/cut"
	cut 1 1 2 1
	within $(($2 + 10)) beat_ended
	background_end
}

beat_ended() { # the last request has had its time
	local last
	last=$(grep -c ' request ' "$TIMELINE/beat")
	[ "$last" = "$(cat "$TIMELINE/requests" 2>/dev/null)" ] && return
	echo "$last" >"$TIMELINE/requests"
	sleep 1
	return 1
}

# The first line of a monitor's after the cut that fits, as seconds since the cut; empty when there is none.
after_cut() { # FILE REGULAR_EXPRESSION
	local line
	grep -a -E "$2" "$TIMELINE/$1" | sed -n 's/^\[\([^]]*\)\].*/\1/p' | while read -r line; do
		since_cut "$(date -d "$line" +%s.%6N)"
	done | grep -m 1 -v '^-'
}

since_cut() { # SECONDS
	awk -v t="$1" -v cut="$(cat "$TIMELINE/cut")" 'BEGIN { printf "%.3f\n", t - cut }'
}

# "TIME NUMBER" of the last reply of edge-gw-01, of the first of edge-gw-02.
last_before() { awk '$2 == "reply" && $4 == "edge-gw-01" { line = $1 " " $3 } END { print line }' "$TIMELINE/beat"; }
first_after() { awk '$2 == "reply" && $4 == "edge-gw-02" { print $1, $3; exit }' "$TIMELINE/beat"; }

requests_lost() {
	awk '$2 == "request" { asked[$3] } $2 == "reply" { delete asked[$3] } END { print length(asked) }' "$TIMELINE/beat"
}

requests_sent() { grep -c ' request ' "$TIMELINE/beat"; }

silence_ms() { # from the last reply before to the first after; empty when there was none after
	awk -v a="$(last_before)" -v b="$(first_after)" 'BEGIN { if (a != "" && b != "") printf "%.0f\n", (b - a) * 1000 }'
}

timeline_print() { # FAMILY
	local before after loopback=${LOOPBACK[$1]}
	read -ra before <<<"$(last_before)"
	read -ra after <<<"$(first_after)"
	{
		row "$(since_cut "${before[0]}")" "last reply by edge-gw-01, number ${before[1]}"
		row 0.000 "the path between local-gw-01 and both edge gateways goes silent"
		row "$(after_cut edge 'Deleted .* table 7777')" "BFD down at edge-gw-01: its tunnel acme-lgw-01 is no way home any more"
		row "$(after_cut local "$loopback.*edge-gw-02|Deleted .*$loopback")" "BFD down at local-gw-01: it leaves the tunnel to edge-gw-01"
		row "$(after_cut ixp "$loopback.*local-gw-02")" "the ixp-router's route to the loopback moves to local-gw-02"
		row "$(since_cut "${after[0]:-0}")" "first reply by edge-gw-02, number ${after[1]:-}"
	} | sort -g -s -k 1
	echo
	[ -n "$(silence_ms)" ] || return 1
	echo "    $(silence_ms) ms between the two replies; $(requests_lost) of $(requests_sent) requests lost (one every $BEAT_MS ms)"
}

row() { # SECONDS WORDS
	if [ -n "$1" ]; then
		printf '%+9.3f s  %s\n' "$1" "$2"
	else
		printf '%9s    %s\n' "?" "$2 (not captured)"
	fi
}
