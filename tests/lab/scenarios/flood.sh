# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Promise 7, one customer cannot hurt another: a tunnel floods, each packet from a device that was never seen, in both families
# at once, until tables are full. What was established lives, the flooding tunnel's own too; other tunnels' new flows are
# served, and known to the members; whoever asks gwd is answered; and when it is over nothing of it is left. And what gwd
# cannot hear of, since it is away and so much happens, it knows that it missed.

FLOOD_RATE=$((5000 / PATIENCE))  # packets a second: twice what the tables hold, and no more than a tunnel carries
FLOOD_MS=30000                   # at most: whoever began it ends it
FLOODED_PORT=20000               # the first of a device's known flows, which are KNOWN of each family, UDP
KNOWN=100
# A flood's lines are over soon after it; the known flows' are not, and those of their devices as long as they are in use.
FLOODED_TABLES='tables: {flows: 4096, devices: 1024, timeouts: {half_open: 2s, udp: 2m, icmp: 2s, device: 3s}}'

# ---- Small tables ------------------------------------------------------------------------------------------------------

on_all_edges() { # COMMAND…: at once, with the edge's number behind it
	local edge jobs=()
	for edge in "${EDGES[@]}"; do
		"$@" "$edge" &
		jobs+=($!)
	done
	wait_all "${jobs[@]}"
}

make_tables_small() { # EDGE
	CONFIG_EXTRA=$FLOODED_TABLES gateway_config "$1" "$ATTACH" >"$LAB/edge-gw-0$1/lab/flooded.yaml"
	gwctl "edge-gw-0$1" config apply /run/lab/flooded.yaml
}

make_tables_large() { # EDGE
	gwctl "edge-gw-0$1" config rollback
}

# ---- Flows of devices --------------------------------------------------------------------------------------------------

talk() { # NUMBER COUNT: so many flows of a device's, in each family; the same ones each time
	local family
	for family in 4 6; do
		ask "$(device_address $family "$1")" $family crowd "$2" $FLOODED_PORT
	done
}

talks_begin() { # NUMBER LOCAL: by edge-gw-01's tunnel to that local gateway; adds uploads' jobs to `uploads`
	local family
	for family in 4 6; do
		steer 1 "$2" $family from "$(device_address $family "$1")"
		ask "$(device_address $family "$1")" $family upload 300 &
		uploads+=($!)
	done
	talk "$1" $KNOWN
}

uploads_end() {
	local job
	device pkill -TERM -f "upload 300"
	for job in "${uploads[@]}"; do
		wait "$job" || fail "an upload did not survive"
	done
}

lines_of() { # EDGE NUMBER: how many established lines the talks of a device have there, and how often the least used was
	local family
	for family in 4 6; do
		gwctl "edge-gw-0$1" -j flow list --address "$(device_address $family "$2")" --port 17 --state established
	done | jq -rs '[.[].flows[]] | "\(length) \([.[].request.packets] | min)"'
}

known_at() { # EDGE NUMBER COUNT
	[[ $(lines_of "$1" "$2") == "$3 "* ]]
}

# ---- The flood ---------------------------------------------------------------------------------------------------------

flood_begins() { # KIND…: by edge-gw-01's tunnel to local-gw-02, until background_end
	background local-gw-02 "$LAB/local-gw-02/lab/flood" "$BUILD/lab/flood" edge-gw-01 \
		"${DEVICES[4]}" "${LOOPBACK[4]}" "${DEVICES[6]}" "${LOOPBACK[6]}" $FLOOD_RATE $FLOOD_MS "$@"
}

expect_met() { # REASON: by many packets from now on, at edge-gw-01
	local before
	before=$(counter 1 "$1")
	within 20 counted_more 1 "$1" $((before + 100)) || fail "met by few packets, if any: $1"
}

# The lab's own devices stand in a row, as device_address() has it, and a flood's anywhere. Earlier scenarios left flows of
# theirs, some of which live by our lifetimes and not at both gateways: only those that we know are compared.
flood_is_over() {
	local edge
	for edge in "${EDGES[@]}"; do
		array_dump "$edge"
		[ "$(grep -cvE '[ []100\.64\.1\.|2001:db8:100:1::' "$LAB/dump-$edge")" -lt 100 ] || return
		grep -E '^flow .*(100\.64\.1\.|2001:db8:100:1::)3[12]\]?:' "$LAB/dump-$edge" >"$LAB/flows-$edge" || return
	done
	cmp "$LAB/flows-1" "$LAB/flows-2" && [ "$(wc -l <"$LAB/flows-1")" -gt $((4 * KNOWN)) ]
}

