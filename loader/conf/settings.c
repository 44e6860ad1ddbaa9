// SPDX-License-Identifier: Apache-2.0
/*
 * The one table of settings. Known keys, libcyaml's schema, limits, defaults, uniqueness and the canonical print all
 * come from here; a new setting is a row here and a field in model.h.
 *
 * Some defaults have reasons that are longer than a row:
 *
 *  - established: RFC 5382 asks a middlebox to keep an idle TCP connection for at least 2 hours 4 minutes, just
 *    above the 2 hours after which hosts begin to probe. udp: RFC 4787 asks for no less than 2 minutes. icmp: RFC
 *    5508 asks for 60 seconds. The upper bound of 7 days keeps ages far from the wrap of 32-bit milliseconds (49 days).
 *  - bfd: off unless the section is there; `bfd: {}` takes 50 ms × 3, which is stable on busy virtual machines;
 *    10 ms × 3 is for machines that are known never to stall.
 *  - rise, fall: one lost answer says nothing, and one that came by chance as little.
 *  - import: nothing enters the kernel from a tunnel in any case; what is imported only counts for reachability.
 *  - local_pref: 100 is what BIRD and everybody else takes where nothing is said.
 */
#include "conf/types.h"

#include "base/cleanup.h"

#define FIELD_SIZE(structure, field) sizeof(((structure *)0)->field)
#define ITEM_SIZE(structure, field)  sizeof(*((structure *)0)->field)

/* A scalar; a list of scalars. */
#define ONE(structure, key_, field, kind, ...)                                             \
	{                                                                                  \
		.key = (key_), .type = &type_##kind, .offset = offsetof(structure, field), \
		.size = FIELD_SIZE(structure, field), __VA_ARGS__                          \
	}
#define MANY(structure, key_, field, count_, kind, ...)                                                  \
	{                                                                                                \
		.key = (key_), .list = true, .type = &type_##kind, .offset = offsetof(structure, field), \
		.size = ITEM_SIZE(structure, field), .count_offset = offsetof(structure, count_),        \
		__VA_ARGS__                                                                              \
	}
/* A scalar that fills several fields: its type gets the whole structure. */
#define WHOLE(key_, kind, ...)                                   \
	{                                                        \
		.key = (key_), .type = &type_##kind, __VA_ARGS__ \
	}
/*
 * A section whose settings stand in a structure within the one around it, or (SAME) in that one itself; a list of
 * them.
 */
#define SECTION(structure, key_, field, kind, ...)                                                           \
	{                                                                                                    \
		.key = (key_), .section = &section_##kind, .offset = offsetof(structure, field), __VA_ARGS__ \
	}
#define SAME(key_, kind, ...)                                          \
	{                                                              \
		.key = (key_), .section = &section_##kind, __VA_ARGS__ \
	}
#define SECTIONS(structure, key_, field, count_, kind, ...)                                \
	{                                                                                  \
		.key = (key_), .list = true, .section = &section_##kind,                   \
		.offset = offsetof(structure, field), .size = ITEM_SIZE(structure, field), \
		.count_offset = offsetof(structure, count_), __VA_ARGS__                   \
	}

#define REQUIRED              .required = true, .meaning
#define OPTIONAL              .meaning
#define DEFAULT               .fallback
#define LIMITS(least, most)   .minimum = (least), .maximum = (most)
#define UNIQUE                .unique = true
#define AT_LEAST_ONE          .at_least = 1
#define FLAG(structure, flag) .has_flag = true, .flag_offset = offsetof(structure, flag)

#define DEFINE_SECTION(name, ...)                                      \
	static const struct setting name##_settings[] = {__VA_ARGS__}; \
	static const struct section section_##name = {name##_settings, ARRAY_SIZE(name##_settings)}

#define NAME_MAX_LENGTH 63
#define SECOND          1000u
#define DAY             (24 * 3600 * SECOND)
#define TABLE_LINES     LIMITS(1024, 1u << 24)
#define TIMEOUT         LIMITS(1 * SECOND, 7 * DAY)
#define AS_NUMBER       LIMITS(1, UINT32_MAX - 1) /* the last one is reserved: RFC 7300 */

static const struct choice attach_modes[] = {
	{"auto", ATTACH_AUTO}, {"tcx", ATTACH_TCX}, {"clsact", ATTACH_CLSACT}, {NULL}};
