# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The provider's side, none of it ours: FRR (zebra, bfdd, bgpd) on the ixp-router and the local gateways, WireGuard by
# the kernel, or by wireguard-go where it has none, and wg(8), or IPsec (strongswan.sh). One AS (64501) for the local gateways, one for the ixp-router (64502); the platform is 64500.
# The provider tells everybody its prefixes, the platform too: that these do not enter an edge is the edge's merit.
#
# With PROVIDER=homeward the local gateways are ours, gwd in the place of FRR and wg(8); the ixp-router stays what it is.

PROVIDER=${PROVIDER:-frr}

FRR=/usr/lib/frr
BFD_INTERVAL=${BFD_INTERVAL:-50} # ms, three are missed

# ---- FRR ------------------------------------------------------------------------------------------------------------

neighbor() { # ADDRESS AS LOCAL_PREF: the lines of one neighbour, both families in one session
	cat <<-END
		 neighbor $1 remote-as $2
		 neighbor $1 advertisement-interval 0
		 neighbor $1 timers 3 9
		 neighbor $1 timers connect 1
		 neighbor $1 bfd profile lab
		 address-family ipv4 unicast
		  neighbor $1 route-map PREFERENCE-$3 in
		 exit-address-family
		 address-family ipv6 unicast
		  neighbor $1 activate
		  neighbor $1 route-map PREFERENCE-$3 in
		 exit-address-family
	END
}

bgp_head() { # AS ROUTER_ID
	cat <<-END
		router bgp $1
		 bgp router-id $2
		 no bgp ebgp-requires-policy
		 no bgp network import-check
	END
}

bgp_tail() {
	local preference
	for preference in 100 200; do
		printf 'route-map PREFERENCE-%s permit 10\n set local-preference %s\n' $preference $preference
	done
}

bgp_of_ixp_router() {
	bgp_head 64502 172.31.1.1
	neighbor 172.31.1.2 64501 200 # local-gw-01 is preferred
	neighbor 172.31.2.2 64501 100
	cat <<-END
		 address-family ipv4 unicast
		  network ${DEVICES[4]}
		 exit-address-family
		 address-family ipv6 unicast
		  network ${DEVICES[6]}
		 exit-address-family
	END
	bgp_tail
}

bgp_of_local() { # NUMBER: local-gw-01 prefers edge-gw-01, local-gw-02 edge-gw-02
	local edge
	bgp_head 64501 "172.31.$1.2"
	neighbor "172.31.$1.1" 64502 100
	for edge in "${EDGES[@]}"; do
		neighbor "169.254.$edge$1.1" 64500 $((edge == $1 ? 200 : 100))
	done
	bgp_tail
}

frr_start() { # MACHINE BGP_CONFIG
	local folder=/run/frr daemon options
	mkdir -p "$LAB/$1/frr"
	echo 'no zebra nexthop kernel enable' >"$LAB/$1/frr/zebra.conf"
	printf 'bfd\n profile lab\n  detect-multiplier 3\n  receive-interval %s\n  transmit-interval %s\n' \
		"$BFD_INTERVAL" "$BFD_INTERVAL" >"$LAB/$1/frr/bfdd.conf"
	echo "$2" >"$LAB/$1/frr/bgpd.conf"
	chown -R frr:frr "$LAB/$1/frr"
	for daemon in zebra bfdd bgpd; do
		options=(-d --vty_socket "$folder" -z "$folder/zserv.api" -i "$folder/$daemon.pid" -f "$folder/$daemon.conf"
			-A 127.0.0.1 -P 0 --log "file:$folder/$daemon.log")
		[ $daemon != bfdd ] || options+=(--bfdctl "$folder/bfdd.sock")
		[ $daemon != zebra ] || options+=(--v6-rr-semantics) # else it deletes a route of IPv6 before it adds the next one
		on "$1" $FRR/$daemon "${options[@]}" \
			>>"$LAB/$1/frr/start.log" 2>&1 || die "$daemon of $1 does not start: $(cat "$LAB/$1/frr/start.log")"
	done
}