kept_less_than_told() { # COUNT: edge-gw-02, by more than it had counted
	[ "$(member 2 unkept)" -gt "$1" ]
}

own_memory() { # KiB that edge-gw-01's gwd has for itself
	# shellcheck disable=SC2016
	on edge-gw-01 sh -c 'awk "/^RssAnon/ { print \$2 }" /proc/$(cat /run/lab/gwd.pid)/status'
}

scenario_flooded() {
	local uploads=() memory unkept edge address
	trap 'on_all_edges make_tables_large' EXIT
	on_all_edges make_tables_small
	talks_begin 31 1
	talks_begin 32 2 # by the tunnel that is flooded
	for edge in "${EDGES[@]}"; do
		array_mark "$edge"
	done
	memory=$(own_memory)
	unkept=$(member 2 unkept)
	flood_begins syn ack udp # nothing of this is answered by what it asks for
	expect_met entry_taken
	expect_met device_refused
	within 10 is_degraded_by 1 "the table of flows is " || fail "edge-gw-01 does not say that its flows are many"
	within 10 is_degraded_by 1 "the table of devices is " || fail "edge-gw-01 does not say that its devices are many"
	steer 1 1 4 from "$(device_address 4 33)"
	steer 1 1 6 from "$(device_address 6 33)"
	talk 33 10
	within 20 known_at 2 33 20 || fail "of 20 new flows of another tunnel edge-gw-01, edge-gw-02 know $(lines_of 1 33), $(lines_of 2 33)"
	background_end
	flood_begins ping # the stack answers, so it is established
	expect_met entry_refused
	within 10 kept_less_than_told "$unkept" || fail "edge-gw-02 kept all that edge-gw-01 told, in tables of other windows"
	for edge in "${EDGES[@]}"; do
		known_at "$edge" 31 $((2 * KNOWN)) || fail "known flows, of which edge-gw-0$edge has $(lines_of "$edge" 31)"
		known_at "$edge" 32 $((2 * KNOWN)) || fail "known flows of the flooded tunnel, of which edge-gw-0$edge has $(lines_of "$edge" 32)"
		expect "what edge-gw-0$edge saw of its member" "" "$(states_since_mark "$edge")"
	done
	talk 31 $KNOWN
	talk 32 $KNOWN
	for address in 31 32; do # of a line that was made anew the first use would be forgotten
		[[ $(lines_of 1 $address) =~ ^$((2 * KNOWN))\ [2-9] ]] || fail "known flows, and how often they were used: $(lines_of 1 $address)"
	done
	background_end
	[ $(($(own_memory) - memory)) -lt 4096 ] || fail "gwd has $(own_memory) KiB, and had $memory"
	within 20 flood_is_over || fail "the flood is not over: $(wc -l "$LAB"/dump-? "$LAB"/flows-? | paste -sd,) $(diff "$LAB"/dump-[12] | grep flow | head -4)"
	uploads_end
}

# ---- What is missed ----------------------------------------------------------------------------------------------------

# gwd stands still until the ring of changes has no room; what happens then is known to all the same.
scenario_changes_missed() {
	local before
	trap 'gwd_signal 1 CONT' EXIT
	expect_member 2 alive
	array_mark 1
	before=$(counter 1 change_lost)
	gwd_signal 1 STOP
	on edge-gw-01 "$BUILD/lab/stuff" $PIN_DIR/current/changes
	crowd 4 34 1 &
	crowd 6 34 1
	wait $!
	gwd_signal 1 CONT
	within 10 missed_is_said || fail "gwd does not say that it missed anything"
	# Of both families: some flows may be known from an earlier crowd of that device's, and are no change.
	counted_more 1 change_lost $((before + 3 * CROWD / 2)) || fail "counted as lost: $(counter 1 change_lost), before $before"
	expect_member 2 alive
	expect_equal_tables $((2 * CROWD))
}

missed_is_said() {
	tail -n "+$(($(<"$LAB/array.mark-1") + 1))" "$LAB/edge-gw-01/lab/gwd.log" | grep '^<[0-9]>array changes_lost: [0-9]* of them'
}
