# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Our side: gwd on the edge gateways with a gateway.yaml as a user would write it, and the services that answer on the
# loopback: nginx (a page that names the edge, and a big file) and services.py (UDP).

GWD=${GWD:-$BUILD/gwd}
GWCTL=${GWCTL:-$BUILD/gwctl}
RUN_DIR=/run/homeward
PIN_DIR=/sys/fs/bpf/homeward

gwctl() { # EDGE_MACHINE ARGUMENT…
	local machine=$1
	shift
	on "$machine" "$GWCTL" --run-dir $RUN_DIR "$@"
}

# ---- The configuration ------------------------------------------------------------------------------------------------

# MEMBERS: what the members' addresses begin with, their uplinks' unless something else is said; UNDERLAY: what carries relays.
gateway_config() { # EDGE ATTACH
	local edge lgw
	cat <<-END
		gateway: edge-gw-0$1
		array:
		  mtu: $ARRAY_MTU
		  gateways:
	END
	for edge in "${EDGES[@]}"; do
		echo "    - {name: edge-gw-0$edge, number: $edge, address: \"${MEMBERS:-10.0.0.1}$edge\"}"
	done
	[ -z "${UNDERLAY:-}" ] || echo "  underlay: $UNDERLAY"
	cat <<-END
		  replication: {mode: ${REPLICATION:-broadcast}, key_file: /run/lab/array.key}
		loopbacks:
		  - {name: control, addresses: [${LOOPBACK[4]}, "${LOOPBACK[6]}"]}
		uplinks: [eth0]
		inside: [10.0.0.0/16, "fd00:10::/64"]
		providers:
		  - {name: acme, prefixes: [${DEVICES[4]}, "${DEVICES[6]}"]}
		attach: $2
		${CONFIG_EXTRA:-}
		tunnels:
	END
	for lgw in "${LOCALS[@]}"; do
		gateway_tunnel "$1" "$lgw"
	done
}

gateway_tunnel() { # EDGE LOCAL
	cat <<-END
		  - name: acme-lgw-0$2
		    number: ${1}0$2
		    provider: acme
	END
	if is_ipsec "$1" "$2"; then
		ipsec_settings "${INTERNET_ADDRESS_OF_LOCAL[$2]}" "$(ipsec_id_of_edge "$1")" "$(ipsec_id_of_local "$2")"
	else
		wireguard_settings "${INTERNET_ADDRESS_OF_LOCAL[$2]}" "${INTERNET_PORT[$1$2]}" "local-gw-0$2"
	fi
	cat <<-END
		    addresses: [169.254.$1$2.1/30, "fd00:$1$2::1/126"]
		    bgp: {local_as: 64500, peer_as: 64501, neighbor: 169.254.$1$2.2, bfd: {interval: ${BFD_INTERVAL}ms, multiplier: 3}}
	END
}

wireguard_settings() { # REMOTE PORT PEER: the port is both ends'
	cat <<-END
		    wireguard:
		      private_key_file: /run/lab/wg.key
		      listen_port: $2
		      peer: {public_key: "$(cat "$LAB/keys/$3.pub")", endpoint: "$1:$2"}
	END
}

ipsec_settings() { # REMOTE LOCAL_ID REMOTE_ID
	cat <<-END
		    ipsec:
		      remote: $1
		      local_id: "$2"
		      remote_id: "$3"
		      psk_file: /run/lab/acme.psk
		      ike_proposals: [aes256-sha384-ecp384]
		      esp_proposals: [$ESP_PROPOSAL]
	END
}

# ---- gwd ----------------------------------------------------------------------------------------------------------------

gateway_start() { # EDGE [ATTACH]
	gateway_config "$1" "${2:-auto}" >"$LAB/edge-gw-0$1/lab/gateway.yaml"
	array_key "edge-gw-0$1"
	ipsec_psk "edge-gw-0$1" "$IPSEC_SECRET"
	gateway_launch "$1"
	services_start "edge-gw-0$1"
}

