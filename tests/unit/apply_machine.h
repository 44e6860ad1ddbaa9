/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine for the tests of apply, in a network and mount namespace of their own: its own bpffs, its own directory of
 * wireguard-go's sockets, and a configuration as a tree, by hand. What the machine says is asked of iproute2, not of the
 * code under test.
 *
 * A test program ends with APPLY_TESTS("name", rows): they are played in turn on one machine, each on what the one before
 * left.
 */
#ifndef APPLY_MACHINE_H
#define APPLY_MACHINE_H

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/private.h"
#include "base/cleanup.h"

#define WORK     "/run/homeward-test" /* on a tmpfs of our own */
#define PINS     WORK "/bpf/homeward"
#define KEY_FILE WORK "/wg.key"

#define FIRST_KEY "gFEGFCVb1gzXNwVWlLwBZRVVc1LyNGr5s8R8nXbVlnI="
#define OTHER_KEY "oKL7nY5AQ0u6J0QVSnUo8ku1rFkEMdPwTu9PX+0dn0M="

/* ---- A configuration as a tree, by hand -------------------------------------------------------------------------- */

static inline struct prefix prefix(const char *text)
{
	struct prefix parsed = {0};

	if (prefix_parse(text, &parsed) < 0)
		abort();
	return parsed;
}

static struct address loopback_addresses[2];
static struct loopback loopbacks[] = {
	{.name = "control", .addresses = loopback_addresses, .address_count = 2}};
static struct prefix provider_prefixes[2];
static struct provider providers[] = {
	{.name = "acme", .number = 1, .prefixes = provider_prefixes, .prefix_count = 2}};
static struct prefix tunnel_addresses[2][2];
static struct tunnel tunnels[] = {
	{.name = "hwt-one",
		.number = 101,
		.provider = &providers[0],
		.addresses = tunnel_addresses[0],
		.address_count = 2,
		.wireguard = {.private_key_file = KEY_FILE,
			.listen_port = 51820,
			.keepalive_ms = 25000,
			.peer_public_key = "3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk="}},
	{.name = "hwt-two",
		.number = 102,
		.provider = &providers[0],
		.addresses = tunnel_addresses[1],
		.address_count = 2,
		.wireguard = {.private_key_file = KEY_FILE,
			.listen_port = 51821,
			.has_endpoint = true,
			.endpoint_port = 51820,
			.peer_public_key = "aPQ3b1pXq2GmA0WzSx4Iq7C7cMZ8eHkWZ3kPzYJmO2E="}},
};
static struct prefix inside[2];
static char *uplinks[] = {"uplink0"};
static struct member members[] = {{.name = "edge-gw-01", .number = 1}, {.name = "edge-gw-02", .number = 2}};
static struct model model = {
	.gateway = "edge-gw-01",
	.number = 1,
	.array = {.mtu = 1400, .members = members, .member_count = 1},
	.loopbacks = loopbacks,
	.loopback_count = 1,
	.uplinks = uplinks,
	.uplink_count = 1,
	.inside = inside,
	.inside_count = 2,
	.providers = providers,
	.provider_count = 1,
	.tunnels = tunnels,
	.tunnel_count = 2,
	.mss_clamp = true,
	.tables = {.flows = 4096, .devices = 1024, .timeouts = {1, 2, 3, 4, 5, 6}},
	.counters = true,
};

static inline void fill_model(void)
{
	address_parse("10.0.0.11", &members[0].address);
	address_parse("10.0.0.12", &members[1].address);
	address_parse("192.0.2.1", &loopback_addresses[0]);
	address_parse("2001:db8::1", &loopback_addresses[1]);
	provider_prefixes[0] = prefix("100.64.0.0/10");
	provider_prefixes[1] = prefix("2001:db8:100::/40");
	tunnel_addresses[0][0] = prefix("169.254.1.1/30");
	tunnel_addresses[0][1] = prefix("fd00:1::1/126");
	tunnel_addresses[1][0] = prefix("169.254.1.5/30");
	tunnel_addresses[1][1] = prefix("fd00:2::1/126");
	address_parse("127.0.0.9", &tunnels[1].wireguard.endpoint_address);
	inside[0] = prefix("10.0.0.0/16");
	inside[1] = prefix("fd10::/32");
}

/* ---- A machine of our own ---------------------------------------------------------------------------------------- */

static inline char *command_output(const char *command)
{
	FILE *pipe = popen(command, "r");
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	int byte;

	while ((byte = fgetc(pipe)) != EOF)
		fputc(byte, stream);
	fclose(stream);
	pclose(pipe);
	return text;
}

static inline bool says(const char *command, const char *words)
{
	_cleanup_free_ char *output = command_output(command);
	bool found = strstr(output, words);

	if (!found)
		printf("# %s: \"%s\" is not in:\n%s", command, words, output);
	return found;
}

