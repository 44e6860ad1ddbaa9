# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The provider's IPsec: strongSwan with a swanctl.conf by hand, one charon a local gateway. ESP is the kernel's where it has it,
# by an XFRM interface a tunnel; else it is in user space (kernel-libipsec), where a local gateway has one such tunnel: there
# charon's device gets the name that the lab's interfaces have, and an empty one stands in for it, since charon writes routes
# by the name that it knows (into a table that nobody asks).
#
# Which tunnels are IPsec says LAB_IPSEC, as EDGE and LOCAL: "22" is the one from edge-gw-02 to local-gw-02. By default none is.

LAB_IPSEC=${LAB_IPSEC:-}
IPSEC_SECRET="the first secret of acme"

# Linux 6.1 (6.1.192 of Debian 12) miscounts who holds the devices of a packet that it decrypts later: an uplink, or an XFRM
# interface, then never leaves (docs/design.md). AES that meets another computation, such as WireGuard's, is put off.
# ChaCha20 never is.
if unshare -n ip link add name tried type xfrm if_id 1 2>/dev/null; then
	ESP=kernel ESP_PROPOSAL=chacha20poly1305-ecp384
else
	ESP=process ESP_PROPOSAL=aes256gcm16-ecp384
fi

is_ipsec() { # EDGE LOCAL
	[[ " $LAB_IPSEC " == *" $1$2 "* ]]
}

ipsec_id_of_edge() { # EDGE
	echo "edge-gw-0$1.platform.example"
}

ipsec_id_of_local() { # LOCAL
	echo "C=CH, O=Acme, CN=lgw-0$1"
}

ipsec_psk() { # MACHINE SECRET: of a gateway of ours
	(umask 077 && echo "$2" >"$LAB/$1/lab/acme.psk")
}

# ---- charon ---------------------------------------------------------------------------------------------------------

strongswan_runs() { # LOCAL
	[ -e "$LAB/local-gw-0$1/swan/pid" ]
}

