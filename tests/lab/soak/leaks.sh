# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What must not grow. A census of an edge gateway is a line NAME VALUE each of what gwd holds: taken with the lab's own
# configuration, first after every kind of configuration was in force once, then at the end. All of it must be the same,
# memory excepted, which may grow by $GROWTH_KB.
#
# What the kernel must get back is noted by its numbers while the lab stands, since others on this machine may have maps
# and namespaces of their own: the ids of all maps, programs and links ever seen, and the machines' namespaces.

GROWTH_KB=1024

census() { # EDGE
	# shellcheck disable=SC2016
	on "edge-gw-0$1" sh -c '
		gwd=$(cat /run/lab/gwd.pid)
		echo files "$(ls /proc/$gwd/fd | wc -l)"
		echo threads "$(ls /proc/$gwd/task | wc -l)"
		echo mapped_tables "$(grep -c bpf-map /proc/$gwd/maps)"
		echo memory_kb "$(sed -n "s/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p" /proc/$gwd/status)"
		echo pins "$(find /sys/fs/bpf -mindepth 1 | wc -l)"
		echo run_files "$(find /run/homeward /run/wireguard -type s -o -type f 2>/dev/null | wc -l)"
		echo processes "$(ps -eo stat=,comm= | awk "\$1 !~ /Z/ { print \$2 }" | grep -x -e gwd -e gwd-guard -e bird -e wireguard-go | sort | paste -sd,)"
		echo zombies "$(ps -eo stat=,comm= | grep -c "^Z.*\(gwd\|bird\|wireguard\)")"
		echo interfaces "$(ls /sys/class/net | paste -sd,)"
		echo rules "$( (ip rule; ip -6 rule) | wc -l)"' | sed "s/^/edge-gw-0$1 /"
	echo "edge-gw-0$1 attached $(attached "$1" | wc -l)"
}

attached() { # EDGE: kind and id of what is pinned, and of what hangs on interfaces
	# shellcheck disable=SC2016
	on "edge-gw-0$1" sh -c '
		for kind in map prog link; do
			bpftool -f -j $kind show | jq -r --arg kind $kind ".[] | select(.pinned | length > 0) | \"\(\$kind) \(.id)\""
		done
		ip -d link show eth0 | sed -n "s|.*prog/xdp id \([0-9]*\).*|prog \1|p"
		for device in $(ls /sys/class/net); do
			(tc filter show dev $device ingress; tc filter show dev $device egress) | sed -n "s/.* id \([0-9]*\) .*/prog \1/p"
		done' | sort -u
}

note_kernel_objects() {
	local edge machine
	for edge in "${EDGES[@]}"; do
		attached "$edge" >>"$OUT/objects"
	done
	for machine in $(machines); do
		readlink "/proc/$(machine_init "$machine")/ns/"{net,mnt,uts,pid} >>"$OUT/namespaces"
	done
}

# ---- Judged -----------------------------------------------------------------------------------------------------------

leaks_judge() { # the two census files, side by side
	local machine name before after
	while read -r machine name before after; do
		if [ "$name" = memory_kb ]; then
			echo "  $machine $name $before -> $after"
			[ "$after" -le $((before + GROWTH_KB)) ] || finding "memory of $machine's gwd grew from $before to $after kB"
		else
			[ "$before" = "$after" ] || finding "$name of $machine: $before at first, $after at last"
		fi
	done < <(join <(sed 's/ /./' "$OUT/census.first" | sort) <(sed 's/ /./' "$OUT/census.last" | sort) | sed 's/\./ /')
	sed -n 's/.* files \([0-9]*\)$/\1/p' "$OUT/census.last" | paste -sd' ' | sed 's/^/  open files of the two gwd: /'
}

left_of_objects() {
	local kind id
	sort -u "$OUT/objects" | while read -r kind id; do
		bpftool "$kind" show id "$id" >/dev/null 2>&1 && echo "$kind $id"
	done
}

left_of_namespaces() {
	lsns -n -o NS,TYPE | awk 'NR == FNR { ours[$1]; next } $2 ":[" $1 "]" in ours { print $2, $1 }' "$OUT/namespaces" -
}

left_of_the_rest() {
	grep -F "$LAB" /proc/self/mounts
	pgrep -f -a "$LAB/" # its machines' processes; the soak itself does not name it
	ls -d "$LAB" 2>/dev/null
}

nothing_left() {
	[ -z "$(left_of_objects; left_of_namespaces; left_of_the_rest)" ]
}

left_judge() { # after the lab is down
	within 20 nothing_left || finding "left behind: $( (left_of_objects; left_of_namespaces; left_of_the_rest) | head -20 | paste -sd,)"
	echo "  of $(sort -u "$OUT/objects" | wc -l) maps, programs and links and $(sort -u "$OUT/namespaces" | wc -l) namespaces $( (left_of_objects; left_of_namespaces) | wc -l) are left"
}

# ---- The tables ----------------------------------------------------------------------------------------------------------

tables_judge() { # while traffic goes on
	local edge said
	for edge in "${EDGES[@]}"; do
		said=$(on "edge-gw-0$edge" "$BUILD/lab/lines" $PIN_DIR/current 2>&1) || finding "tables of edge-gw-0$edge: $(head -4 <<<"$said" | paste -sd,)"
	done
}

tables_judge_quiet() { # without traffic: what a dump says the next one says in the same bytes, but for what expired
	local edge
	for edge in "${EDGES[@]}"; do
		within 30 dumps_agree "$edge" || finding "two dumps of edge-gw-0$edge's tables differ although it is quiet"
	done
}

dumps_agree() { # EDGE
	gwctl "edge-gw-0$1" map dump >"$OUT/dump.1" && gwctl "edge-gw-0$1" map dump >"$OUT/dump.2" &&
		grep -q "${LOOPBACK[4]}" "$OUT/dump.2" && ! diff "$OUT/dump.1" "$OUT/dump.2" | grep -q '^>'
}
