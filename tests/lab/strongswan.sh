# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The provider's IPsec: strongSwan with a swanctl.conf by hand, in user space (kernel-libipsec), as this kernel may have no ESP.
# Its device gets the name that the lab's interfaces have; an empty one stands in for it, since charon writes routes by the
# name that it knows (into a table that nobody asks).

IPSEC_ID_OF_EDGE=edge-gw.platform.example
IPSEC_ID_OF_LOCAL="C=CH, O=Acme, CN=lgw-02"

# shellcheck disable=SC2016
strongswan_start() { # LOCAL EDGE: the local gateway's end, in the place of WireGuard's
	local machine=local-gw-0$1 name=edge-gw-0$2 folder=$LAB/local-gw-0$1/swan
	mkdir -p "$folder"
	cat >"$folder/strongswan.conf" <<-END
		charon-systemd {
		  load = random nonce openssl aes sha1 sha2 hmac kdf drbg gmp gcm x509 pubkey pkcs1 pkcs8 pem constraints kernel-libipsec kernel-netlink socket-default vici
		  routing_table = 7000
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
	on "$machine" ip -batch - <<-END
		link set ipsec0 down
		link set ipsec0 name $name
		tuntap add ipsec0 mode tun
		link set ipsec0 up
		link set $name mtu $ARRAY_MTU
		addr add 169.254.$2$1.2/30 dev $name
		addr add fd00:$2$1::2/126 dev $name
		link set $name up
		route add 0.0.0.0/0 dev $name table $2
		route add ::/0 dev $name table $2
	END
}

strongswan_kill() { # LOCAL
	# shellcheck disable=SC2016
	on "local-gw-0$1" sh -c 'kill -KILL $(cat /run/swan/pid); while kill -0 $(cat /run/swan/pid) 2>/dev/null; do sleep 0.05; done
		ip link del ipsec0; while ip rule del pref 220 || ip -6 rule del pref 220; do :; done' 2>/dev/null || true
	rm -rf "$LAB/local-gw-0$1/swan"
}

swanctl_on() { # LOCAL COMMAND ARGUMENT…
	on "local-gw-0$1" env SWANCTL_DIR=/run/swan swanctl "${@:2}" --uri unix:///run/swan/vici 2>"$LAB/local-gw-0$1/swan/swanctl.err" ||
		fail "swanctl ${*:2}: $(tail -n 1 "$LAB/local-gw-0$1/swan/swanctl.err")"
}

certificate() { # NAME SUBJECT ALTERNATIVE: of the lab's authority
	openssl req -x509 -CA "$LAB/keys/ca.pem" -CAkey "$LAB/keys/ca.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-addext basicConstraints=CA:FALSE -addext "subjectAltName=DNS:$3" -subj "$2" \
		-keyout "$LAB/keys/$1.key" -out "$LAB/keys/$1.pem" 2>/dev/null
}

strongswan_certificates() { # LOCAL EDGE: an authority, and certificates of it for both ends
	local keys=$LAB/keys folder=$LAB/local-gw-0$1/swan
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=lab" \
		-keyout "$keys/ca.key" -out "$keys/ca.pem" 2>/dev/null
	certificate us "/CN=$IPSEC_ID_OF_EDGE" "$IPSEC_ID_OF_EDGE"
	certificate them /C=CH/O=Acme/CN=lgw-02 lgw-02
	mkdir -p "$folder"/{x509,x509ca,private}
	cp "$keys/them.pem" "$folder/x509/"
	cp "$keys/ca.pem" "$folder/x509ca/"
	cp "$keys/them.key" "$folder/private/"
	cp "$keys"/{us,ca}.pem "$LAB/edge-gw-0$2/lab/"
	install -m 600 "$keys/us.key" "$LAB/edge-gw-0$2/lab/us.key"
}

strongswan_load() { # LOCAL EDGE METHOD (psk, pubkey) [PSK]
	local folder=$LAB/local-gw-0$1/swan certificate=
	[ "$3" = psk ] || certificate="certs = them.pem"
	cat >"$folder/swanctl.conf" <<-END
		connections {
		  platform {
		    version = 2
		    local_addrs = ${INTERNET_ADDRESS_OF_LOCAL[$1]}
		    remote_addrs = ${INTERNET_ADDRESS_OF_EDGE[$2]}
		    encap = yes
		    proposals = aes256-sha384-ecp384
		    local { auth = $3
		      $certificate
		      id = "$IPSEC_ID_OF_LOCAL" }
		    remote { auth = $3
		      id = $IPSEC_ID_OF_EDGE }
		    children { all {
		      local_ts = 0.0.0.0/0, ::/0
		      remote_ts = 0.0.0.0/0, ::/0
		      esp_proposals = aes256gcm16-ecp384
		    } }
		  }
		}
		secrets {
		  ike-platform { id = $IPSEC_ID_OF_EDGE
		    secret = "${4:-none}" }
		}
	END
	swanctl_on "$1" --load-all --file /run/swan/swanctl.conf
}