frr() { # MACHINE COMMAND…: asks it, a line of vtysh an argument
	local machine=$1 arguments=() line
	shift
	for line in "$@"; do
		arguments+=(-c "$line")
	done
	on "$machine" vtysh --vty_socket /run/frr "${arguments[@]}"
}

# ---- WireGuard, on the local gateways --------------------------------------------------------------------------------

wireguard_keys() { # MACHINE: a key pair that it keeps when it is powered off and on
	local keys=$LAB/keys
	if [ ! -e "$keys/$1.key" ]; then
		mkdir -p "$keys"
		(umask 077 && wg genkey >"$keys/$1.key")
		wg pubkey <"$keys/$1.key" >"$keys/$1.pub"
	fi
	install -m 600 "$keys/$1.key" "$LAB/$1/lab/wg.key"
}

# The kernel's where it has one, as gwd chooses too. (Tried in a network of its own, which takes the device along.)
if unshare -n ip link add name tried type wireguard 2>/dev/null; then
	WIREGUARD=kernel
else
	WIREGUARD=process
fi

wireguard_start() { # MACHINE NAME: an interface, with no settings yet
	"wireguard_start_$WIREGUARD" "$@"
}

# Killed, not closed: the interface is gone at once, and nobody says good-bye.
wireguard_kill() { # MACHINE NAME
	"wireguard_kill_$WIREGUARD" "$@"
}

wireguard_start_kernel() {
	on "$1" ip link add name "$2" type wireguard || die "no WireGuard on $1"
}

wireguard_kill_kernel() {
	on "$1" ip link del "$2"
}

# wg(8) takes a socket that does not listen yet for one that a killed process left, and removes it: so what is left goes
# first, and nobody asks before the new one listens.
wireguard_start_process() {
	rm -f "$LAB/$1/wireguard/$2.sock"
	# shellcheck disable=SC2016
	on "$1" sh -c 'WG_PROCESS_FOREGROUND=1 setsid wireguard-go -f "$1" >/run/lab/wg-$1.log 2>&1 & echo $! >/run/lab/wg-$1.pid' \
		sh "$2" </dev/null
	within 10 on "$1" grep -q " 00010000 .*/wireguard/$2.sock" /proc/net/unix || die "no WireGuard on $1: $(cat "$LAB/$1/lab/wg-$2.log")"
}

wireguard_kill_process() {
	# shellcheck disable=SC2016
	on "$1" sh -c 'kill -KILL $(cat /run/lab/wg-$1.pid)' sh "$2"
}

provider_tunnel_up() { # EDGE LOCAL: the local gateway's end
	if is_ipsec "$1" "$2"; then
		strongswan_tunnel_up "$1" "$2"
	else
		wireguard_tunnel_up "$1" "$2"
	fi
}

wireguard_tunnel_up() { # EDGE LOCAL
	local machine=local-gw-0$2 name=edge-gw-0$1 port=${INTERNET_PORT[$1$2]}
	wireguard_start "$machine" "$name"
	on "$machine" wg set "$name" private-key /run/lab/wg.key listen-port "$port" \
		peer "$(cat "$LAB/keys/$name.pub")" allowed-ips 0.0.0.0/0,::/0 \
		endpoint "${INTERNET_ADDRESS_OF_EDGE[$1]}:$port"
	provider_addresses "$1" "$2"
	within 10 tunnel_has_room "$machine" "$name" || die "WireGuard of $machine does not listen"
}

provider_addresses() { # EDGE LOCAL: of its end, and what leads there
	local name=edge-gw-0$1
	on "local-gw-0$2" ip -batch - <<-END
		addr add 169.254.$1$2.2/30 dev $name
		addr add fd00:$1$2::2/126 dev $name
		link set $name up txqueuelen 2048
		route add 0.0.0.0/0 dev $name table $1
		route add ::/0 dev $name table $1
	END
}

tunnel_has_room() { # MACHINE NAME: a process's sockets; the kernel's need none
	[ "$WIREGUARD" = kernel ] ||
		on "$1" /usr/bin/python3 "$ROOT/tests/lab/tools/room.py" "$(cat "$LAB/$1/lab/wg-$2.pid")"
}

