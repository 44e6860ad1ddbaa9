// SPDX-License-Identifier: Apache-2.0
/* What strongSwan is told of a tunnel, and how: its VICI protocol, against a charon of our own that plays a script. */
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/ipsec.h"
#include "base/cleanup.h"

static char *texts[] = {"aes256-sha384-ecp384", "aes256-sha256-modp2048"};
static struct tunnel tunnel;
static char said[8192];

static void set_up(void)
{
	tunnel = (struct tunnel){.name = "acme-lgw-01"};
	tunnel.ipsec = (struct ipsec){.enabled = true,
		.local_id = "edge-gw-01.example",
		.psk_file = "/etc/homeward/acme.psk",
		.rekey_ike_ms = 14400000,
		.rekey_esp_ms = 3600000,
		.dpd_ms = 10000};
	address_parse("198.51.100.1", &tunnel.ipsec.remote);
	said[0] = '\0';
}

static void say(void *context, const char *path, const char *value)
{
	size_t length = strlen(said);

	(void)context;
	snprintf(said + length, sizeof(said) - length, "%s=%s\n", path, value);
}

/* The stream's commands, each behind its name. */
static void show(const struct vici *stream)
{
	uint32_t size;

	CU_ASSERT_EQUAL_FATAL(stream->failure, 0);
	for (size_t at = 0; at < stream->size; at += sizeof(size) + size) {
		const uint8_t *packet = stream->bytes + at + sizeof(size);

		memcpy(&size, stream->bytes + at, sizeof(size));
		size = ntohl(size);
		CU_ASSERT_EQUAL(packet[0], 0); /* a command */
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "[%.*s]\n", packet[1],
			(const char *)packet + 2);
		CU_ASSERT_EQUAL(vici_parse(packet + 2 + packet[1], size - 2 - packet[1], say, NULL), 0);
	}
}

static const char expected_psk[] = "[load-shared]\n"
				   "id=acme-lgw-01\n"
				   "type=IKE\n"
				   "data=a secret = \"of\" {acme}\n"
				   "owners=198.51.100.1\n"
				   "[load-conn]\n"
				   "acme-lgw-01/version=2\n"
				   "acme-lgw-01/remote_addrs=198.51.100.1\n"
				   "acme-lgw-01/mobike=no\n"
				   "acme-lgw-01/encap=yes\n"
				   "acme-lgw-01/keyingtries=0\n"
				   "acme-lgw-01/unique=replace\n"
				   "acme-lgw-01/send_cert=always\n"
				   "acme-lgw-01/rekey_time=14400\n"
				   "acme-lgw-01/reauth_time=0\n"
				   "acme-lgw-01/dpd_delay=10\n"
				   "acme-lgw-01/local/auth=psk\n"
				   "acme-lgw-01/local/id=edge-gw-01.example\n"
				   "acme-lgw-01/remote/auth=psk\n"
				   "acme-lgw-01/remote/id=198.51.100.1\n"
				   "acme-lgw-01/children/acme-lgw-01/mode=tunnel\n"
				   "acme-lgw-01/children/acme-lgw-01/local_ts=0.0.0.0/0\n"
				   "acme-lgw-01/children/acme-lgw-01/local_ts=::/0\n"
				   "acme-lgw-01/children/acme-lgw-01/remote_ts=0.0.0.0/0\n"
				   "acme-lgw-01/children/acme-lgw-01/remote_ts=::/0\n"
				   "acme-lgw-01/children/acme-lgw-01/rekey_time=3600\n"
				   "acme-lgw-01/children/acme-lgw-01/replay_window=4096\n"
				   "acme-lgw-01/children/acme-lgw-01/start_action=none\n"
				   "acme-lgw-01/children/acme-lgw-01/close_action=none\n"
				   "acme-lgw-01/children/acme-lgw-01/dpd_action=restart\n";

static void renders_a_secret(void)
{
	char secret[] = "a secret = \"of\" {acme}";
	struct ipsec_files files = {.psk = {(uint8_t *)secret, strlen(secret)}};
	_cleanup_(vici_free) struct vici stream = {0};

	set_up();
	ipsec_render(&tunnel, &files, 0, &stream);
	show(&stream);
	CU_ASSERT_STRING_EQUAL(said, expected_psk);
}

