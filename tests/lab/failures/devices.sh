# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Four devices keep asking, two in each family: `flow` one flow of UDP, `anew` each time a flow of its own, where a row is about
# the application by HTTP. The witnesses on the local gateways note by which tunnel each answer came. All times are those of
# the host's one CLOCK_REALTIME: the devices', the witnesses' (the kernel's, of the packet), and the event's.

BEAT=$BUILD/lab/beat
BEAT_MS=${BEAT_MS:-5} # between requests of a device
HTTP_MS=20
DEVICES_ASKING="flow:4:11 flow:6:11 anew:4:12 anew:6:12" # HOW:FAMILY:NUMBER of its address

all_is_well() { # everything converged, and requests go by local-gw-01 and edge-gw-01
	lab_ready || return
	[ "$PROVIDER" = frr ] || egress_goes_by_the_preferred
}

egress_goes_by_the_preferred() {
	local lgw
	for lgw in "${LOCALS[@]}"; do
		gwctl "local-gw-0$lgw" -j egress get platform | jq -en --arg edge "edge-gw-0$lgw" \
			'input | [.links[] | select(.in) | .tunnel] == [$edge]' || return
	done
}

devices_ask() { # ROW SECONDS: until devices_end, at most
	local device how family number edge
	for edge in "${EDGES[@]}"; do
		gwctl "edge-gw-0$edge" flow flush --all >/dev/null # so that no port is one of the run before
	done
	witness_mark
	for device in $DEVICES_ASKING; do
		IFS=: read -r how family number <<<"$device"
		device_asks "$1" "$how" "$family" "$(device_address "$family" "$number")" "$2"
	done
	for device in $DEVICES_ASKING; do
		within 10 grep -q ' reply 40 ' "$(asked_by "$device")" || fail "$device gets no answers to begin with"
	done
}

device_asks() { # ROW HOW FAMILY ADDRESS SECONDS
	local to=(17 "$BEAT_MS" "$5" "$2")
	case $2,$1 in anew,application_*) to=("$PROBED_HTTP" "$HTTP_MS" "$5" http) ;; esac
	background device "$LAB/device/lab/asked.$2.$3" "$BEAT" "$4" "${LOOPBACK[$3]}" "${to[@]}"
}

asked_by() { # HOW:FAMILY:…: its file
	local how family _
	IFS=: read -r how family _ <<<"$1"
	echo "$LAB/device/lab/asked.$how.$family"
}

devices_end() { # SECONDS: they ask for so long, and on until they are answered, in vain if need be; and a second for late answers
	sleep "$1"
	within 20 devices_answered || true
	sleep 1
	background_end
}

devices_answered() { # nearly each of the last 45 requests of each of them
	local device
	for device in $DEVICES_ASKING; do
		[ "$(tail -n 90 "$(asked_by "$device")" | grep -c ' reply ')" -gt 40 ] || return
	done
}

# ---- What became of it ----------------------------------------------------------------------------------------------------

# A line a device: HOW vFAMILY MOVED_MS SILENT_MS BACK_MS LOST SENT STALL_MS HOLE (judge.py) FLAPS
devices_judge() { # EVENT TUNNELS: those that may go
	local device how family number flaps
	flaps=$(flaps_since "$1" "$2")
	witness >"$LAB/witnessed"
	for device in $DEVICES_ASKING; do
		IFS=: read -r how family number <<<"$device"
		/usr/bin/python3 "$ROOT/tests/lab/failures/judge.py" "$1" "$(device_address "$family" "$number")" \
			"$(asked_by "$device")" "$LAB/witnessed" | sed "s/^/$how v$family /; s/\$/ $flaps/"
	done
}

gateways() { # those of ours that have power
	local machine
	for machine in "${MACHINES[@]}"; do
		[ ! -e "$LAB/$machine/homeward" ] || echo "$machine"
	done
}

# Which tunnels, and sessions with the ixp-router, went and should not have: once is what the row does to those that it names.
flaps_since() { # TIME TUNNELS
	local machine
	for machine in $(gateways); do
		gwctl "$machine" --timeout 5s -j events --no-follow | jq -r --arg machine "$machine" --arg since "$(date -u -d "@$1" +%FT%T.%3NZ)" \
			'select(.time >= $since) | select((.object == "tunnel" and .event == "not_usable") or
				(.object == "bfd" and .event == "down" and .name == "ixp-router")) | "\($machine) \(.name)"' || true
	done | awk -v tunnels="$2" '
		{ went[$1 " " ($1 ~ /^edge/ ? substr($1, 10) substr($2, 11) : substr($2, 10) substr($1, 11))]++ }
		END {
			for (way in went) {
				split(way, part)
				flaps += went[way] - (index("," tunnels ",", "," part[2] ",") > 0)
			}
			print flaps + 0
		}'
}