/* All that a plan may touch. */
static inline char *picture(void)
{
	return command_output(
		"ip -d -o link show | sed 's/[0-9]*: //; s/promiscuity.*//; s/qlen .*//' | sort; "
		"ip -o address show | sed 's/^[0-9]*: //' | grep -v 'inet6 fe80' | sort; ip rule; ip -6 "
		"rule; "
		"ip route show table all | grep -v fe80 | grep -v ff00 | sort; ip neigh show nud all | grep "
		"-v -e ff02 -e ' dev lo ';"
		"for i in lo uplink0; do tc filter show dev $i ingress; tc qdisc show dev $i; done;"
		"find " WORK "/bpf | grep -v /xdp$ | sort; ls /run/wireguard");
}

static inline void write_file(const char *path, const char *text)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (descriptor < 0 || write(descriptor, text, strlen(text)) < 0)
		abort();
	close(descriptor);
}

/* The operator's: of WireGuard, or what is one to the programs. */
#define MAKE_UNDERLAY                                            \
	"{ ip link add underlay0 type wireguard 2>/dev/null || " \
	"ip tuntap add dev underlay0 mode tun; } && "            \
	"ip address add 10.9.0.11/24 dev underlay0 && "          \
	"ip link set underlay0 mtu 1452 up"

static inline bool enter_machine(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mkdir(WORK, 0700) < 0 ||
		mkdir("/run/wireguard", 0700) < 0 || mkdir(WORK "/bpf", 0700) < 0 ||
		mount("bpf", WORK "/bpf", "bpf", 0, NULL) < 0)
		return false;
	write_file(KEY_FILE, FIRST_KEY "\n");
	return system("ip link add uplink0 type veth peer name far && ip link set uplink0 up && ip link set "
		      "far up && ip link add uplink1 type veth peer name far1 && "
		      "ip address add 10.0.0.11/24 dev uplink0 && ip link set lo up && " MAKE_UNDERLAY) == 0;
}

/* ---- Observe, plan, apply ---------------------------------------------------------------------------------------- */

static struct apply *apply;

static inline void make_plan(const struct model *wanted, struct plan *plan)
{
	struct items observed = {0};
	struct error error;

	CU_ASSERT_EQUAL_FATAL(apply_observe(apply, &model, &observed, &error), 0);
	CU_ASSERT_EQUAL_FATAL(plan_make(&observed, wanted, plan), 0);
	items_free(&observed);
}

static inline int reach(const struct model *wanted, struct error *error)
{
	_cleanup_(plan_free) struct plan plan = {0};
	int result;

	make_plan(wanted, &plan);
	result = apply_run(apply, &plan, NULL, NULL, error);
	if (result < 0)
		printf("# %s\n", error->text);
	return result;
}

static inline bool nothing_to_do(void)
{
	_cleanup_(plan_free) struct plan plan = {0};

	make_plan(&model, &plan);
	plan_print(&plan, stdout);
	return plan.count == 0;
}

/* Relays go by it, and there is another gateway. */
static inline void begin_underlay(void)
{
	model.array.member_count = 2;
	model.array.underlay = "underlay0";
	address_parse("10.9.0.11", &members[0].address);
	address_parse("10.9.0.12", &members[1].address);
}

static inline void end_underlay(void)
{
	model.array.member_count = 1;
	model.array.underlay = NULL;
	address_parse("10.0.0.11", &members[0].address);
	address_parse("10.0.0.12", &members[1].address);
}

static char *before;

/* The kernel gives local routes of IPv6 back a moment after their interface is up again: what differs is looked at anew. */
static inline bool becomes(const char *was, char *(*look)(void))
{
	_cleanup_free_ char *is = look();

	for (unsigned looks = 0; looks < 20 && strcmp(was, is) != 0; looks++) {
		usleep(100000);
		free(is);
		is = look();
	}
	if (strcmp(was, is) == 0)
		return true;
	write_file(WORK "/was", was);
	write_file(WORK "/is", is);
	return system("diff -U0 " WORK "/was " WORK "/is") == 0;
}

static inline bool is_as_before(void)
{
	return becomes(before, picture);
}

/* After a failure too: wireguard-go must not outlive this. */
static inline void stop_whatever_is_there(void)
{
	struct items observed = {0};
	struct plan plan = {0};
	struct error error;

	if (apply_observe(apply, &model, &observed, &error) < 0 || plan_make(&observed, NULL, &plan) < 0 ||
		apply_run(apply, &plan, NULL, NULL, &error) < 0)
		printf("# %s\n", error.text);
	items_free(&observed);
	plan_free(&plan);
}

static inline int apply_tests(const char *name, const struct unit_test *tests, size_t count)
{
	struct error error;
	int status;

	if (geteuid() != 0) {
		printf("SKIP %s: needs root, to make namespaces and a bpffs\n", name);
		return 0;
	}
	if (!enter_machine()) {
		printf("FAIL %s: making a machine: %s\n", name, strerror(errno));
		return 1;
	}
	fill_model();
	if (apply_open(PINS, WORK, &apply, &error) < 0) {
		printf("FAIL %s: %s\n", name, error.text);
		return 1;
	}
	before = picture();
	status = unit_run(name, tests, count);
	stop_whatever_is_there();
	apply_close(apply);
	free(before);
	return status;
}

#define APPLY_TESTS(name, ...)                                         \
	int main(void)                                                 \
	{                                                              \
		static const struct unit_test tests[] = {__VA_ARGS__}; \
		return apply_tests(name, tests, ARRAY_SIZE(tests));    \
	}

#endif