/* A peer that begins: no address, nobody to begin with again, a name to be known by. */
static void renders_certificates(void)
{
	struct ipsec_files files = {.certificate = {(uint8_t *)"CERT", 4},
		.key = {(uint8_t *)"KEY", 3},
		.authority = {(uint8_t *)"CA", 2}};
	_cleanup_(vici_free) struct vici stream = {0};

	set_up();
	memset(&tunnel.ipsec.remote, 0, sizeof(tunnel.ipsec.remote));
	address_parse("2001:db8::11", &tunnel.ipsec.local);
	tunnel.ipsec.remote_id = "C=CH, O=Acme, CN=lgw-01";
	tunnel.ipsec.ike_proposals = texts;
	tunnel.ipsec.ike_proposal_count = 2;
	tunnel.ipsec.esp_proposals = &texts[1];
	tunnel.ipsec.esp_proposal_count = 1;
	ipsec_render(&tunnel, &files, 0, &stream);
	show(&stream);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "[load-key]\ntype=any\ndata=KEY\n[load-conn]\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/version=2\nacme-lgw-01/local_addrs=2001:db8::11\n"));
	CU_ASSERT_PTR_NULL(strstr(said, "remote_addrs"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/proposals=aes256-sha384-ecp384\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/proposals=aes256-sha256-modp2048\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/esp_proposals=aes256-sha256-modp2048\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/local/auth=pubkey\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/local/certs=CERT\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said, "/remote/id=C=CH, O=Acme, CN=lgw-01\nacme-lgw-01/remote/cacerts=CA\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/dpd_action=clear\n"));
}

#define BLOCK(name) "-----BEGIN CERTIFICATE-----\n" name "\n-----END CERTIFICATE-----\n"

/* Ours comes first, who vouches for it behind it; any of the authority's vouches for the peer. */
static void renders_chains(void)
{
	char ours[] = "who it is\n" BLOCK("OURS") BLOCK("MIDDLE") BLOCK("UPPER"),
	     theirs[] = BLOCK("ONE") BLOCK("TWO");
	struct ipsec_files files = {.certificate = {(uint8_t *)ours, strlen(ours)},
		.key = {(uint8_t *)"KEY", 3},
		.authority = {(uint8_t *)theirs, strlen(theirs)}};
	_cleanup_(vici_free) struct vici stream = {0};

	set_up();
	ipsec_render(&tunnel, &files, 0, &stream);
	show(&stream);
	CU_ASSERT_EQUAL(strncmp(said,
				"[load-cert]\ntype=X509\nflag=CA\ndata=" BLOCK(
					"MIDDLE") "\n"
						  "[load-cert]\ntype=X509\nflag=CA\ndata=" BLOCK(
							  "UPPER") "\n[load-key]\n",
				200),
		0);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/local/certs=" BLOCK("OURS") "\nacme-lgw-01/remote/"));
	CU_ASSERT_PTR_NOT_NULL(strstr(
		said, "/remote/cacerts=" BLOCK("ONE") "\nacme-lgw-01/remote/cacerts=" BLOCK("TWO") "\n"));
}

/* As many as there may be, and not one more is read. */
static void counts_blocks(void)
{
	char many[] = BLOCK("1") BLOCK("2") BLOCK("3") BLOCK("4") BLOCK("5") BLOCK("6") BLOCK("7") BLOCK("8")
		BLOCK("9");
	struct ipsec_file blocks[CERTIFICATES_MOST], nothing = {0}, der = {(uint8_t *)"\x30\x82", 2};

	CU_ASSERT_EQUAL(ipsec_blocks(&(struct ipsec_file){(uint8_t *)many, strlen(many)}, blocks), 8);
	CU_ASSERT_EQUAL(ipsec_blocks(&nothing, blocks), 0);
	CU_ASSERT_EQUAL_FATAL(ipsec_blocks(&der, blocks), 1);
	CU_ASSERT_EQUAL(blocks[0].size, 2);
}

/* The number of its interface, both ways; and a packet may be cut up on its way. */
static void renders_an_interface(void)
{
	struct ipsec_files files = {.psk = {(uint8_t *)"secret", 6}};
	_cleanup_(vici_free) struct vici stream = {0};

	set_up();
	ipsec_render(&tunnel, &files, 0x68770003, &stream);
	show(&stream);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/children/acme-lgw-01/rekey_packets=2000000000\n"
					    "acme-lgw-01/children/acme-lgw-01/copy_df=no\n"
					    "acme-lgw-01/children/acme-lgw-01/if_id_in=1752629251\n"
					    "acme-lgw-01/children/acme-lgw-01/if_id_out=1752629251\n"));
}

