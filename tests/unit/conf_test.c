// SPDX-License-Identifier: Apache-2.0
/*
 * What golden files cannot show: values in the model, sizes, files with modes, broken bytes, and the table's own
 * soundness.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "conf/conf.h"
#include "conf/nearest.h"
#include "conf/types.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const char good[] =
	"gateway: b\n"
	"array:\n"
	"  mtu: 1400\n"
	"  gateways:\n"
	"    - {name: b, number: 9, address: 10.0.0.12}\n"
	"    - {name: a, number: 2, address: \"2001:db8:9::11\"}\n"
	"  relay: {authenticate: no}\n"
	"loopbacks: [{name: control, addresses: [192.0.2.1, \"2001:db8::1\"]}]\n"
	"uplinks: [eth0]\n"
	"providers:\n"
	"  - {name: zenith, prefixes: [203.0.113.0/24, 198.51.100.0/24]}\n"
	"  - {name: acme, prefixes: [\"2001:db8:100::/40\", 100.64.0.0/10]}\n"
	"tunnels:\n"
	"  - name: second\n"
	"    number: 7\n"
	"    provider: zenith\n"
	"    wireguard: {private_key_file: %s, listen_port: 2, peer: {public_key: " KEY "}}\n"
	"    addresses: [169.254.1.1/30]\n"
	"  - name: first\n"
	"    number: 3\n"
	"    provider: acme\n"
	"    wireguard:\n"
	"      private_key_file: %s\n"
	"      listen_port: 1\n"
	"      peer: {public_key: " KEY ", endpoint: \"[2001:db8::5]:9\", keepalive: 25s}\n"
	"    addresses: [169.254.1.5/30, \"fd00::1/126\"]\n"
	"    bgp: {local_as: 1, peer_as: 4294967294, neighbor: \"fd00::2\", password_file: %s}\n";

struct parsed {
	struct model *model;
	struct conf_problems problems;
	int result;
};

static struct parsed parse(const char *text)
{
	struct parsed parsed;

	parsed.result = conf_parse(text, strlen(text), "test", &parsed.model, &parsed.problems);
	return parsed;
}

static void release(struct parsed *parsed)
{
	conf_problems_free(&parsed->problems);
	model_free(parsed->model);
}

static struct parsed parse_good(const char *first_key, const char *second_key, const char *password)
{
	_cleanup_free_ char *text = NULL;
	struct parsed parsed = {0};

	if (asprintf(&text, good, second_key, first_key, password) >= 0)
		parsed = parse(text);
	CU_ASSERT_EQUAL_FATAL(parsed.result, 0);
	CU_ASSERT_EQUAL(parsed.problems.count, 0);
	return parsed;
}

static void model_is_in_its_own_order(void)
{
	_cleanup_(release) struct parsed parsed = parse_good("/k1", "/k2", "/p");
	const struct model *model = parsed.model;

	CU_ASSERT_EQUAL(model->number, 9);
	CU_ASSERT_EQUAL(model->array.members[0].number, 2);
	CU_ASSERT_EQUAL(model->array.members[1].number, 9);
	CU_ASSERT_STRING_EQUAL(model->providers[0].name, "acme");
	CU_ASSERT_EQUAL(model->providers[0].number, 1);
	CU_ASSERT_EQUAL(model->providers[1].number, 2);
	CU_ASSERT(address_is_v4(&model->providers[0].prefixes[0].address));
	CU_ASSERT_EQUAL(prefix_shown_length(&model->providers[0].prefixes[1]), 40);
	CU_ASSERT_STRING_EQUAL(model->tunnels[0].name, "first");
	CU_ASSERT_PTR_EQUAL(model->tunnels[0].provider, &model->providers[0]);
	CU_ASSERT_PTR_EQUAL(model->tunnels[1].provider, &model->providers[1]);
}

/* Sorting the tunnels moves what probes point at. */
static void probes_point_at_what_they_decide_about(void)
{
	static const char probes[] =
		"probes:\n"
		"  - {name: z, tunnel: second, icmp: {to: 169.254.1.2}}\n"
		"  - {name: m, loopback: control, http: {url: \"https://[2001:db8::1]:8443/a\", status: "
		"[204]}}\n"
		"  - {name: a, tunnel: first, icmp: {to: \"fd00::2\"}, interval: 2s, rise: 7}\n";
	_cleanup_free_ char *text = NULL;
	_cleanup_(release) struct parsed parsed = {0};
	const struct probe *probe;

	CU_ASSERT_FATAL(asprintf(&text, good, "/k2", "/k1", "/p") >= 0);
	text = realloc(text, strlen(text) + sizeof(probes));
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	strcat(text, probes);
	parsed = parse(text);
	CU_ASSERT_EQUAL_FATAL(parsed.result, 0);
	CU_ASSERT_EQUAL_FATAL(parsed.model->probe_count, 3);
	probe = parsed.model->probes;
	CU_ASSERT_STRING_EQUAL(probe[0].name, "a");
	CU_ASSERT_PTR_EQUAL(probe[0].tunnel, model_tunnel_by_name(parsed.model, "first"));
	CU_ASSERT(probe[0].icmp.enabled && !probe[0].tcp.enabled && !probe[0].http.enabled);
	CU_ASSERT(probe[0].interval_ms == 2000 && probe[0].timeout_ms == 500);
	CU_ASSERT(probe[0].rise == 7 && probe[0].fall == 3);
	CU_ASSERT_PTR_EQUAL(probe[1].loopback, &parsed.model->loopbacks[0]);
	CU_ASSERT(probe[1].http.tls && probe[1].http.verify && probe[1].http.port == 8443);
	CU_ASSERT(probe[1].http.status_count == 1 && probe[1].http.status[0] == 204);
	CU_ASSERT(address_equal(model_probe_target(&probe[1]), &probe[1].loopback->addresses[1]));
	CU_ASSERT_PTR_EQUAL(probe[2].tunnel, model_tunnel_by_name(parsed.model, "second"));
	CU_ASSERT_PTR_EQUAL(model_probe_by_name(parsed.model, "z"), &probe[2]);
}

