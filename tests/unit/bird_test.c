// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/marker.h"
#include "bird/daemon.h"
#include "bird/render.h"
#include "bird/reply.h"
#include "bird_model.h"

/* ---- Text -------------------------------------------------------------------------------------------------------- */

#define HEAD "# Written by gwd: changes are lost.\n\n"

static void the_node_is_rendered(void)
{
	_cleanup_free_ char *text = NULL;
	struct bird_model m;
	struct egress_group group = {.name = "platform", .destinations = m.import, .destination_count = 2};

	bird_model_make(&m);
	m.model.egress = &group;
	m.model.egress_count = 1;
	CU_ASSERT_EQUAL_FATAL(bird_render_node(&m.model, "/run/x/bird.log", &text, NULL), 0);
	CU_ASSERT_STRING_EQUAL(text, HEAD "router id 10.0.0.11;\n"
					  "log \"/run/x/bird.log\" 1048576 \"/run/x/bird.log.1\" all;\n"
					  "define hw_marker_table = 7777;\n"
					  "define hw_guard = \"hwguard0\";\n"
					  "define hw_loopbacks4 = [ 192.0.2.1/32, 192.0.2.2/32 ];\n"
					  "define hw_loopbacks6 = [ 2001:db8::1/128 ];\n"
					  "define hw_destinations4 = [ 100.64.0.0/10{0,32} ];\n"
					  "define hw_destinations6 = [ 2001:db8:100::/40{0,128} ];\n");
}

static void the_log_has_a_plain_path(void)
{
	static const char *const refused[] = {"bird.log", "/run/\"/bird.log", "/run/a\nb", ""};
	char *text = NULL;
	struct bird_model m;

	bird_model_make(&m);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CU_ASSERT_EQUAL(bird_render_node(&m.model, refused[i], &text, NULL), -EINVAL);
}

static void router_ids_differ_without_v4(void)
{
	struct bird_model m;
	struct address id, other;

	bird_model_make(&m);
	m.model.number = 2;
	id = bird_router_id(&m.model);
	CU_ASSERT(address_is_v4(&id));
	CU_ASSERT_EQUAL(id.bytes[12] & 0xf0, 0xf0);
	m.members[1].address = address_of("2001:db8:0:1::13");
	other = bird_router_id(&m.model);
	CU_ASSERT_FALSE(address_equal(&id, &other));
}

static void tunnels_are_rendered(void)
{
	static const char *const wanted = HEAD
		"protocol bfd hw_bfd {\n"
		"\tstrict bind yes;\n"
		"\tinterface \"acme-lgw.01\" { interval 50 ms; multiplier 3; idle tx interval 300 ms; };\n"
		"\tinterface \"acme-lgw-02\" { interval 50 ms; multiplier 3; idle tx interval 300 ms; };\n"
		"}\n"
		"\nprotocol static hw_static_markers4 {\n"
		"\tipv4 { table hw_markers4; };\n"
		"\troute 198.18.0.101/32 via 169.254.1.2%'acme-lgw.01' bfd;\n"
		"}\n"
		"\nprotocol static hw_static_markers6 {\n"
		"\tipv6 { table hw_markers6; };\n"
		"\troute 100::66/128 via fd00:2::2%'acme-lgw-02' bfd;\n"
		"}\n"
		"\nprotocol static hw_static_guard4 {\n"
		"\tipv4 { table hw_guard4; };\n"
		"\troute 0.0.0.0/0 via \"hwguard0\";\n"
		"}\n"
		"\nprotocol static hw_static_guard6 {\n"
		"\tipv6 { table hw_guard6; };\n"
		"\troute ::/0 via \"hwguard0\";\n"
		"}\n"
		"\nprotocol bgp hw_bgp_101 from hw_neighbor {\n"
		"\tdescription \"acme-lgw.01\";\n"
		"\tinterface \"acme-lgw.01\";\n"
		"\tlocal 169.254.1.1 as 64500;\n"
		"\tneighbor 169.254.1.2 as 64501;\n"
		"\tbfd on;\n"
		"\tipv4 {\n"
		"\t\timport filter { if net ~ [ 100.64.0.0/10+ ] then { if hw_import(101) then accept; } "
		"reject; };\n"
		"\t\timport limit 10 action block;\n"
		"\t\texport filter { if hw_export(101) then { accept; } reject; };\n"
		"\t\tnext hop address 169.254.1.1;\n"
		"\t};\n"
		"\tipv6 {\n"
		"\t\timport filter { if net ~ [ 2001:db8:100::/40+ ] then { if hw_import(101) then accept; } "
		"reject; };\n"
		"\t\timport limit 10 action block;\n"
		"\t\texport filter { if hw_export(101) then { accept; } reject; };\n"
		"\t\tnext hop address fd00:1::1;\n"
		"\t};\n"
		"}\n";
	_cleanup_free_ char *text = NULL;
	struct bird_model m;

	bird_model_make(&m);
	CU_ASSERT_EQUAL_FATAL(bird_render_tunnels(&m.model, &text, NULL), 0);
	CU_ASSERT_EQUAL(strncmp(text, wanted, strlen(wanted)), 0);
}