# shellcheck disable=SC2016
strongswan_start() { # LOCAL
	local machine=local-gw-0$1 folder=$LAB/local-gw-0$1/swan
	local libipsec=kernel-libipsec routes='routing_table = 7000'
	[ $ESP = process ] || libipsec='' routes='install_routes = no'
	mkdir -p "$folder"/{conf.d,x509,x509ca,private}
	cat >"$folder/strongswan.conf" <<-END
		charon-systemd {
		  load = random nonce openssl aes sha1 sha2 hmac kdf drbg gmp gcm x509 pubkey pkcs1 pkcs8 pem constraints $libipsec kernel-netlink socket-default vici
		  $routes
		  make_before_break = yes
		  journal { default = -1 }
		  filelog { stderr { default = 1 } }
		  plugins {
		    vici { socket = unix:///run/swan/vici }
		    kernel-libipsec { allow_peer_ts = yes }
		    kernel-netlink { fwmark = 0x7000 }
		  }
		}
	END
	on "$machine" sh -c 'STRONGSWAN_CONF=/run/swan/strongswan.conf setsid /usr/sbin/charon-systemd >/run/swan/charon.log 2>&1 &
		echo $! >/run/swan/pid' </dev/null
	within 10 test -S "$folder/vici" || die "no strongSwan on $machine: $(cat "$folder/charon.log")"
	echo 'include conf.d/*.conf' >"$folder/swanctl.conf"
}

strongswan_kill() { # LOCAL: and what it leaves
	# shellcheck disable=SC2016
	on "local-gw-0$1" sh -c 'kill -KILL $(cat /run/swan/pid); while kill -0 $(cat /run/swan/pid) 2>/dev/null; do sleep 0.05; done
		ip xfrm state flush; ip xfrm policy flush; ip -o link show type xfrm | sed "s/^[0-9]*: \([^@:]*\).*/link del \1/" | ip -batch -
		ip link del ipsec0; while ip rule del pref 220 || ip -6 rule del pref 220; do :; done' 2>/dev/null || true
	rm -rf "$LAB/local-gw-0$1/swan"
}

swanctl_on() { # LOCAL COMMAND ARGUMENT…
	on "local-gw-0$1" env SWANCTL_DIR=/run/swan swanctl "${@:2}" --uri unix:///run/swan/vici >/dev/null 2>"$LAB/local-gw-0$1/swan/swanctl.err" ||
		fail "swanctl ${*:2}: $(tail -n 1 "$LAB/local-gw-0$1/swan/swanctl.err")"
}

# ---- A tunnel ---------------------------------------------------------------------------------------------------------

strongswan_tunnel_up() { # EDGE LOCAL: the local gateway's end, in the place of WireGuard's
	strongswan_runs "$2" || strongswan_start "$2"
	"strongswan_interface_$ESP" "$1" "local-gw-0$2"
	provider_addresses "$1" "$2"
	strongswan_load "$2" "$1" psk "$IPSEC_SECRET"
}

strongswan_interface_kernel() { # EDGE MACHINE
	on "$2" ip link add "edge-gw-0$1" type xfrm if_id "$1" || die "no XFRM interface on $2"
	on "$2" ip link set "edge-gw-0$1" mtu "$ARRAY_MTU"
}

# charon's sockets get room for what comes while a busy machine does not let it run, and its device too.
strongswan_interface_process() { # EDGE MACHINE
	on "$2" ip -batch - <<-END
		link set ipsec0 down
		link set ipsec0 name edge-gw-0$1
		tuntap add ipsec0 mode tun
		link set ipsec0 up
		link set edge-gw-0$1 mtu $ARRAY_MTU
	END
	on "$2" /usr/bin/python3 "$ROOT/tests/lab/tools/room.py" "$(cat "$LAB/$2/swan/pid")" || die "strongSwan of $2 does not listen"
}

strongswan_tunnel_kill() { # EDGE LOCAL: its interface is gone, and nobody says good-bye
	if [ $ESP = kernel ]; then
		on "local-gw-0$2" ip link del "edge-gw-0$1"
	else
		strongswan_kill "$2"
	fi
}

strongswan_load() { # LOCAL EDGE METHOD (psk, pubkey) [PSK]: that tunnel's settings, and whatever other is there
	local folder=$LAB/local-gw-0$1/swan certificate=
	[ "$3" = psk ] || certificate="certs = them.pem"
	cat >"$folder/conf.d/edge-gw-0$2.conf" <<-END
		connections {
		  edge-gw-0$2 {
		    version = 2
		    local_addrs = ${INTERNET_ADDRESS_OF_LOCAL[$1]}
		    remote_addrs = ${INTERNET_ADDRESS_OF_EDGE[$2]}
		    encap = yes
		    proposals = aes256-sha384-ecp384
		    $([ $ESP = process ] || echo "if_id_in = $2")
		    $([ $ESP = process ] || echo "if_id_out = $2")
		    local { auth = $3
		      $certificate
		      id = "$(ipsec_id_of_local "$1")" }
		    remote { auth = $3
		      id = $(ipsec_id_of_edge "$2") }
		    children { all {
		      local_ts = 0.0.0.0/0, ::/0
		      remote_ts = 0.0.0.0/0, ::/0
		      esp_proposals = $ESP_PROPOSAL
		      $([ $ESP = process ] || echo "replay_window = 4096") # of the 32 that are usual hundreds were seen to be lost
		    } }
		  }
		}
		secrets {
		  ike-edge-gw-0$2 { id = $(ipsec_id_of_edge "$2")
		    secret = "${4:-none}" }
		}
	END
	swanctl_on "$1" --load-all --file /run/swan/swanctl.conf
}

# ---- Certificates -----------------------------------------------------------------------------------------------------

certificate() { # NAME SUBJECT ALTERNATIVE: of the lab's authority
	openssl req -x509 -CA "$LAB/keys/ca.pem" -CAkey "$LAB/keys/ca.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-addext basicConstraints=CA:FALSE -addext "subjectAltName=DNS:$3" -subj "$2" \
		-keyout "$LAB/keys/$1.key" -out "$LAB/keys/$1.pem" 2>/dev/null
}

strongswan_certificates() { # LOCAL EDGE: an authority, and certificates of it for both ends
	local keys=$LAB/keys folder=$LAB/local-gw-0$1/swan
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=lab" \
		-keyout "$keys/ca.key" -out "$keys/ca.pem" 2>/dev/null
	certificate us "/CN=$(ipsec_id_of_edge "$2")" "$(ipsec_id_of_edge "$2")"
	certificate them "/C=CH/O=Acme/CN=lgw-0$1" "lgw-0$1"
	cp "$keys/them.pem" "$folder/x509/"
	cp "$keys/ca.pem" "$folder/x509ca/"
	cp "$keys/them.key" "$folder/private/"
	cp "$keys"/{us,ca}.pem "$LAB/edge-gw-0$2/lab/"
	install -m 600 "$keys/us.key" "$LAB/edge-gw-0$2/lab/us.key"
}