provider_tunnel_kill() { # EDGE LOCAL
	disturb
	if is_ipsec "$1" "$2"; then
		strongswan_tunnel_kill "$1" "$2"
	else
		wireguard_kill "local-gw-0$2" "edge-gw-0$1"
	fi
}

# ---- All of it -------------------------------------------------------------------------------------------------------

provider_up() {
	local lgw
	for lgw in "${LOCALS[@]}"; do
		"local_up_$PROVIDER" "$lgw"
		witness_start "local-gw-0$lgw"
	done
	frr_start ixp-router "$(bgp_of_ixp_router)"
}

local_up_frr() { # LOCAL
	local edge
	for edge in "${EDGES[@]}"; do
		provider_tunnel_up "$edge" "$1"
	done
	frr_start "local-gw-0$1" "$(bgp_of_local "$1")"
}

local_up_homeward() { # LOCAL
	local_config "$1" >"$LAB/local-gw-0$1/lab/gateway.yaml"
	ipsec_psk "local-gw-0$1" "$IPSEC_SECRET"
	gwd_launch "local-gw-0$1"
}

# ---- Local gateways of ours ------------------------------------------------------------------------------------------

local_config() { # LOCAL: it prefers edge-gw-0LOCAL, as FRR does
	local edge
	cat <<-END
		gateway: local-gw-0$1
		array:
		  mtu: $ARRAY_MTU
		  gateways: [{name: local-gw-0$1, number: $1, address: "${INTERNET_ADDRESS_OF_LOCAL[$1]}"}]
		loopbacks: []
		uplinks: []
		providers: []
		routers:
		  - name: ixp-router
		    interface: ixp-router
		    addresses: [172.31.$1.2/30, "fd31:$1::2/64"]
		    local_as: 64501
		    peer_as: 64502
		    neighbor: 172.31.$1.1
		    bfd: {interval: ${BFD_INTERVAL}ms, multiplier: 3}
		    import: {prefixes: [${DEVICES[4]}, "${DEVICES[6]}"], maximum: 10}
		tunnels:
	END
	for edge in "${EDGES[@]}"; do
		local_tunnel "$edge" "$1"
	done
	cat <<-END
		egress:
		  - name: platform
		    destinations: [${LOOPBACK[4]}/32, "${LOOPBACK[6]}/128"]
		    from: [ixp-router]
		    mode: active-standby
		    links: [$(local_links "$1")]
		    preempt: ${PREEMPT:-yes}
		    hold: 1s
	END
}

local_links() { # LOCAL: the preferred one first
	local edge
	printf '{tunnel: edge-gw-0%s}, ' "$1"
	for edge in "${EDGES[@]}"; do
		[ "$edge" = "$1" ] || printf '{tunnel: edge-gw-0%s}, ' "$edge"
	done
}

local_tunnel() { # EDGE LOCAL
	cat <<-END
		  - name: edge-gw-0$1
		    number: $1
	END
	if is_ipsec "$1" "$2"; then
		ipsec_settings "${INTERNET_ADDRESS_OF_EDGE[$1]}" "$(ipsec_id_of_local "$2")" "$(ipsec_id_of_edge "$1")"
	else
		wireguard_settings "${INTERNET_ADDRESS_OF_EDGE[$1]}" "${INTERNET_PORT[$1$2]}" "edge-gw-0$1"
	fi
	cat <<-END
		    addresses: [169.254.$1$2.2/30, "fd00:$1$2::2/126"]
		    bgp:
		      local_as: 64501
		      peer_as: 64500
		      neighbor: 169.254.$1$2.1
		      bfd: {interval: ${BFD_INTERVAL}ms, multiplier: 3}
		      local_pref: $(($1 == $2 ? 200 : 100))
		      import: {prefixes: [${LOOPBACK[4]}/32, "${LOOPBACK[6]}/128"], maximum: 10}
	END
}