/* What is told can be taken apart again, and what is damaged ends it. */
static void takes_commands_apart(void)
{
	struct ipsec_files files = {.psk = {(uint8_t *)"secret", 6}};
	_cleanup_(vici_free) struct vici stream = {0};
	struct vici command, damaged;
	size_t at = 0;

	set_up();
	ipsec_render(&tunnel, &files, 0, &stream);
	CU_ASSERT_TRUE_FATAL(vici_next(&stream, &at, &command));
	CU_ASSERT(vici_is(&command, "load-shared") && !vici_is(&command, "load-share"));
	CU_ASSERT_FALSE(vici_is(&command, "load-shared-"));
	CU_ASSERT_TRUE_FATAL(vici_next(&stream, &at, &command));
	CU_ASSERT(vici_is(&command, "load-conn"));
	CU_ASSERT_EQUAL(at, stream.size);
	CU_ASSERT_FALSE(vici_next(&stream, &at, &command));
	damaged = stream;
	damaged.size--;
	at = 0;
	CU_ASSERT_TRUE(vici_next(&damaged, &at, &command));
	CU_ASSERT_FALSE(vici_next(&damaged, &at, &command));
}

/* The first command's message, behind its length, type and name. */
static const uint8_t *first_message(const struct vici *stream, size_t *size)
{
	uint32_t length;
	size_t header = sizeof(length) + 2 + stream->bytes[sizeof(length) + 1];

	memcpy(&length, stream->bytes, sizeof(length));
	*size = sizeof(length) + ntohl(length) - header;
	return stream->bytes + header;
}

/* A copy of just this size, so that a sanitizer sees the end; one byte of it may be another. */
static int parse_damaged(const uint8_t *message, size_t size, size_t at, uint8_t flips)
{
	_cleanup_free_ uint8_t *copy = malloc(size ?: 1);

	memcpy(copy, message, size);
	if (at < size)
		copy[at] ^= flips;
	said[0] = '\0';
	return vici_parse(copy, size, say, NULL);
}

/* Every beginning of a message is refused unless an element ends there; any byte changed is answered within bounds. */
static void bears_damage(void)
{
	struct ipsec_files files = {.psk = {(uint8_t *)"secret", 6}};
	_cleanup_(vici_free) struct vici stream = {0};
	size_t size, whole = 0, refused = 0;
	const uint8_t *message;

	set_up();
	ipsec_render(&tunnel, &files, 0, &stream);
	message = first_message(&stream, &size);
	CU_ASSERT_EQUAL(parse_damaged(message, size, size, 0), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "data=secret\n"));
	for (size_t end = 0; end <= size; end++)
		whole += parse_damaged(message, end, end, 0) == 0;
	CU_ASSERT_EQUAL(whole, 7); /* nothing, three values, a list's start, its item, its end */
	for (size_t at = 0; at < size; at++)
		for (unsigned bit = 0; bit < 8; bit++)
			refused += parse_damaged(message, size, at, 1U << bit) == -71; /* EPROTO */
	CU_ASSERT(refused > size); /* a type or a length, mostly */
	CU_ASSERT_EQUAL(parse_damaged(message, size, 0, 0xff), -71);
	CU_ASSERT_EQUAL(vici_parse((const uint8_t *)"\x09", 1, say, NULL), -71);
}

static void refuses_what_is_too_long(void)
{
	static char value[70000], name[300];
	_cleanup_(vici_free) struct vici stream = {0}, other = {0};

	vici_command(&stream, "load-key");
	vici_bytes(&stream, "data", value, sizeof(value));
	CU_ASSERT_EQUAL(stream.failure, -90); /* EMSGSIZE */
	CU_ASSERT_EQUAL(vici_tell("/nowhere", &stream, NULL), -90);
	memset(name, 'x', sizeof(name) - 1);
	vici_command(&other, name);
	CU_ASSERT_EQUAL(other.failure, -90);
}

/* ---- A charon that plays a script -------------------------------------------------------------------------------- */

#define SOCKET "/tmp/homeward-vici-test"

static char socket_path[64];

/* Answers each packet with the next one of the script (a length byte, then the packet), until both are through. Events (7)
 * come by themselves, behind what they follow and with it: of small messages a socket holds few. */