array_key_make() {
	[ -e "$LAB/keys/array.key" ] || (umask 077 && echo "1 $(wg genkey)" >"$LAB/keys/array.key")
}

array_key() { # MACHINE: the same for all
	array_key_make
	install -m 600 "$LAB/keys/array.key" "$LAB/$1/lab/array.key"
}

gateway_launch() { # EDGE
	gwd_launch "edge-gw-0$1"
}

gwd_launch() { # MACHINE: gwd in the foreground of a session of its own, with the file that is there, its words in gwd.log
	local machine=$1
	# shellcheck disable=SC2016
	on "$machine" sh -c 'setsid "$@" >>/run/lab/gwd.log 2>&1 & echo $! >/run/lab/gwd.pid' \
		sh "$GWD" -c /run/lab/gateway.yaml --run-dir $RUN_DIR --pin-dir $PIN_DIR </dev/null
	if ! within 20 gateway_decided "$machine" || gateway_gone "$machine"; then
		die "gwd of $machine does not come up: $(tail -n 20 "$LAB/$machine/lab/gwd.log")"
	fi
}

gateway_decided() { # MACHINE: gwd answers, if only "degraded" (1), or has given up
	gwctl "$1" status
	[ $? -le 1 ] || gateway_gone "$1"
}

gateway_stop() { # EDGE: as an operator does it
	disturb
	gwctl "edge-gw-0$1" gateway stop
	within 20 gateway_gone "edge-gw-0$1" || die "gwd of edge-gw-0$1 does not end"
}

gateway_gone() { # MACHINE
	# shellcheck disable=SC2016
	! on "$1" sh -c 'kill -0 $(cat /run/lab/gwd.pid)' 2>/dev/null
}

gateways_restart() { # ATTACH
	local edge
	for edge in "${EDGES[@]}"; do
		gateway_stop "$edge"
	done
	for edge in "${EDGES[@]}"; do
		gateway_start "$edge" "$1"
	done
	lab_wait
	for edge in "${EDGES[@]}"; do
		gwctl "edge-gw-0$edge" -j status | jq -en --arg attach "$1" 'input | .gateway.attach == $attach' >/dev/null ||
			die "edge-gw-0$edge does not attach by $1"
	done
}

# ---- The services on the loopback -----------------------------------------------------------------------------------------

services_start() { # MACHINE: once; they outlive gwd
	local lab=$LAB/$1/lab
	[ ! -e "$lab/www" ] || return 0
	mkdir -p "$lab/www" "$lab/nginx"
	echo "$1" >"$lab/www/index.html"
	ln "$LAB/device/lab/big" "$lab/www/big"
	nginx_config >"$lab/nginx.conf"
	on "$1" nginx -e /run/lab/nginx/error.log -c /run/lab/nginx.conf || die "nginx of $1 does not start"
	on "$1" setsid /usr/bin/python3 "$ROOT/tests/lab/tools/services.py" "$1" "${LOOPBACK[4]}" "${LOOPBACK[6]}" \
		</dev/null >"$lab/services.log" 2>&1 &
	disown
	within 10 grep -q ready "$lab/services.log" || die "the UDP services of $1 do not start: $(cat "$lab/services.log")"
}

nginx_config() {
	cat <<-END
		pid /run/lab/nginx/pid;
		worker_processes 1;
		events { worker_connections 256; }
		http {
		  access_log off;
		  client_body_temp_path /run/lab/nginx/body; proxy_temp_path /run/lab/nginx/proxy;
		  fastcgi_temp_path /run/lab/nginx/fastcgi; uwsgi_temp_path /run/lab/nginx/uwsgi; scgi_temp_path /run/lab/nginx/scgi;
		  server {
		    listen ${LOOPBACK[4]}:80;
		    listen [${LOOPBACK[6]}]:80;
		    root /run/lab/www;
		    location = /slow { alias /run/lab/www/big; limit_rate $((1024 / PATIENCE))k; }
		  }
		}
	END
}