# Local gateways of FRR take no gateway for better than another, so that the gateways' own words decide; or they do again.
provider_prefers() { # LOCAL_PREF of the preferred one: 100 or 200
	local lgw
	touch "$LAB/impartial"
	for lgw in "${LOCALS[@]}"; do
		frr "local-gw-0$lgw" "configure terminal" "route-map PREFERENCE-200 permit 10" "set local-preference $1"
		frr "local-gw-0$lgw" "clear bgp * soft in"
	done
}

# ---- Steering: which tunnel requests go by ---------------------------------------------------------------------------
#
# By default BGP decides. A test that wants a tunnel of its own asks for it by policy rules in front of what BGP says:
# table N of the ixp-router leads to local-gw-0N, table N of a local gateway to edge-gw-0N.

STEER=100 # the rules' preference

steer() { # EDGE LOCAL FAMILY SELECTOR…: as in `steer 1 2 4 from 100.64.1.12`, or `… to 192.0.2.1` for all
	local edge=$1 lgw=$2 family=$3
	shift 3
	on ixp-router ip "-$family" rule add pref $STEER "$@" lookup "$lgw"
	on "local-gw-0$lgw" ip "-$family" rule add pref $STEER "$@" lookup "$edge"
}

unsteer() { # back to what BGP says
	local machine
	for machine in ixp-router local-gw-01 local-gw-02; do
		on "$machine" sh -c "for f in -4 -6; do while ip \$f rule del pref $STEER 2>/dev/null; do :; done; done"
	done
}

# A path through the internet goes silent, and comes back. Every link stays up, nobody is told.
cut() { # EDGE LOCAL…: all of these at once
	local edge lgw
	disturb
	while [ $# -gt 0 ]; do
		edge=${INTERNET_ADDRESS_OF_EDGE[$1]} lgw=${INTERNET_ADDRESS_OF_LOCAL[$2]}
		echo "rule add pref $STEER from $edge to $lgw blackhole"
		echo "rule add pref $STEER from $lgw to $edge blackhole"
		shift 2
	done | on internet ip -batch -
}

mend() { # all of them
	on internet sh -c "while ip rule del pref $STEER 2>/dev/null; do :; done"
}

# ---- Witnesses: what the provider saw --------------------------------------------------------------------------------
#
# On each local gateway a tcpdump notes every response that comes out of a tunnel and every request that goes into one:
#     TIME INTERFACE In|Out IP|IP6 SOURCE > DESTINATION: …

OURS="(${LOOPBACK[4]} or ${LOOPBACK[6]})"
WITNESSED=${WITNESSED:-(inbound and src $OURS) or (outbound and dst $OURS)}

witness_start() { # MACHINE
	on "$1" sh -c "exec setsid tcpdump -i any -nn -tt -q -l --immediate-mode -s 128 -Z root \
		'$WITNESSED' >/run/lab/witness.log 2>/run/lab/witness.err &" </dev/null
	within 10 grep -q 'listening on' "$LAB/$1/lab/witness.err" || die "no witness on $1: $(cat "$LAB/$1/lab/witness.err")"
}

witness_mark() { # what comes from now on is what the next question is about
	local lgw
	for lgw in "${LOCALS[@]}"; do
		stat -c %s "$LAB/local-gw-0$lgw/lab/witness.log" >"$LAB/witness-mark-$lgw"
	done
}

witness() { # every line since the mark, with the local gateway's number in front
	local lgw
	for lgw in "${LOCALS[@]}"; do
		tail -c +$(($(cat "$LAB/witness-mark-$lgw") + 1)) "$LAB/local-gw-0$lgw/lab/witness.log" | sed "s/^/$lgw /"
	done
}

# The tunnels ("EDGE LOCAL", a line each) by which responses to a device's address came since the mark.
homes_of() { # ADDRESS
	witness | awk -v device="$1" '
		$4 == "In" && $3 ~ /^edge-gw-/ && (index($8, device ":") == 1 || index($8, device ".") == 1) { print substr($3, 10), $1 }' | sort -u
}

# The same for requests.
ways_of() { # ADDRESS
	witness | awk -v device="$1" '
		$4 == "Out" && $3 ~ /^edge-gw-/ && (index($6, device ".") == 1 || $6 == device) { print substr($3, 10), $1 }' | sort -u
}