static void play(int peer, const char *script, size_t size)
{
	char packet[4096], answer[16384];
	size_t ready = 0;

	for (size_t at = 0; at < size; at += 1 + (uint8_t)script[at]) {
		uint8_t told = (uint8_t)script[at];
		uint32_t length = htonl(told);

		if (script[at + 1] != 7) {
			send(peer, answer, ready, MSG_NOSIGNAL);
			ready = 0;
			if (recv(peer, packet, sizeof(packet), 0) <= 0)
				return;
		}
		memcpy(answer + ready, &length, sizeof(length));
		memcpy(answer + ready + sizeof(length), script + at + 1, told);
		ready += sizeof(length) + told;
	}
	send(peer, answer, ready, MSG_NOSIGNAL);
}

static pid_t charon(const char *script, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	snprintf(socket_path, sizeof(socket_path), SOCKET "-%d", getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	unlink(socket_path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		play(accept(listener, NULL, NULL), script, size);
		_exit(0);
	}
	close(listener);
	return pid;
}

/* ---- Tending, by a clock of our own ------------------------------------------------------------------------------ */

/* Looks as often as is asked for; when it was to be begun, at most `most` times, is returned in `begun`. */
static size_t tend_until(struct ipsec_care *care, const struct ipsec_status *status, uint64_t *now,
	uint64_t end, uint32_t chance, uint64_t *begun, size_t most)
{
	size_t count = 0;

	while (*now < end) {
		uint64_t next;

		if (ipsec_is_due(care, status, *now, chance) && count < most)
			begun[count++] = *now;
		next = ipsec_next_look(care, *now);
		CU_ASSERT_FATAL(next > *now && next <= *now + 5000);
		*now = next;
	}
	return count;
}

static void begins_less_and_less_often(void)
{
	static const uint64_t waits[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
	static const uint32_t chances[] = {0, 999, 29999, 123456789, UINT32_MAX};
	uint64_t begun[100];

	for (size_t i = 0; i < ARRAY_SIZE(chances); i++) {
		struct ipsec_care care = {0};
		uint64_t now = 50000;
		size_t count =
			tend_until(&care, NULL, &now, now + 600000, chances[i], begun, ARRAY_SIZE(begun));

		CU_ASSERT_EQUAL(begun[0], 50000);
		CU_ASSERT_FATAL(count > ARRAY_SIZE(waits) && count < 26);
		for (size_t n = 0; n + 1 < count; n++) {
			uint64_t wait = waits[n < ARRAY_SIZE(waits) ? n : ARRAY_SIZE(waits) - 1];

			CU_ASSERT(begun[n + 1] - begun[n] >= wait);
			CU_ASSERT(begun[n + 1] - begun[n] < 2 * wait);
		}
	}
}

/* What carries is left alone; when it is lost it is begun at once, and then as if nothing had been. */
static void begins_at_once_what_was_well(void)
{
	struct ipsec_status well = {.ike = "ESTABLISHED", .esp = "INSTALLED"};
	struct ipsec_care care = {0};
	uint64_t now = 1000, begun[100], lost;

	CU_ASSERT(tend_until(&care, NULL, &now, 200000, 0, begun, ARRAY_SIZE(begun)) > 5);
	CU_ASSERT_EQUAL(care.wait_ms, 30000);
	CU_ASSERT_EQUAL(tend_until(&care, &well, &now, 300000, 0, begun, ARRAY_SIZE(begun)), 0);
	lost = now;
	CU_ASSERT(tend_until(&care, NULL, &now, now + 4000, 0, begun, ARRAY_SIZE(begun)) >= 3);
	CU_ASSERT_EQUAL(begun[0], lost);
	CU_ASSERT_EQUAL(begun[1], lost + 1000);
	CU_ASSERT_EQUAL(begun[2], lost + 3000);
}

/* charon is at it: nobody begins beside it. Without ESP it is not well yet, and what was waited stays. */
static void leaves_alone_what_is_under_way(void)
{
	struct ipsec_status connecting = {.ike = "CONNECTING"}, bare = {.ike = "ESTABLISHED"};
	struct ipsec_care care = {.wait_ms = 8000};
	uint64_t now = 1000, begun[100];

	CU_ASSERT_EQUAL(tend_until(&care, &connecting, &now, 60000, 0, begun, ARRAY_SIZE(begun)), 0);
	CU_ASSERT_EQUAL(care.wait_ms, 8000);
	CU_ASSERT(ipsec_is_due(&care, &bare, now, 0));
	CU_ASSERT_EQUAL(care.wait_ms, 16000);
}

static void end(pid_t pid)
{
	waitpid(pid, NULL, 0);
	unlink(socket_path);
}

static void hears_a_refusal(void)
{
	static const char script[] = "\x0f\x01\x03\x07"
				     "success\x00\x03"
				     "yes" /* 1 + 1 + 1 + 7 + 2 + 3 = 15 */
				     "\x23\x01\x03\x07"
				     "success\x00\x02"
				     "no\x03\x06"
				     "errmsg\x00\x0a"
				     "not so far"; /* 14 + 2 + 6 + 2 + 10 + … */
	_cleanup_(vici_free) struct vici stream = {0};
	struct error error = {0};
	char sized[sizeof(script)];
	pid_t pid;

	memcpy(sized, script, sizeof(script));
	sized[16] = (char)(sizeof(script) - 1 - 17);
	vici_command(&stream, "load-shared");
	vici_command(&stream, "load-conn");
	pid = charon(sized, sizeof(script) - 1);
	CU_ASSERT_EQUAL(vici_tell(socket_path, &stream, &error), -71);
	CU_ASSERT_STRING_EQUAL(error.text, "charon refuses: not so far");
	end(pid);
}

static void asks_for_events(void)
{
	static const char script[] = "\x01\x05" /* the registration is confirmed */
				     "\x12\x07\x07list-sa\x03\x05state\x00\x00" /* one event */
				     "\x01\x01";                                /* an empty reply */
	_cleanup_(vici_free) struct vici command = {0};
	char sized[sizeof(script)];
	pid_t pid;

	set_up();
	memcpy(sized, script, sizeof(script));
	sized[2] = (char)(sizeof(script) - 1 - 2 - 1 - 2);
	vici_command(&command, "list-sas");
	pid = charon(sized, sizeof(script) - 1);
	CU_ASSERT_EQUAL(vici_ask(socket_path, &command, "list-sa", say, NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(said, "state=\n");
	end(pid);
}

static void count_value(void *context, const char *path, const char *value)
{
	(void)path;
	(void)value;
	++*(size_t *)context;
}

/* Who says more than is read at once is told from who has said it all. */
static void hears_so_much_and_no_more(void)
{
	static const char confirmed[] = "\x01\x05", event[] = "\x0e\x07\x03log\x03\x03msg\x00\x02no";
	char script[2 + 300 * (sizeof(event) - 1)];
	size_t size = 2, count = 0;
	int descriptor;
	pid_t pid;

	memcpy(script, confirmed, size);
	for (; size < sizeof(script); size += sizeof(event) - 1)
		memcpy(script + size, event, sizeof(event) - 1);
	pid = charon(script, size);
	descriptor = vici_listen(socket_path, "log");
	CU_ASSERT_FATAL(descriptor >= 0);
	end(pid);
	CU_ASSERT_EQUAL(vici_hear(descriptor, count_value, &count), 1);
	CU_ASSERT(count > 0 && count < 300);
	CU_ASSERT_EQUAL(vici_hear(descriptor, count_value, &count), -32); /* EPIPE */
	CU_ASSERT_EQUAL(count, 300);
	close(descriptor);
}

static void finds_nobody(void)
{
	_cleanup_(vici_free) struct vici command = {0};
	struct error error = {0};

	vici_command(&command, "version");
	CU_ASSERT_EQUAL(vici_tell("/tmp/homeward-no-such-socket", &command, &error), -2);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/tmp/homeward-no-such-socket"));
}

UNIT_TESTS("ipsec", {"tells a pre-shared key and its connection", renders_a_secret},
	{"begins again less and less often, never twice as late", begins_less_and_less_often},
	{"begins at once what was well", begins_at_once_what_was_well},
	{"leaves alone what is under way", leaves_alone_what_is_under_way},
	{"tells certificates, of a peer that begins", renders_certificates},
	{"tells those who vouch for ours, and for the peer", renders_chains},
	{"counts the certificates of a file", counts_blocks},
	{"tells the number of an XFRM interface", renders_an_interface},
	{"takes apart what was told", takes_commands_apart}, {"bears damaged messages", bears_damage},
	{"refuses what does not fit", refuses_what_is_too_long},
	{"hears that a command is refused, and why", hears_a_refusal},
	{"hears the events before a reply", asks_for_events},
	{"hears so much at once, and that there is more", hears_so_much_and_no_more},
	{"says where nobody is", finds_nobody})