static void values_and_defaults_arrive(void)
{
	_cleanup_(release) struct parsed parsed = parse_good("/k1", "/k2", "/p");
	const struct model *model = parsed.model;
	const struct tunnel *first = &model->tunnels[0], *second = &model->tunnels[1];
	uint16_t ports[2];

	CU_ASSERT_EQUAL(model->array.mtu, 1400);
	CU_ASSERT_EQUAL(model->array.replication, REPLICATION_NONE);
	CU_ASSERT_FALSE(model->array.relay_authenticate);
	CU_ASSERT_EQUAL(model->array.ports_slice, 1024);
	CU_ASSERT_PTR_NULL(model->array.underlay);
	model_ports(model, 2, &ports[0], &ports[1]);
	CU_ASSERT_EQUAL(ports[0], 32768 + 1024);
	CU_ASSERT_EQUAL(ports[1], 32768 + 2047);
	CU_ASSERT(first->wireguard.has_endpoint && !second->wireguard.has_endpoint);
	CU_ASSERT_EQUAL(first->wireguard.endpoint_port, 9);
	CU_ASSERT_EQUAL(first->wireguard.keepalive_ms, 25000);
	CU_ASSERT_STRING_EQUAL(first->wireguard.private_key_file, "/k1");
	CU_ASSERT(first->bgp.enabled && !second->bgp.enabled && !first->bgp.bfd.enabled);
	CU_ASSERT_EQUAL(first->bgp.peer_as, 4294967294u);
	CU_ASSERT_EQUAL(first->bgp.import_count, 0);
	CU_ASSERT(model->mss_clamp && model->counters);
	CU_ASSERT_EQUAL(model->attach, ATTACH_AUTO);
	CU_ASSERT_EQUAL(model->log, LOG_LEVEL_INFO);
	CU_ASSERT_EQUAL(model->tables.flows, 262144);
	CU_ASSERT_EQUAL(model->tables.timeouts.established_ms, 124 * 60 * 1000);
	CU_ASSERT_EQUAL(model->tables.timeouts.device_ms, 24 * 3600 * 1000);
	CU_ASSERT_PTR_NULL(model->control_group);
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------- */

static void too_large_is_refused(void)
{
	_cleanup_free_ char *text = malloc(CONF_SIZE_MAX + 2);
	struct parsed parsed;

	memset(text, '#', CONF_SIZE_MAX + 1);
	text[CONF_SIZE_MAX + 1] = '\0';
	parsed = parse(text);
	CU_ASSERT_EQUAL(parsed.result, -EINVAL);
	CU_ASSERT_EQUAL_FATAL(parsed.problems.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(parsed.problems.items[0].text, "1048576 bytes"));
	release(&parsed);
}

/* A file of which the end is missing, or a byte is wrong, is valid or has problems: never both, never neither. */
static void check_one_or_other(const char *bytes, size_t size)
{
	struct parsed parsed;

	parsed.result = conf_parse(bytes, size, "test", &parsed.model, &parsed.problems);
	CU_ASSERT_EQUAL(parsed.result == 0, parsed.model != NULL);
	CU_ASSERT_EQUAL(parsed.result == 0, parsed.problems.count == 0);
	for (size_t i = 1; i < parsed.problems.count; i++)
		CU_ASSERT(parsed.problems.items[i - 1].line <= parsed.problems.items[i].line);
	release(&parsed);
}

static char *good_text(void)
{
	char *text = NULL;

	CU_ASSERT_FATAL(asprintf(&text, good, "/k2", "/k1", "/p") > 0);
	return text;
}

static void every_beginning_is_judged(void)
{
	_cleanup_free_ char *text = good_text();

	check_one_or_other(NULL, 0);
	for (size_t size = 0; size <= strlen(text); size++)
		check_one_or_other(text, size);
}

static void every_wrong_byte_is_judged(void)
{
	static const char wrong[] = {
		'\0', '\xff', '\n', '"', '[', '{', ':', '&', '*', '!', '-', '%', '9', ' ', ','};
	_cleanup_free_ char *text = good_text(), *broken = good_text();
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		for (size_t j = 0; j < sizeof(wrong); j++) {
			broken[i] = wrong[j];
			check_one_or_other(broken, length);
			broken[i] = text[i];
		}
}

static void canonical_form_is_a_fixed_point(void)
{
	_cleanup_(release) struct parsed once = parse_good("/k1", "/k2", "/p"), again;
	_cleanup_free_ char *first = NULL, *second = NULL;
	size_t size;
	FILE *stream = open_memstream(&first, &size);

	CU_ASSERT_EQUAL(conf_print(once.model, stream), 0);
	fclose(stream);
	again = parse(first);
	CU_ASSERT_EQUAL_FATAL(again.result, 0);
	stream = open_memstream(&second, &size);
	CU_ASSERT_EQUAL(conf_print(again.model, stream), 0);
	fclose(stream);
	CU_ASSERT_STRING_EQUAL(first, second);
}

static void full_disk_is_told(void)
{
	_cleanup_(release) struct parsed parsed = parse_good("/k1", "/k2", "/p");
	_cleanup_fclose_ FILE *full = fopen("/dev/full", "w");

	CU_ASSERT_EQUAL(conf_print(parsed.model, full), -EIO);
}

static void unreadable_file_is_one_problem(void)
{
	static const struct {
		const char *path;
		int result;
	} rows[] = {{"/nonexistent/gateway.yaml", -ENOENT}, {"/", -EISDIR}};
	struct parsed parsed;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		parsed.result = conf_read(rows[i].path, &parsed.model, &parsed.problems);
		CU_ASSERT_EQUAL(parsed.result, rows[i].result);
		CU_ASSERT_PTR_NULL(parsed.model);
		CU_ASSERT_EQUAL(parsed.problems.count, 1);
		CU_ASSERT_STRING_EQUAL(parsed.problems.file, rows[i].path);
		release(&parsed);
	}
}