static void sessions_carry_what_the_tunnel_has(void)
{
	_cleanup_free_ char *text = NULL;
	const char *v4_only, *v6_only;
	struct bird_model m;

	bird_model_make(&m);
	CU_ASSERT_EQUAL_FATAL(bird_render_tunnels(&m.model, &text, NULL), 0);
	v4_only = strstr(text, "protocol bgp hw_bgp_103 ");
	v6_only = strstr(text, "protocol bgp hw_bgp_104 ");
	CU_ASSERT_PTR_NOT_NULL_FATAL(v4_only);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v6_only);
	CU_ASSERT_PTR_NOT_NULL(strstr(v6_only, "local fd00:4::1 as 64500"));
	CU_ASSERT_PTR_NOT_NULL(strstr(v6_only, "import none"));
	CU_ASSERT_PTR_NULL(strstr(v6_only, "ipv4"));
	CU_ASSERT_PTR_NULL(strstr(v6_only, "bfd on"));
	CU_ASSERT_PTR_NULL(strstr(text, "silent"));
	text[v6_only - text] = '\0';
	CU_ASSERT_PTR_NOT_NULL(strstr(v4_only, "ipv4"));
	CU_ASSERT_PTR_NULL(strstr(v4_only, "ipv6"));
}

static void announcements_are_rendered(void)
{
	static const bool first[] = {true, false}, none[] = {false, false};
	static const bool unproven[5] = {false, true, true};
	static const enum voice voices[5] = {VOICE_SILENT, VOICE_LEAVES, VOICE_SPEAKS, VOICE_SILENT};
	const struct announcement first_here = announcing(first, voices, false),
				  first_leaving = announcing(first, NULL, true),
				  out = {none, voices, true, true, unproven};
	_cleanup_free_ char *one = NULL, *nothing = NULL, *leaving = NULL;
	struct bird_model m;

	bird_model_make(&m);
	CU_ASSERT_EQUAL_FATAL(bird_render_announce(&m.model, &first_here, &one, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(bird_render_announce(&m.model, &out, &nothing, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(bird_render_announce(&m.model, &first_leaving, &leaving, NULL), 0);
	CU_ASSERT_STRING_EQUAL(one, HEAD
		"define hw_leaving = [ 102 ];\ndefine hw_disabled = [ 101, 104 ];\ndefine hw_unproven = [ "
		"];\n"
		"define hw_gateway_leaves = false;\ndefine hw_gateway_is_out = false;\n"
		"protocol static hw_announce4 {\n\tipv4;\n\troute 192.0.2.1/32 via \"hwguard0\";\n}\n"
		"protocol static hw_announce6 {\n\tipv6;\n\troute 2001:db8::1/128 via \"hwguard0\";\n}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(leaving,
		"route 192.0.2.1/32 via \"hwguard0\" { bgp_community.add(hw_graceful_shutdown); };\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(leaving, "route 2001:db8::1/128 via \"hwguard0\" { bgp_comm"));
	CU_ASSERT_PTR_NOT_NULL(strstr(leaving,
		"define hw_leaving = [ ];\ndefine hw_disabled = [ ];\ndefine hw_unproven = [ ];\n"
		"define hw_gateway_leaves = true;\n"));
	CU_ASSERT_STRING_EQUAL(nothing,
		HEAD "define hw_leaving = [ 102 ];\ndefine hw_disabled = [ 101, 104 ];\n"
		     "define hw_unproven = [ 102, 103 ];\n"
		     "define hw_gateway_leaves = true;\n"
		     "define hw_gateway_is_out = true;\n"
		     "protocol static hw_announce4 {\n\tipv4;\n}\n"
		     "protocol static hw_announce6 {\n\tipv6;\n}\n");
}

static void preferences_are_rendered(void)
{
	_cleanup_free_ char *text = NULL;
	struct bird_model m;

	bird_model_make(&m);
	m.tunnels[0].bgp.med = 20;
	m.tunnels[0].bgp.prepend = 2;
	m.tunnels[0].bgp.local_pref = 90;
	CU_ASSERT_EQUAL_FATAL(bird_render_tunnels(&m.model, &text, NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "export filter { if hw_export(101) then { bgp_med = 20; "
			     "bgp_path.prepend(64500); bgp_path.prepend(64500); accept; } reject; };\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "then { bgp_local_pref = 90; if hw_import(101) then accept; } reject; };\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "export filter { if hw_export(102) then { accept; } reject; };\n"));
}

static void routers_are_rendered(void)
{
	static const char *const wanted =
		"\nprotocol bgp 'hw_router_ixp-1.lab' from hw_neighbor {\n"
		"\tdescription \"ixp-1.lab\";\n"
		"\tinterface \"eth1\";\n"
		"\tlocal 172.31.1.1 as 64500;\n"
		"\tneighbor 172.31.1.254 as 64502;\n"
		"\tinclude \"password-router-ixp-1.lab.conf\";\n"
		"\tbfd on;\n"
		"\tipv4 {\n"
		"\t\timport filter { if net ~ [ 100.64.0.0/10+ ] then { if hw_import(0) then accept; } "
		"reject; };\n"
		"\t\timport limit 5 action block;\n"
		"\t\texport filter { if hw_export_to_routers() then { bgp_med = 7; accept; } reject; };\n"
		"\t\tnext hop address 172.31.1.1;\n"
		"\t\tnext hop self;\n"
		"\t};\n";
	_cleanup_free_ char *none = NULL, *text = NULL, *tunnels = NULL;
	struct bird_model m;

	bird_model_make(&m);
	CU_ASSERT_EQUAL_FATAL(bird_render_routers(&m.model, &none, NULL), 0);
	CU_ASSERT_STRING_EQUAL(none, HEAD);
	m.model.router_count = 1;
	m.routers[0].bgp.password_file = "/etc/homeward/bgp.password";
	CU_ASSERT_EQUAL_FATAL(bird_render_routers(&m.model, &text, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(bird_render_tunnels(&m.model, &tunnels, NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "protocol kernel hw_kernel4 {"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, wanted));
	CU_ASSERT_PTR_NOT_NULL(strstr(tunnels, "\tinterface \"eth1\" { interval 50 ms;"));
	CU_ASSERT_PTR_NULL(strstr(tunnels, "172.31.1.254"));
}

/* What a provider's tunnel tells is for nobody: it does not hang on the guard, and so is not told on. */
static void only_tunnels_without_a_provider_are_told_on(void)
{
	static const char *const wanted = "\t\tgateway recursive;\n\t\tigp table hw_guard6;\n";
	_cleanup_free_ char *with = NULL, *without = NULL;
	struct bird_model m;

	bird_model_make(&m);
	CU_ASSERT_EQUAL_FATAL(bird_render_tunnels(&m.model, &with, NULL), 0);
	m.tunnels[3].provider = NULL;
	CU_ASSERT_EQUAL_FATAL(bird_render_tunnels(&m.model, &without, NULL), 0);
	CU_ASSERT_PTR_NULL(strstr(with, "gateway recursive"));
	CU_ASSERT_PTR_NOT_NULL(strstr(strstr(without, "hw_bgp_104"), wanted));
}

static void passwords_are_told_as_they_are_or_not_at_all(void)
{
	static const char *const refused[] = {"", "a\"b", "a\nb", "tab\there", "\x7f"};
	char long_one[BIRD_PASSWORD_MAX + 2], *text = NULL;
	struct error error;

	CU_ASSERT_EQUAL_FATAL(bird_render_password("pa ss\\wörd#;", &text, NULL), 0);
	CU_ASSERT_STRING_EQUAL(text, "password \"pa ss\\wörd#;\";\n");
	free(text);
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	CU_ASSERT_EQUAL(bird_render_password(long_one, &text, &error), -EINVAL);
	CU_ASSERT_PTR_NULL(strstr(error.text, "xxx"));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CU_ASSERT_EQUAL(bird_render_password(refused[i], &text, NULL), -EINVAL);
}

static void markers_go_there_and_back(void)
{
	static const uint16_t numbers[] = {1, 101, 255, 256, 65535};
	static const char *const others[] = {
		"198.18.0.0", "198.19.0.1", "100::", "100::1:0:1", "101::1", "10.0.0.1", "::1"};
	struct address address;
	uint16_t tunnel;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		address = marker_address(AF_INET, numbers[i]);
		CU_ASSERT(
			address_is_v4(&address) && marker_tunnel(&address, &tunnel) && tunnel == numbers[i]);
		address = marker_address(AF_INET6, numbers[i]);
		CU_ASSERT(
			!address_is_v4(&address) && marker_tunnel(&address, &tunnel) && tunnel == numbers[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		address = address_of(others[i]);
		CU_ASSERT_FALSE(marker_tunnel(&address, &tunnel));
	}
}

/* ---- Files, read by the real BIRD -------------------------------------------------------------------------------- */

struct place {
	char run_dir[64];
	struct bird_daemon daemon;
};

static void place_make(struct place *place)
{
	struct error error;

	strcpy(place->run_dir, "/tmp/bird-test-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(place->run_dir));
	if (bird_daemon_init(&place->daemon, place->run_dir, &error) < 0)
		CU_FAIL_FATAL(error.text);
}

static void place_remove(struct place *place)
{
	bird_daemon_remove(&place->daemon);
	CU_ASSERT_EQUAL(rmdir(place->run_dir), 0);
}

static unsigned mode_of(const struct place *place, const char *name)
{
	struct stat status;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", place->daemon.directory, name);
	return stat(path, &status) < 0 ? 0 : status.st_mode & 07777;
}

static void write_secret(
	const struct place *place, const char *name, const char *secret, mode_t mode, char *path)
{
	int file;

	sprintf(path, "%s/%s", place->run_dir, name);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CU_ASSERT_EQUAL(write(file, secret, strlen(secret)), (ssize_t)strlen(secret));
	CU_ASSERT_EQUAL(fchmod(file, mode), 0);
	close(file);
}

static void install_is_accepted(const struct place *place, const struct bird_model *m, const bool *announced)
{
	const struct announcement announcement = announcing(announced, NULL, false);
	struct error error = {0};

	if (bird_daemon_install(&place->daemon, &m->model, &announcement, &error) < 0)
		CU_FAIL(error.text);
	if (error.text[0])
		printf("%s\n", error.text);
}

static void bird_accepts_what_is_rendered(void)
{
	static const bool all[] = {true, true}, none[] = {false, false};
	struct bird_model m;
	struct place place;

	bird_model_make(&m);
	place_make(&place);
	install_is_accepted(&place, &m, all);
	install_is_accepted(&place, &m, none);
	CU_ASSERT_EQUAL(mode_of(&place, "bird.conf"), 0640);
	CU_ASSERT_EQUAL(mode_of(&place, "announce.conf"), 0640);
	CU_ASSERT_EQUAL(mode_of(&place, "new"), 0);
	CU_ASSERT_EQUAL(mode_of(&place, "bird.log"), 0);
	/* A gateway with a v6 address, without a loopback of one family, without tunnels with BFD, without tunnels. */
	m.model.number = 2;
	m.loopbacks[0].address_count = 1;
	install_is_accepted(&place, &m, all);
	m.model.loopback_count = 0;
	install_is_accepted(&place, &m, all);
	m.tunnels[0].bgp.bfd.enabled = m.tunnels[1].bgp.bfd.enabled = false;
	install_is_accepted(&place, &m, all);
	CU_ASSERT(bird_is_wanted(&m.model));
	/* With preferences and a router, with a router alone, with nothing. */
	m.model.router_count = 1;
	m.tunnels[0].bgp.med = UINT32_MAX;
	m.tunnels[0].bgp.prepend = 16;
	m.tunnels[0].bgp.local_pref = 0;
	install_is_accepted(&place, &m, all);
	CU_ASSERT_EQUAL(mode_of(&place, "routers.conf"), 0640);
	m.model.tunnel_count = 0;
	install_is_accepted(&place, &m, all);
	CU_ASSERT(bird_is_wanted(&m.model));
	m.model.router_count = 0;
	install_is_accepted(&place, &m, all);
	CU_ASSERT_FALSE(bird_is_wanted(&m.model));
	place_remove(&place);
}

static void bird_refuses_and_nothing_changes(void)
{
	static const bool both[] = {true, true};
	const struct announcement all = announcing(both, NULL, false);
	struct error error = {0};
	struct bird_model m;
	struct place place;

	bird_model_make(&m);
	place_make(&place);
	install_is_accepted(&place, &m, both);
	CU_ASSERT_EQUAL(chmod(place.daemon.config, 0600), 0);
	m.tunnels[0].name = "no\"interface";
	CU_ASSERT_EQUAL(bird_daemon_install(&place.daemon, &m.model, &all, &error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "tunnels.conf:5:"));
	CU_ASSERT_EQUAL(mode_of(&place, "bird.conf"), 0600);
	CU_ASSERT_EQUAL(mode_of(&place, "new/tunnels.conf"), 0640);
	m.tunnels[0].name = "acme-lgw.01";
	install_is_accepted(&place, &m, both);
	CU_ASSERT_EQUAL(mode_of(&place, "bird.conf"), 0640);
	place_remove(&place);
}

static void secrets_stay_secret(void)
{
	static const bool both[] = {true, true};
	const struct announcement all = announcing(both, NULL, false);
	struct error error = {0};
	struct bird_model m;
	struct place place;
	char path[128];

	bird_model_make(&m);
	place_make(&place);
	write_secret(&place, "secret", "open sesame\n", 0600, path);
	m.tunnels[0].bgp.password_file = path;
	install_is_accepted(&place, &m, both);
	CU_ASSERT_EQUAL(mode_of(&place, "password-101.conf"), 0600);
	/* Others may read it: refused, and the installed one stays. */
	write_secret(&place, "secret", "open sesame\n", 0640, path);
	CU_ASSERT_EQUAL(bird_daemon_install(&place.daemon, &m.model, &all, &error), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, path));
	write_secret(&place, "secret", "open \"sesame\n", 0600, path);
	CU_ASSERT_EQUAL(bird_daemon_install(&place.daemon, &m.model, &all, &error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, path));
	CU_ASSERT_PTR_NULL(strstr(error.text, "sesame"));
	CU_ASSERT_EQUAL(mode_of(&place, "password-101.conf"), 0600);
	CU_ASSERT_EQUAL(mode_of(&place, "new/password-101.conf"), 0);
	/* No longer wanted: gone. */
	m.tunnels[0].bgp.password_file = NULL;
	install_is_accepted(&place, &m, both);
	CU_ASSERT_EQUAL(mode_of(&place, "password-101.conf"), 0);
	unlink(path);
	m.tunnels[0].bgp.password_file = path;
	CU_ASSERT_EQUAL(bird_daemon_install(&place.daemon, &m.model, &all, &error), -ENOENT);
	place_remove(&place);
}

static void long_run_dirs_are_refused(void)
{
	struct bird_daemon daemon;
	char run_dir[128];
	struct error error;

	memset(run_dir, 'x', sizeof(run_dir) - 1);
	run_dir[0] = '/';
	run_dir[100] = '\0';
	CU_ASSERT_EQUAL(bird_daemon_init(&daemon, run_dir, &error), -ENAMETOOLONG);
}

UNIT_TESTS("bird", {"the node is rendered", the_node_is_rendered},
	{"the log has a plain path", the_log_has_a_plain_path},
	{"router ids differ without v4", router_ids_differ_without_v4},
	{"tunnels are rendered", tunnels_are_rendered},
	{"sessions carry what the tunnel has", sessions_carry_what_the_tunnel_has},
	{"announcements are rendered", announcements_are_rendered},
	{"preferences are rendered", preferences_are_rendered},
	{"routers are rendered", routers_are_rendered},
	{"only tunnels without a provider are told on", only_tunnels_without_a_provider_are_told_on},
	{"passwords are told as they are or not at all", passwords_are_told_as_they_are_or_not_at_all},
	{"markers go there and back", markers_go_there_and_back},
	{"BIRD accepts what is rendered", bird_accepts_what_is_rendered},
	{"BIRD refuses and nothing changes", bird_refuses_and_nothing_changes},
	{"secrets stay secret", secrets_stay_secret},
	{"long run dirs are refused", long_run_dirs_are_refused})
