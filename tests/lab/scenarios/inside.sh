# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A server inside that bears the loopback itself and answers past the gateway's stack (direct return): edge-gw-01 hands it
# what comes for port 8080, and what it says surfaces at the uplink. It is a real stack, of a larger MTU than the array's:
# what it is told by ICMP it must understand. It leaves checksums to the device that a packet leaves by, as virtual machines do.

# shellcheck disable=SC2016 # expanded in there
backend_up() { # FAMILY
	# shellcheck disable=SC2064 # it is not there any more by then
	trap "backend_down $1" EXIT
	# A request for the loopback must not look for the way out by the loopback's own address.
	backend_checksums on
	on inside sh -ec 'echo 2 >/proc/sys/net/ipv4/conf/br0/arp_announce
		ip addr add "$1" dev lo nodad 2>/dev/null || ip addr add "$1" dev lo
		ip route replace "$2" via "$3" mtu 1500' sh "${LOOPBACK[$1]}" "${DEVICES[$1]}" "$(edge_address "$1")"
	ln -f "$LAB/device/lab/big" "$LAB/inside/lab/big"
	backend_requests "$1" | on edge-gw-01 nft -f -
	background inside "$LAB/inside/lab/backend" socat "TCP$1-LISTEN:8080,bind=$(bracketed "${LOOPBACK[$1]}"),fork,reuseaddr" \
		OPEN:/run/lab/big,rdonly
	within 10 backend_listens || fail "the backend does not listen"
}

# shellcheck disable=SC2016
backend_checksums() { # on|off: left to the device
	on inside sh -ec 'for device in br0 edge-gw-01; do ethtool -K $device tx "$1" >/dev/null; done' sh "$1"
}

edge_address() { # FAMILY: where inside hosts send what is for devices
	case $1 in 4) echo 10.0.0.11 ;; 6) echo fd00:10::11 ;; esac
}

bracketed() { # ADDRESS
	case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac
}

backend_listens() {
	on inside ss -Hltn 'sport = 8080' | grep -q .
}

backend_requests() { # FAMILY: as a load balancer would, behind our program and before the stack
	local words=([4]="ip to 10.0.0.100" [6]="ip6 to fd00:10::100") lgw
	echo 'table netdev lab_backend {'
	for lgw in "${LOCALS[@]}"; do
		echo "chain lgw$lgw { type filter hook ingress device acme-lgw-0$lgw priority 0; tcp dport 8080 fwd ${words[$1]} device eth0
		}"
	done
	echo '}'
}

# shellcheck disable=SC2016,SC2317 # by the trap
backend_down() { # FAMILY
	on edge-gw-01 nft delete table netdev lab_backend 2>/dev/null
	on inside sh -c 'ip addr del "$1" dev lo; ip route del "$2"; ip "-$3" route flush cache' sh \
		"${LOOPBACK[$1]}" "${DEVICES[$1]}" "$1" 2>/dev/null
	backend_checksums off
	[ ! -e "$LAB/clamp_is_off" ] || gwctl edge-gw-01 config rollback
	rm -f "$LAB/clamp_is_off"
}

clamp_off() { # else no TCP segment is ever too big
	gateway_config 1 "$ATTACH" | sed 's/^array:/mss_clamp: no\narray:/' >"$LAB/edge-gw-01/lab/unclamped.yaml"
	gwctl edge-gw-01 config apply /run/lab/unclamped.yaml
	touch "$LAB/clamp_is_off"
}

# What is too big for the way home is told to it, and TCP goes on with less.
scenario_inside_too_big() { # FAMILY
	local family=$1 address dropped told
	address=$(device_address "$family" 33)
	steer 1 1 "$family" from "$address"
	backend_up "$family"
	clamp_off
	dropped=$(counter 1 too_big)
	told=$(counter 1 answered)
	device timeout 60 socat -u "TCP$family:$(bracketed "${LOOPBACK[$family]}"):8080,bind=$(bracketed "$address")" \
		OPEN:/run/lab/got-backend,creat,trunc || fail "the download broke off"
	cmp "$LAB/device/lab/big" "$LAB/device/lab/got-backend" || fail "the backend's file came damaged"
	counter_grew 1 too_big "$dropped" || fail "no segment was too big: this shows nothing"
	counter_grew 1 answered "$told" || fail "nobody was told"
	on inside ip "-$family" route get "$address" from "${LOOPBACK[$family]}" | grep -q "mtu $ARRAY_MTU" ||
		fail "the backend did not learn: $(on inside ip "-$family" route get "$address" from "${LOOPBACK[$family]}")"
	expect_home "$address" 1 1
}

# So are pings, whose sender sees who says so and what.
scenario_inside_is_told() { # FAMILY
	local family=$1 address said
	local -A too_big=([4]="From 10.0.0.11 .*Frag needed and DF set (mtu = $ARRAY_MTU)" [6]="Packet too big: mtu=$ARRAY_MTU")
	local -A exceeded=([4]="From 10.0.0.11 .*Time to live exceeded" [6]="Time exceeded: Hop limit")
	address=$(device_address "$family" 34)
	backend_up "$family"
	said=$(on inside ping -n -c 1 -W 5 -M "do" -s 1450 -I "${LOOPBACK[$family]}" "$address" || true)
	grep -q "${too_big[$family]}" <<<"$said" || fail "of a ping too big it was told: $said"
	said=$(on inside ping -n -c 1 -W 5 -t 1 -I "${LOOPBACK[$family]}" "$address" || true)
	grep -q "${exceeded[$family]}" <<<"$said" || fail "of a ping without hops it was told: $said"
	expect "and explained as" "too_big packet_too_big $ARRAY_MTU" "$(explained 1 \
		'"\(.response.reason) \(.response.answer) \(.response.answer_mtu)"' udp "$(at "${LOOPBACK[$family]}" 17)" "$(at "$address" 1)" \
		--from-uplink --size 1500)"
}

# UDP has nobody who sends a lost packet again; but the next one of that size goes in fragments that fit.
scenario_inside_datagram() { # FAMILY
	local family=$1 address told
	address=$(device_address "$family" 35)
	steer 1 1 "$family" from "$address"
	backend_up "$family"
	listen "$address" "$family" 4350 9000 '?'
	told=$(counter 1 answered)
	backend_sends "$family" "$address"
	within 5 counter_grew 1 answered "$told" || fail "nobody was told"
	heard 1450 && fail "what is larger than the array's MTU arrived: this shows nothing"
	backend_sends "$family" "$address"
	within 5 heard 1450 || fail "the next datagram did not arrive"
}

backend_sends() { # FAMILY ADDRESS
	head -c 1450 /dev/zero | on inside socat -u -b 2000 - \
		"UDP$1-SENDTO:$(bracketed "$2"):4350,bind=$(bracketed "${LOOPBACK[$1]}"):9000"
}