/* ---- Files that a model names ------------------------------------------------------------------------------------ */

#define SECRET "kNQ6OKhq0lzHhkRd8hYCf3m0lYyuVqU5TIV3KqEoXlE="

static struct folder {
	char path[64];
	char good[96], other[96];
} folder;

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static void make_folder(void)
{
	snprintf(folder.path, sizeof(folder.path), "/tmp/conf_test.XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder.path));
	snprintf(folder.good, sizeof(folder.good), "%s/good", folder.path);
	snprintf(folder.other, sizeof(folder.other), "%s/other", folder.path);
	write_file(folder.good, SECRET "\n", 0600);
}

static void remove_folder(void)
{
	unlink(folder.good);
	unlink(folder.other);
	rmdir(folder.path);
}

/* What is said when the second tunnel's key (or the first's password) is folder.other; "" when all is well. */
static char *judge(bool is_password)
{
	struct parsed parsed = parse_good(folder.good, is_password ? folder.good : folder.other,
		is_password ? folder.other : folder.good);
	struct conf_problems problems;
	char *said = NULL;
	size_t size;
	FILE *stream = open_memstream(&said, &size);
	int r = conf_check_files(parsed.model, "test", &problems);

	CU_ASSERT_EQUAL(r, problems.count ? -EINVAL : 0);
	conf_problems_print(&problems, stream);
	fclose(stream);
	conf_problems_free(&problems);
	release(&parsed);
	return said;
}

static void check_said(bool is_password, const char *wanted)
{
	_cleanup_free_ char *said = judge(is_password);

	CU_ASSERT_PTR_NOT_NULL(strstr(said, *wanted ? wanted : ""));
	CU_ASSERT_EQUAL(*said == '\0', *wanted == '\0');
	CU_ASSERT_PTR_NULL(strstr(said, "kNQ6"));
	CU_ASSERT_PTR_NULL(strstr(said, "swordfish"));
}

static void key_files_are_judged(void)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *said;
	} rows[] = {{SECRET "\n", 0600, ""}, {SECRET, 0400, ""}, {SECRET "\n", 0640, "mode 0640"},
		{SECRET "\n", 0604, "mode 0604"}, {SECRET "\n\n", 0600, "no WireGuard key"},
		{"swordfish\n", 0600, "no WireGuard key"}, {"", 0600, "no WireGuard key"},
		{SECRET SECRET, 0600, "no WireGuard key"}};

	make_folder();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_file(folder.other, rows[i].text, 0600);
		chmod(folder.other, rows[i].mode);
		check_said(false, rows[i].said);
		chmod(folder.other, 0600);
	}
	remove_folder();
}