static const struct choice log_levels[] = {{"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG}, {NULL}};
static const struct choice egress_modes[] = {
	{"active-standby", EGRESS_ACTIVE_STANDBY}, {"load-sharing", EGRESS_LOAD_SHARING}, {NULL}};
static const struct choice egress_hashes[] = {{"flow", EGRESS_BY_FLOW}, {"source", EGRESS_BY_SOURCE}, {NULL}};
static const struct choice egress_announces[] = {
	{"required", ANNOUNCE_REQUIRED}, {"ignored", ANNOUNCE_IGNORED}, {NULL}};
static const struct choice replication_modes[] = {
	{"none", REPLICATION_NONE}, {"broadcast", REPLICATION_BROADCAST}, {NULL}};

/* A row a setting. */
/* clang-format off */

DEFINE_SECTION(member,
	ONE(struct member, "name", name, name, REQUIRED = "the gateway's name", LIMITS(1, NAME_MAX_LENGTH),
		UNIQUE),
	ONE(struct member, "number", number, number, REQUIRED = "a number of its own, 1 to 255",
		LIMITS(1, 255), UNIQUE),
	ONE(struct member, "address", address, host,
		REQUIRED = "the address by which other gateways reach it", UNIQUE));

DEFINE_SECTION(replication,
	ONE(struct array, "mode", replication, choice, REQUIRED = "\"broadcast\": each tells all others; \"none\": they only relay",
		.choices = replication_modes),
	ONE(struct array, "key_file", key_file, file,
		OPTIONAL = "the file with the array's key, mode 0600: a line of a number from 1 to 255 and 32 bytes in base64; "
			   "while keys are exchanged, two lines, of which the first is used"));

DEFINE_SECTION(relay,
	ONE(struct array, "authenticate", relay_authenticate, flag, DEFAULT = "yes",
		OPTIONAL = "each relayed packet carries a code made with the array's key; no: whoever reaches the underlay "
			   "may write one"));

DEFINE_SECTION(ports,
	ONE(struct array, "first", ports_first, number, DEFAULT = "32768", LIMITS(1024, 65535),
		OPTIONAL = "the first port of the gateway with the number 1"),
	ONE(struct array, "slice", ports_slice, number, DEFAULT = "1024", LIMITS(16, 64512),
		OPTIONAL = "how many ports each gateway has"));

DEFINE_SECTION(array,
	ONE(struct array, "mtu", mtu, number,
		REQUIRED = "the MTU that every tunnel carries, such as 1400; with an IPsec tunnel in user space 1400 at most, "
			   "with one in the kernel some 100 less than its path carries",
		LIMITS(1280, 9000)),
	SECTIONS(struct array, "gateways", members, member_count, member,
		REQUIRED = "all gateways, this one too", AT_LEAST_ONE),
	SAME("replication", replication, OPTIONAL = "how gateways tell each other of flows"),
	SAME("relay", relay, OPTIONAL = "packets from gateway to gateway"),
	SAME("ports", ports,
		OPTIONAL = "the ports from which gateways open connections to devices: a slice each, so that an answer tells "
			   "whose it is"),
	ONE(struct array, "underlay", underlay, interface,
		OPTIONAL = "a WireGuard interface, which Homeward does not make, with the gateways' addresses on it: relays go and "
			   "come by it alone, and replication by its routes; without it the uplinks carry both"));

DEFINE_SECTION(loopback,
	ONE(struct loopback, "name", name, name, REQUIRED = "a name for it", LIMITS(1, NAME_MAX_LENGTH),
		UNIQUE),
	MANY(struct loopback, "addresses", addresses, address_count, host,
		REQUIRED = "its addresses, such as [192.0.2.1]", AT_LEAST_ONE, UNIQUE));

DEFINE_SECTION(provider,
	ONE(struct provider, "name", name, name, REQUIRED = "the provider's name", LIMITS(1, NAME_MAX_LENGTH),
		UNIQUE),
	MANY(struct provider, "prefixes", prefixes, prefix_count, network,
		REQUIRED = "where its devices live, such as [100.64.0.0/10]", AT_LEAST_ONE, LIMITS(1, 128)));

DEFINE_SECTION(peer,
	ONE(struct wireguard, "public_key", peer_public_key, public_key,
		REQUIRED = "the peer's public key, 32 bytes in base64"),
	WHOLE("endpoint", endpoint,
		OPTIONAL = "where the peer is; without it we wait for the peer to begin"),
	ONE(struct wireguard, "keepalive", keepalive_ms, seconds, DEFAULT = "0s",
		LIMITS(0, 65535 * SECOND),
		OPTIONAL = "how long a silent tunnel waits before it sends a packet to keep NATs open; 0s: it sends none"));

DEFINE_SECTION(wireguard,
	ONE(struct wireguard, "private_key_file", private_key_file, file,
		REQUIRED = "the file with our private key"),
	ONE(struct wireguard, "listen_port", listen_port, number, REQUIRED = "the UDP port to listen on",
		LIMITS(1, 65535), UNIQUE),
	SAME("peer", peer, REQUIRED = "the other end"));

DEFINE_SECTION(rekey,
	ONE(struct ipsec, "ike", rekey_ike_ms, seconds, DEFAULT = "4h", LIMITS(60 * SECOND, 7 * DAY),
		OPTIONAL = "new keys for IKE"),
	ONE(struct ipsec, "esp", rekey_esp_ms, seconds, DEFAULT = "1h", LIMITS(60 * SECOND, 7 * DAY),
		OPTIONAL = "new keys for the tunnel's packets"),
	ONE(struct ipsec, "reauthenticate", reauthenticate_ms, seconds, DEFAULT = "0s", LIMITS(0, 7 * DAY),
		OPTIONAL = "both prove anew who they are, which may cost the packets of a moment; 0s: never"));

DEFINE_SECTION(certificate,
	ONE(struct ipsec, "cert_file", cert_file, file, REQUIRED = "the file with our certificate, PEM or DER; in PEM whoever vouches for it may stand behind it"),
	ONE(struct ipsec, "key_file", key_file, file,
		REQUIRED = "the file with its private key, PEM without password, or DER; mode 0600"),
	ONE(struct ipsec, "ca_file", ca_file, file,
		REQUIRED = "the file with the certificate of the authority that vouches for the peer, or with several in PEM"));

DEFINE_SECTION(ipsec,
	ONE(struct ipsec, "remote", remote, host,
		OPTIONAL = "where the peer is; without it we wait for the peer to begin"),
	ONE(struct ipsec, "local", local, host, OPTIONAL = "our end's address; without it as routes lead"),
	ONE(struct ipsec, "local_id", local_id, identity,
		OPTIONAL = "who we say we are; without it our address, or what our certificate says; tunnels to one peer each have one"),
	ONE(struct ipsec, "remote_id", remote_id, identity,
		OPTIONAL = "who the peer must be; without it its address"),
	ONE(struct ipsec, "psk_file", psk_file, file,
		OPTIONAL = "the file with the pre-shared key, one line, mode 0600; as all files of the tunnel read again whenever "
			   "gwd applies or heals, and what has changed is told then"),
	SAME("certificate", certificate, OPTIONAL = "or: the files of certificates; one of the two is there"),
	MANY(struct ipsec, "ike_proposals", ike_proposals, ike_proposal_count, name, LIMITS(1, 255),
		OPTIONAL = "what IKE may agree on, in strongSwan's words, such as [aes256-sha384-ecp384]; without it what "
			   "strongSwan takes for good"),
	MANY(struct ipsec, "esp_proposals", esp_proposals, esp_proposal_count, name, LIMITS(1, 255),
		OPTIONAL = "the same for the tunnel's packets, such as [aes256gcm16-ecp384], or [chacha20poly1305-ecp384] where "
			   "the doctor says so"),
	SAME("rekey", rekey, OPTIONAL = "when keys are exchanged, unless the peer does so before; no packet is lost"),
	ONE(struct ipsec, "dpd", dpd_ms, seconds, DEFAULT = "10s", LIMITS(0, 3600 * SECOND),
		OPTIONAL = "a peer that said nothing for so long is asked whether it is there; 0s: never"));

DEFINE_SECTION(bfd,
	ONE(struct bfd, "interval", interval_ms, duration, DEFAULT = "50ms", LIMITS(10, 10 * SECOND),
		OPTIONAL = "between two of our packets, and the least we accept between two of the neighbor's"),
	ONE(struct bfd, "multiplier", multiplier, number, DEFAULT = "3", LIMITS(2, 255),
		OPTIONAL = "the path is down after so many intervals of silence"));

DEFINE_SECTION(import,
	MANY(struct bgp, "prefixes", import, import_count, network, LIMITS(0, 128),
		OPTIONAL = "the prefixes that may be imported, and what lies in them"),
	ONE(struct bgp, "maximum", import_maximum, number, DEFAULT = "1000", LIMITS(1, 1000000),
		OPTIONAL = "how many routes are imported at most"));

/* What a session has, whoever the neighbor is; WITHIN: the path to the struct bgp. */
#define SESSION(structure, within)                                                                              \
	ONE(structure, "password_file", within password_file, file,                                             \
		OPTIONAL = "the file with the session's TCP MD5 password (RFC 2385), mode 0600"),               \
	SECTION(structure, "bfd", within bfd, bfd, FLAG(structure, within bfd.enabled),                         \
		OPTIONAL = "BFD with the neighbor (RFC 5880); without this section there is none, {} takes the defaults"), \
	ONE(structure, "med", within med, number, DEFAULT = "0", LIMITS(0, UINT32_MAX),                         \
		OPTIONAL = "the metric (MED) of what is announced: of gateways in one AS the neighbor takes the lowest"), \
	ONE(structure, "prepend", within prepend, number, DEFAULT = "0", LIMITS(0, 16),                         \
		OPTIONAL = "our AS number stands so many times more in what is announced: routers take the shortest path"), \
	ONE(structure, "local_pref", within local_pref, number, DEFAULT = "100", LIMITS(0, UINT32_MAX),         \
		OPTIONAL = "the preference of what the neighbor announces, the highest first")

DEFINE_SECTION(bgp,
	ONE(struct bgp, "local_as", local_as, number, REQUIRED = "our AS number", AS_NUMBER),
	ONE(struct bgp, "peer_as", peer_as, number, REQUIRED = "the provider's AS number", AS_NUMBER),
	ONE(struct bgp, "neighbor", neighbor, host,
		REQUIRED = "the other end's address on the tunnel's link"),
	SESSION(struct bgp, ),
	SAME("import", import,
		OPTIONAL = "which routes of the neighbor count for reachability; none enters the kernel"));

DEFINE_SECTION(tunnel,
	ONE(struct tunnel, "name", name, interface,
		REQUIRED = "its name, also the interface's: at most 15 characters", UNIQUE),
	ONE(struct tunnel, "number", number, number, REQUIRED = "a number unique in the array, 1 to 65535",
		LIMITS(1, 65535), UNIQUE),
	ONE(struct tunnel, "provider", provider, provider,
		OPTIONAL = "the name of the provider it leads to; none on a provider's side, where tunnels lead to the platform"),
	SECTION(struct tunnel, "wireguard", wireguard, wireguard, FLAG(struct tunnel, wireguard.enabled),
		OPTIONAL = "it is a WireGuard tunnel: keys, port and peer"),
	SECTION(struct tunnel, "ipsec", ipsec, ipsec, FLAG(struct tunnel, ipsec.enabled),
		OPTIONAL = "or an IPsec tunnel, by strongSwan (IKEv2); one of the two is there"),
	MANY(struct tunnel, "addresses", addresses, address_count, link,
		REQUIRED = "our addresses on its link, such as [169.254.1.1/30]", AT_LEAST_ONE),
	SECTION(struct tunnel, "bgp", bgp, bgp, FLAG(struct tunnel, bgp.enabled),
		OPTIONAL = "the BGP session through the tunnel; without it the loopbacks are not announced there"));

DEFINE_SECTION(router,
	ONE(struct router, "name", name, name, REQUIRED = "a name for it", LIMITS(1, 32), UNIQUE),
	ONE(struct router, "interface", interface, interface, REQUIRED = "the interface that it is reached by, no tunnel"),
	MANY(struct router, "addresses", addresses, address_count, link, AT_LEAST_ONE,
		REQUIRED = "our addresses on the interface, such as [172.31.1.2/24]: they are there, Homeward does not set "
			   "them; a family that has one is carried"),
	ONE(struct router, "local_as", bgp.local_as, number, REQUIRED = "our AS number", AS_NUMBER),
	ONE(struct router, "peer_as", bgp.peer_as, number, REQUIRED = "its AS number", AS_NUMBER),
	ONE(struct router, "neighbor", bgp.neighbor, host, REQUIRED = "its address", UNIQUE),
	SESSION(struct router, bgp.),
	SECTION(struct router, "import", bgp, import,
		OPTIONAL = "which of its routes enter the kernel's main table, as long as the session stands; default none"));

DEFINE_SECTION(icmp,
	ONE(struct probe_icmp, "to", to, host, REQUIRED = "the address that must answer an echo"));

DEFINE_SECTION(tcp,
	WHOLE("to", target, REQUIRED = "the address and port that must take a connection"));

DEFINE_SECTION(http,
	WHOLE("url", url,
		REQUIRED = "what is asked for, such as \"http://192.0.2.1:7547/health\": an address, no name to be looked up"),
	MANY(struct probe_http, "status", status, status_count, number, LIMITS(100, 599),
		OPTIONAL = "the answers that are right; without it 200 to 299. No redirect is followed"),
	ONE(struct probe_http, "body", body, text, OPTIONAL = "a text that must be in the answer's first 16 KiB"),
	ONE(struct probe_http, "regex", regex, regex,
		OPTIONAL = "a POSIX extended regular expression, without back-references, that must match in its first 2 KiB"),
	ONE(struct probe_http, "ca_file", ca_file, file,
		OPTIONAL = "the certificates of the authorities that are believed; without it the system's"),
	ONE(struct probe_http, "server_name", server_name, name, LIMITS(1, 253),
		OPTIONAL = "the name that is asked for (SNI, Host) and that the certificate must be for; without it the address"),
	ONE(struct probe_http, "verify", verify, flag, DEFAULT = "yes",
		OPTIONAL = "whether the certificate must be right"));

DEFINE_SECTION(probe,
	ONE(struct probe, "name", name, name, REQUIRED = "a name for it", LIMITS(1, NAME_MAX_LENGTH), UNIQUE),
	ONE(struct probe, "loopback", loopback, loopback,
		OPTIONAL = "the loopback that is announced only while all its probes are up"),
	ONE(struct probe, "tunnel", tunnel, tunnel,
		OPTIONAL = "or the tunnel that is usable only while all its probes are up"),
	SECTION(struct probe, "icmp", icmp, icmp, FLAG(struct probe, icmp.enabled),
		OPTIONAL = "it asks by an ICMP echo"),
	SECTION(struct probe, "tcp", tcp, tcp, FLAG(struct probe, tcp.enabled),
		OPTIONAL = "or by opening a TCP connection"),
	SECTION(struct probe, "http", http, http, FLAG(struct probe, http.enabled),
		OPTIONAL = "or by HTTP or HTTPS"),
	ONE(struct probe, "through", through, interface,
		OPTIONAL = "the uplink that it asks by; without it a tunnel's probe asks by its tunnel, from our address on it, "
			   "the other end of its link, or of a destination of its egress group whoever is there, and a "
			   "loopback's as the machine's own routes lead"),
	ONE(struct probe, "from", from, host,
		OPTIONAL = "the address of this machine that it asks a destination of its tunnel's egress group from: the far side "
			   "must lead answers to it back by this tunnel; without it the tunnel's own address, which its other "
			   "end can reach"),
	ONE(struct probe, "interval", interval_ms, duration, DEFAULT = "1s", LIMITS(50, 3600 * SECOND),
		OPTIONAL = "from one question to the next"),
	ONE(struct probe, "timeout", timeout_ms, duration, DEFAULT = "500ms", LIMITS(10, 60 * SECOND),
		OPTIONAL = "how long an answer may take, the whole of it; no longer than the interval"),
	ONE(struct probe, "rise", rise, number, DEFAULT = "2", LIMITS(1, 100),
		OPTIONAL = "up after so many answers in a row; the first after a start is enough"),
	ONE(struct probe, "fall", fall, number, DEFAULT = "3", LIMITS(1, 100),
		OPTIONAL = "down after so many failures in a row"));

DEFINE_SECTION(egress_link,
	ONE(struct egress_link, "tunnel", tunnel, tunnel, UNIQUE,
		REQUIRED = "the name of a tunnel without provider; it is a link of one group"),
	ONE(struct egress_link, "weight", weight, number, DEFAULT = "1", LIMITS(1, 100),
		OPTIONAL = "its part of the load where that is shared"),
	ONE(struct egress_link, "announce", announce, choice, DEFAULT = "required", .choices = egress_announces,
		OPTIONAL = "\"required\": a link with bgp carries traffic only while its neighbor announces a destination of the "
			   "group, or part of one, which bgp.import must let in, and is the last choice while it announces "
			   "fewer than another link's did for \"hold\", or with GRACEFUL_SHUTDOWN (RFC 8326); \"ignored\": whatever "
			   "it announces, and as one that announces all, as does a link without bgp"));

DEFINE_SECTION(egress,
	ONE(struct egress_group, "name", name, name, REQUIRED = "a name for it", LIMITS(1, NAME_MAX_LENGTH), UNIQUE),
	MANY(struct egress_group, "destinations", destinations, destination_count, network, AT_LEAST_ONE,
		LIMITS(1, 128),
		REQUIRED = "what is reached through the group, such as [192.0.2.1/32, \"2001:db8::1/128\"]; none of them is this "
			   "machine's"),
	MANY(struct egress_group, "from", from, from_count, interface, AT_LEAST_ONE,
		REQUIRED = "the Ethernet interfaces of the LAN whose packets are steered, such as [eth1]"),
	ONE(struct egress_group, "mode", mode, choice, .choices = egress_modes,
		REQUIRED = "\"active-standby\": one link carries all, the first that lives; \"load-sharing\": all that live, by weight"),
	SECTIONS(struct egress_group, "links", links, link_count, egress_link, AT_LEAST_ONE,
		REQUIRED = "the tunnels, in order of preference, at most 16"),
	ONE(struct egress_group, "preempt", preempt, flag, DEFAULT = "yes",
		OPTIONAL = "active-standby: a better link that is back takes over; no: the one that carries all stays until it dies"),
	ONE(struct egress_group, "hold", hold_ms, duration, DEFAULT = "5s", LIMITS(10, 3600 * SECOND),
		OPTIONAL = "how long a link must be usable before it is used (again), unless there is no other"),
	ONE(struct egress_group, "hash", hash, choice, DEFAULT = "flow", .choices = egress_hashes,
		OPTIONAL = "load-sharing: what goes by one link: a \"flow\", or all that comes from a \"source\""));

DEFINE_SECTION(accept,
	MANY(struct filter, "from", from, from_count, network, LIMITS(1, 128), UNIQUE,
		OPTIONAL = "networks whatever comes from which is let in, such as those that the machine is administered from; as "
			   "is all from inside, from the gateways and from routers"),
	MANY(struct filter, "ports", ports, port_count, number, LIMITS(1, 65535), UNIQUE,
		OPTIONAL = "ports of TCP and UDP that are served without a socket of this machine: redirected by a firewall, or "
			   "taken by a program at XDP"),
	MANY(struct filter, "protocols", protocols, protocol_count, number, LIMITS(0, 255), UNIQUE,
		OPTIONAL = "protocols of IP that are served, such as 47 (GRE): others than TCP, UDP and ICMP"));

DEFINE_SECTION(filter,
	MANY(struct filter, "watch", watch, watch_count, interface, UNIQUE,
		OPTIONAL = "the uplinks where is counted what would be dropped: gwctl doctor shows it"),
	MANY(struct filter, "drop", drop, drop_count, interface, UNIQUE,
		OPTIONAL = "the uplinks where it is dropped, and counted"),
	SAME("accept", accept, OPTIONAL = "what is let in besides"));

DEFINE_SECTION(timeouts,
	ONE(struct timeouts, "half_open", half_open_ms, duration, DEFAULT = "30s", TIMEOUT,
		OPTIONAL = "a TCP connection that is not established yet"),
	ONE(struct timeouts, "established", established_ms, duration, DEFAULT = "124m", TIMEOUT,
		OPTIONAL = "an idle TCP connection (RFC 5382 asks for 124 minutes)"),
	ONE(struct timeouts, "closing", closing_ms, duration, DEFAULT = "2m", TIMEOUT,
		OPTIONAL = "a TCP connection after its first FIN or RST"),
	ONE(struct timeouts, "udp", udp_ms, duration, DEFAULT = "3m", TIMEOUT,
		OPTIONAL = "an idle UDP flow (RFC 4787 asks for 2 minutes)"),
	ONE(struct timeouts, "icmp", icmp_ms, duration, DEFAULT = "1m", TIMEOUT,
		OPTIONAL = "an idle ICMP echo flow (RFC 5508 asks for 60 seconds)"),
	ONE(struct timeouts, "device", device_ms, duration, DEFAULT = "24h", TIMEOUT,
		OPTIONAL = "a silent device: how long its newest way home is remembered"));

DEFINE_SECTION(tables,
	ONE(struct tables, "flows", flows, power_of_two, DEFAULT = "262144", TABLE_LINES,
		OPTIONAL = "lines of the flow table, 64 bytes each"),
	ONE(struct tables, "devices", devices, power_of_two, DEFAULT = "65536", TABLE_LINES,
		OPTIONAL = "lines of the device table, 64 bytes each"),
	SECTION(struct tables, "timeouts", timeouts, timeouts,
		OPTIONAL = "after which time of silence a line is free again"));

DEFINE_SECTION(control, ONE(struct model, "group", control_group, name, LIMITS(1, 32),
	OPTIONAL = "the group that may use the control socket beside root; changes are for root alone"));

static const struct setting top_settings[] = {
	ONE(struct model, "gateway", gateway, name, REQUIRED = "this gateway's name, one of array.gateways",
		LIMITS(1, NAME_MAX_LENGTH)),
	SECTION(struct model, "array", array, array, REQUIRED = "the gateways that share the loopbacks"),
	SECTIONS(struct model, "loopbacks", loopbacks, loopback_count, loopback,
		REQUIRED = "the array's anycast addresses; [] on a provider's side"),
	MANY(struct model, "uplinks", uplinks, uplink_count, interface,
		REQUIRED = "the interfaces towards the inside, such as [eth0]; [] on a provider's side", UNIQUE),
	MANY(struct model, "inside", inside, inside_count, network, LIMITS(1, 128),
		OPTIONAL = "the backends' prefixes: reached from a loopback by the main routing table; "
			   "the uplinks' own networks too, when hosts there talk to a loopback"),
	SECTIONS(struct model, "providers", providers, provider_count, provider,
		REQUIRED = "the customer networks; [] while there is none"),
	SECTIONS(struct model, "tunnels", tunnels, tunnel_count, tunnel,
		REQUIRED = "the ways to the providers; [] while there is none"),
	SECTIONS(struct model, "routers", routers, router_count, router,
		OPTIONAL = "neighbors that no tunnel leads to, such as a provider's ixp-router: they are told of our loopbacks "
			   "and of what tunnels without a provider import, and devices are reached by what they tell"),
	SECTIONS(struct model, "probes", probes, probe_count, probe,
		OPTIONAL = "what is asked for what BFD and BGP cannot see: whether an application works, or the far side of a tunnel"),
	SECTIONS(struct model, "egress", egress, egress_count, egress,
		OPTIONAL = "groups of tunnels by which a LAN reaches the same destinations: we are a provider's local gateway, or a "
			   "VPN's egress"),
	SECTION(struct model, "filter", filter, filter, FLAG(struct model, filter.enabled),
		OPTIONAL = "drops at an uplink, before the kernel has any work with it, what comes to an address of this machine and "
			   "nobody here serves: to ports where nobody listens, to a tunnel's port when its peer's address is "
			   "configured and another sends, to a loopback or a tunnel's own address from outside, from our own "
			   "addresses; what is forwarded, ICMP and multicast are let in. Not where the machine translates "
			   "addresses (NAT), since what is translated has no socket; watch first"),
	ONE(struct model, "mss_clamp", mss_clamp, flag, DEFAULT = "yes",
		OPTIONAL = "lower the MSS of TCP handshakes so that segments fit array.mtu"),
	ONE(struct model, "attach", attach, choice, DEFAULT = "auto", .choices = attach_modes,
		OPTIONAL = "how programs hang on interfaces; auto: TCX where the kernel has it (Linux 6.6), else clsact"),
	SECTION(struct model, "tables", tables, tables, OPTIONAL = "the sizes and times of the tables"),
	ONE(struct model, "counters", counters, flag, DEFAULT = "yes",
		OPTIONAL = "count packets and bytes of every flow"),
	ONE(struct model, "guard", guard_ms, duration, DEFAULT = "30s", LIMITS(1 * SECOND, DAY),
		OPTIONAL = "how long the loopbacks stay announced while no gwd runs"),
	ONE(struct model, "log", log, choice, DEFAULT = "info", .choices = log_levels,
		OPTIONAL = "the least important messages that are logged"),
	SAME("control", control, OPTIONAL = "who may use the control socket"),
};

/* clang-format on */

const struct section settings = {top_settings, ARRAY_SIZE(top_settings)};