static void password_files_are_judged(void)
{
	static const struct {
		const char *text, *said;
	} rows[] = {{"swordfish\n", ""}, {"swordfish", ""}, {"", "one line"}, {"\n", "one line"},
		{"swordfish\nfish\n", "one line"}};

	make_folder();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_file(folder.other, rows[i].text, 0600);
		check_said(true, rows[i].said);
	}
	remove_folder();
}

static void array_key_files_are_judged(void)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {{"1 " SECRET "\n", true}, {"# old\n7 " SECRET "\n255 " KEY "\n", true},
		{SECRET "\n", false}, {"256 " SECRET "\n", false}, {"", false}};
	static const char alone[] =
		"gateway: a\narray:\n  mtu: 1400\n  gateways: [{name: a, number: 1, address: 10.0.0.1}]\n"
		"  replication: {mode: broadcast, key_file: %s}\nloopbacks: [{name: l, addresses: "
		"[192.0.2.1]}]\nuplinks: [eth0]\nproviders: []\ntunnels: []\n";

	make_folder();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		struct conf_problems problems;
		struct parsed parsed;

		write_file(folder.other, rows[i].text, 0600);
		CU_ASSERT_FATAL(asprintf(&text, alone, folder.other) > 0);
		parsed = parse(text);
		CU_ASSERT_EQUAL_FATAL(parsed.result, 0);
		CU_ASSERT_EQUAL(
			conf_check_files(parsed.model, "test", &problems), rows[i].good ? 0 : -EINVAL);
		conf_problems_free(&problems);
		release(&parsed);
	}
	remove_folder();
}

/* Others may read a certificate, and there may be several. */
static void certificate_files_are_judged(void)
{
#define PEM "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	static const struct {
		const char *text, *said;
	} rows[] = {{PEM, ""}, {"\x30\x82 DER", ""}, {"", "is empty"}, {PEM PEM PEM PEM PEM PEM PEM PEM, ""},
		{PEM PEM PEM PEM PEM PEM PEM PEM PEM, "more than 8 certificates"},
		{"-----BEGIN X509 CERTIFICATE-----\n-----BEGIN TRUSTED CERTIFICATE-----\n", ""},
		{PEM "-----BEGIN PRIVATE KEY-----\n", "a key perhaps"},
		{"-----BEGIN CERTIFICATE", "a key perhaps"}};
	static const char alone[] =
		"gateway: a\narray:\n  mtu: 1400\n  gateways: [{name: a, number: 1, address: 10.0.0.1}]\n"
		"  replication: {mode: none}\nloopbacks: [{name: l, addresses: [192.0.2.1]}]\n"
		"uplinks: [eth0]\nproviders: [{name: p, prefixes: [100.64.0.0/10]}]\ntunnels:\n"
		"  - {name: t, number: 1, provider: p, addresses: [169.254.1.1/30], ipsec: {remote: "
		"10.0.0.2, "
		"certificate: {cert_file: %s, key_file: %s, ca_file: %s}}}\n";

	make_folder();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		bool is_authority = i >= ARRAY_SIZE(rows);
		const char *said = rows[i % ARRAY_SIZE(rows)].said;
		_cleanup_free_ char *text = NULL;
		struct conf_problems problems;
		struct parsed parsed;

		write_file(folder.other, rows[i % ARRAY_SIZE(rows)].text, 0600);
		chmod(folder.other, 0644);
		CU_ASSERT_FATAL(asprintf(&text, alone, is_authority ? folder.good : folder.other, folder.good,
					is_authority ? folder.other : folder.good) > 0);
		parsed = parse(text);
		CU_ASSERT_EQUAL_FATAL(parsed.result, 0);
		CU_ASSERT_EQUAL(conf_check_files(parsed.model, "test", &problems), *said ? -EINVAL : 0);
		CU_ASSERT_EQUAL_FATAL(problems.count, *said ? 1 : 0);
		if (*said)
			CU_ASSERT_PTR_NOT_NULL(strstr(problems.items[0].text, said));
		conf_problems_free(&problems);
		release(&parsed);
	}
	chmod(folder.other, 0600);
	remove_folder();
}

static void what_is_no_file_is_told(void)
{
	make_folder();
	check_said(false, "tunnels[second].wireguard.private_key_file: ");
	check_said(false, "No such file or directory: make it");
	mkfifo(folder.other, 0600);
	check_said(false, "not a regular file");
	unlink(folder.other);
	mkdir(folder.other, 0700);
	check_said(true, "tunnels[first].bgp.password_file: ");
	check_said(true, "not a regular file");
	rmdir(folder.other);
	remove_folder();
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

static void check_setting(const struct setting *setting)
{
	char field[256] = "";
	struct error error;
	struct scalar scalar = {.setting = setting, .text = setting->fallback, .error = &error};

	CU_ASSERT((setting->type != NULL) != (setting->section != NULL));
	CU_ASSERT_PTR_NOT_NULL(setting->meaning); /* gateway.yaml(5) tells it */
	CU_ASSERT_FALSE(setting->required && setting->fallback);
	CU_ASSERT_EQUAL(setting->type == &type_choice, setting->choices != NULL);
	CU_ASSERT_FALSE(setting->type == &type_name && setting->maximum == 0);
	if (setting->fallback)
		CU_ASSERT_EQUAL(setting->type->read(&scalar, field), 0);
}

static void check_section(const struct section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		check_setting(&section->settings[i]);
		if (section->settings[i].section)
			check_section(section->settings[i].section);
	}
}

static void table_is_sound(void)
{
	check_section(&settings);
}

static void near_keys_are_found(void)
{
	static const struct {
		const char *written, *meant;
	} rows[] = {{"gatway", "gateway"}, {"Gateway", "gateway"}, {"TUNNEL", "tunnels"},
		{"mss-clamp", "mss_clamp"}, {"lgo", NULL}, {"gard", "guard"}, {"", NULL}, {"ipsec", NULL},
		{"a_key_that_is_longer_than_any_that_there_is", NULL}};
	const struct setting *near;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		near = nearest_setting(&settings, rows[i].written);
		CU_ASSERT_EQUAL(near == NULL, rows[i].meant == NULL);
		if (near && rows[i].meant)
			CU_ASSERT_STRING_EQUAL(near->key, rows[i].meant);
	}
}

UNIT_TESTS("conf", {"the model is in its own order", model_is_in_its_own_order},
	{"probes point at what they decide about", probes_point_at_what_they_decide_about},
	{"values and defaults arrive", values_and_defaults_arrive},
	{"too large is refused", too_large_is_refused},
	{"every beginning of a file is judged", every_beginning_is_judged},
	{"every wrong byte is judged", every_wrong_byte_is_judged},
	{"the canonical form is a fixed point", canonical_form_is_a_fixed_point},
	{"a full disk is told", full_disk_is_told},
	{"an unreadable file is one problem", unreadable_file_is_one_problem},
	{"key files are judged, and not shown", key_files_are_judged},
	{"array key files are judged", array_key_files_are_judged},
	{"certificate files are judged", certificate_files_are_judged},
	{"password files are judged, and not shown", password_files_are_judged},
	{"what is no file is told", what_is_no_file_is_told},
	{"the table of settings is sound", table_is_sound}, {"near keys are found", near_keys_are_found})
