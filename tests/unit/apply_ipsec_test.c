// SPDX-License-Identifier: Apache-2.0
/* An IPsec tunnel against a charon of strongSwan's: a change that it refuses, one that hangs, one that dies. */
#include "apply_machine.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

#include "apply/ipsec.h"
#include "apply/tunnel.h"

#define PSK_FILE WORK "/acme.psk"
/* One key in two forms, and a certificate that vouches for itself. */
#define MAKE_KEY                                                                        \
	"cd " WORK " && umask 077 && openssl genrsa -traditional -out one.key 2048 && " \
	"openssl pkcs8 -topk8 -nocrypt -in one.key -out other.key && "                  \
	"openssl req -x509 -new -key one.key -subj /CN=one -out one.pem"

/* Where the kernel has ESP: so the tunnel's is not the lowest that is free, once this is gone. */
#define TAKE_FIRST_NUMBER "ip link add hwt-first type xfrm dev lo if_id 0x68770001 2>/dev/null"

static char *proposals[] = {"aes256gcm16-ecp384"};
static pid_t charon;

/* Where the kernel has ESP it serves all tunnels; else it goes with its interface. */
static const char *child_name(void)
{
	return ipsec_kernel.check(apply, NULL) == 0 ? IPSEC_CHILD : "hwt-one";
}

static void a_tunnel_stands(void)
{
	struct error error = {0};

	write_file(PSK_FILE, "the secret of acme\n");
	model.tunnel_count = 1;
	tunnels[0].wireguard.enabled = false;
	tunnels[0].ipsec = (struct ipsec){.enabled = true,
		.psk_file = PSK_FILE,
		.rekey_ike_ms = 14400000,
		.rekey_esp_ms = 3600000,
		.dpd_ms = 10000,
		.esp_proposals = proposals,
		.esp_proposal_count = 1};
	address_parse("10.0.0.99", &tunnels[0].ipsec.remote);
	CU_ASSERT_EQUAL_FATAL(apply_preflight(apply, &model, NULL, &error), 0);
	system(TAKE_FIRST_NUMBER);
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	system("ip link del hwt-first 2>/dev/null");
	CU_ASSERT(nothing_to_do());
	charon = ipsec_charon_pid(apply);
	CU_ASSERT(charon > 0);
}

/* What a configuration cannot know: strongSwan in user space bears one tunnel, and packets of 1400 bytes. */
static void a_driver_has_its_limits(void)
{
	bool in_kernel = ipsec_kernel.check(apply, NULL) == 0;
	struct tunnel two[2] = {tunnels[0], tunnels[0]};
	struct model changed = model;
	struct error error = {0};

	changed.array.mtu = 1401;
	CU_ASSERT_EQUAL(apply_preflight(apply, &changed, &model, &error), in_kernel ? 0 : -EMSGSIZE);
	CU_ASSERT(in_kernel || strstr(error.text, "try: array.mtu: 1400"));
	changed = model;
	two[1].name = "hwt-two";
	changed.tunnels = two;
	changed.tunnel_count = 2;
	CU_ASSERT_EQUAL(apply_preflight(apply, &changed, &model, &error), in_kernel ? 0 : -EOPNOTSUPP);
	CU_ASSERT(in_kernel || strstr(error.text, "one such tunnel is possible"));
}

static void count_key(void *context, const char *path, const char *value)
{
	(void)value;
	*(size_t *)context += strcmp(path, "keys") == 0;
}

static const struct timespec a_moment = {.tv_nsec = 100000000};

/* Beside others that compute, charon may be late with its answer: gwd asks again then, and so do we, half a minute in all. */
static bool is_late(int answer)
{
	static unsigned times;

	if (answer != -EAGAIN || ++times > 300)
		return false;
	nanosleep(&a_moment, NULL);
	return true;
}

static size_t keys_loaded(void)
{
	_cleanup_(vici_free) struct vici command = {0};
	size_t count;
	int result;

	vici_command(&command, "get-keys");
	do {
		count = 0;
		result = ipsec_ask(apply, &command, NULL, count_key, &count);
	} while (is_late(result));
	CU_ASSERT_EQUAL(result, 0);
	return count;
}

/* charon keeps one copy of a key, whatever bytes it is told it in: it must not be taken out with the former bytes. */
static void a_key_in_other_bytes_stays(void)
{
	struct tunnel changed_tunnel = tunnels[0];
	struct model changed = model;
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(system("(" MAKE_KEY ") 2>/dev/null"), 0);
	changed.tunnels = &changed_tunnel;
	changed_tunnel.ipsec.psk_file = NULL;
	changed_tunnel.ipsec.cert_file = changed_tunnel.ipsec.ca_file = WORK "/one.pem";
	changed_tunnel.ipsec.key_file = WORK "/one.key";
	CU_ASSERT_EQUAL(reach(&changed, &error), 0);
	CU_ASSERT_EQUAL(keys_loaded(), 1);
	changed_tunnel.ipsec.key_file = WORK "/other.key";
	CU_ASSERT_EQUAL(reach(&changed, &error), 0);
	CU_ASSERT_EQUAL(keys_loaded(), 1);
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT_EQUAL(keys_loaded(), 0);
	CU_ASSERT(nothing_to_do());
}

static int known(const char *name)
{
	int result;

	do
		result = ipsec_knows(apply, name);
	while (is_late(result));
	return result;
}

/* Whatever names charon's files beside them have. */
static void any_name_will_do(void)
{
	static char *const names[] = {"vici", "strongswan.conf"};
	struct tunnel other_tunnel = tunnels[0];
	struct model changed = model;
	struct error error = {0};

	changed.tunnels = &other_tunnel;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		other_tunnel.name = names[i];
		CU_ASSERT_EQUAL(reach(&changed, &error), 0);
		CU_ASSERT_EQUAL(known(names[i]), 1);
	}
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	charon = ipsec_charon_pid(apply);
	CU_ASSERT(charon > 0);
}

/* What was told before stands: also for whoever compares. */
static void a_refused_change_changes_nothing(void)
{
	struct tunnel changed_tunnel = tunnels[0];
	struct model changed = model;
	struct error error = {0};

	changed.tunnels = &changed_tunnel;
	changed_tunnel.ipsec.esp_proposals = (char *[]){"aes256gcm-16"};
	CU_ASSERT_EQUAL(reach(&changed, &error), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "charon refuses"));
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(ipsec_charon_pid(apply), charon);
}

/* A start and an apply refuse it; what runs goes on, and keeps nothing else from being healed. */
static void a_file_that_cannot_be_read_is_no_change(void)
{
	struct error error = {0};

	CU_ASSERT_EQUAL(chmod(PSK_FILE, 0640), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(apply_preflight(apply, &model, &model, &error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, PSK_FILE));
	CU_ASSERT_EQUAL(chmod(PSK_FILE, 0600), 0);
}

/* Told, and then silent: it may do it all the same, behind our back. So it is told again what it was to know. */
static void one_that_is_late_is_told_again(void)
{
	struct tunnel changed = tunnels[0];
	struct item item = {.kind = ITEM_IPSEC, .interface = "hwt-one", .ipsec.tunnel = &changed};
	struct error error = {0};

	changed.ipsec.dpd_ms = 20000;
	kill(charon, SIGSTOP);
	CU_ASSERT_EQUAL(ipsec_configure(apply, &item, &error), -EAGAIN);
	kill(charon, SIGCONT);
	CU_ASSERT_EQUAL(known("hwt-one"), 1);
	CU_ASSERT_FALSE(nothing_to_do());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(ipsec_charon_pid(apply), charon);
}

/* Its queue of connections is full, too. */
static void stop_charon(void)
{
	struct ipsec_status status;

	CU_ASSERT_FATAL(charon > 0);
	kill(charon, SIGSTOP);
	for (int i = 0; i < 6; i++) {
		apply->ipsec_silent_until_ms = 0;
		CU_ASSERT_FALSE(ipsec_sas(apply, "hwt-one", &status));
	}
	CU_ASSERT(ipsec_is_silent(apply));
}

/* Neither healing nor a gwd that starts is held up; and a change is refused, with words. */
static void one_that_hangs_holds_nobody_up(void)
{
	struct tunnel changed_tunnel = tunnels[0];
	struct model changed = model;
	struct error error = {0};
	struct apply *successor;

	stop_charon();
	CU_ASSERT_EQUAL(ipsec_charon_pid(apply), charon);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, &model, &error), 0);
	CU_ASSERT_EQUAL_FATAL(apply_open(PINS, WORK, &successor, &error), 0);
	CU_ASSERT_EQUAL(apply_preflight(successor, &model, NULL, &error), 0);
	CU_ASSERT_EQUAL(apply_adopt(successor, &error), 0);
	CU_ASSERT_EQUAL(child_pid(apply_children(successor), child_name()), charon);
	apply_close(successor);
	changed.tunnels = &changed_tunnel;
	changed_tunnel.ipsec.dpd_ms = 20000;
	CU_ASSERT_EQUAL(reach(&changed, &error), -EAGAIN);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "charon does not answer"));
}

/* Until the child's end is told, for half a minute at most. */
static bool is_ended(struct child_end *end)
{
	for (int i = 0; i < 300; i++) {
		apply_tend(apply, &model);
		if (children_next_end(apply_children(apply), end))
			return true;
		nanosleep(&a_moment, NULL);
	}
	return false;
}

/* Who ended is not started again at once: where the interface lives on, nobody needs it before. */
static bool may_begin_again(void)
{
	for (int i = 0; i < 300 && !child_is_due(apply_children(apply), child_name()); i++)
		nanosleep(&a_moment, NULL);
	return child_is_due(apply_children(apply), child_name());
}

/* Policies of an interface of ours and of somebody else's. */
#define LEAVE                                                                             \
	"ip xfrm policy add src 10.8.0.0/16 dst 10.8.0.0/16 dir out if_id 0x68770007 && " \
	"ip xfrm policy add src 10.9.0.0/16 dst 10.9.0.0/16 dir out if_id 0x7"
#define IS_CLEAN \
	"test \"$(ip xfrm policy | grep -o 'src 10[^ ]*'; ip xfrm policy flush)\" = 'src 10.9.0.0/16'"

static void look_at_once(void)
{
	apply->ipsec_due_ms = 0;
	apply_tend(apply, &model);
}

/*
 * Not before it had time to come back. What it has left in the kernel is gone before the next one finds it; what is of
 * others is not.
 */
static void one_that_hangs_is_replaced(void)
{
	struct child_end end = {0};
	struct error error = {0};

	CU_ASSERT_EQUAL(system(LEAVE), 0);
	for (int i = 0; i < 9; i++)
		look_at_once();
	CU_ASSERT(process_alive(charon));
	look_at_once();
	CU_ASSERT_FATAL(is_ended(&end));
	CU_ASSERT_EQUAL(end.pid, charon);
	CU_ASSERT_FALSE(process_alive(charon));
	CU_ASSERT_FALSE(child_is_due(apply_children(apply), child_name()));
	CU_ASSERT_FATAL(may_begin_again());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(ipsec_charon_pid(apply) > 0 && ipsec_charon_pid(apply) != charon);
	CU_ASSERT_EQUAL(system(IS_CLEAN), 0);
}

/* Else what it knows of a tunnel that leaves would live on. */
static void one_that_hangs_forgets_by_ending(void)
{
	struct child_end end = {0};
	struct error error = {0};

	charon = ipsec_charon_pid(apply);
	stop_charon();
	CU_ASSERT_EQUAL(tunnel_ipsec.remove(apply, "hwt-gone", &error), 0);
	CU_ASSERT_FALSE(process_alive(charon));
	CU_ASSERT_FATAL(is_ended(&end));
	CU_ASSERT_EQUAL(end.pid, charon);
	CU_ASSERT_FATAL(may_begin_again());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
}

/* What is told again is what compares as equal, whatever number its interface has then. */
static void a_removal_is_undone(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	struct model changed = model;
	struct error error = {0};

	changed.tunnel_count = 0;
	make_plan(&changed, &plan);
	apply->fail_at = plan.count;
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), -EIO);
	apply->fail_at = 0;
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(if_nametoindex("hwt-first"), 0);
	CU_ASSERT_NOT_EQUAL(if_nametoindex("hwt-one"), 0);
}

/* As when a tunnel leaves while its charon is dead and not yet due, which takes its interface along but where it is the kernel's. */
static void a_dead_one_leaves_nothing(void)
{
	bool in_kernel = ipsec_kernel.check(apply, NULL) == 0;
	struct child_end end = {0};
	struct error error = {0};

	charon = ipsec_charon_pid(apply);
	CU_ASSERT_FATAL(charon > 0);
	kill(charon, SIGKILL);
	CU_ASSERT_FATAL(is_ended(&end));
	CU_ASSERT_EQUAL(reach(NULL, &error), 0);
	CU_ASSERT_EQUAL(apply_tidy(apply, &model, &error), 0);
	CU_ASSERT_EQUAL(access(WORK "/ipsec/hwt-one.told", F_OK), in_kernel ? -1 : 0);
	CU_ASSERT_EQUAL(apply_tidy(apply, NULL, &error), 0);
	CU_ASSERT_EQUAL(access(WORK "/ipsec", F_OK), -1);
	CU_ASSERT(is_as_before());
	CU_ASSERT_FATAL(may_begin_again());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
}

static void one_that_hangs_ends_with_the_gateway(void)
{
	struct error error = {0};

	charon = ipsec_charon_pid(apply);
	stop_charon();
	CU_ASSERT_EQUAL(reach(NULL, &error), 0);
	CU_ASSERT_FALSE(process_alive(charon));
	CU_ASSERT_EQUAL(apply_tidy(apply, NULL, &error), 0);
	CU_ASSERT_EQUAL(access(WORK "/ipsec", F_OK), -1);
	CU_ASSERT(is_as_before());
}

APPLY_TESTS("apply ipsec", {"a tunnel stands", a_tunnel_stands},
	{"what a driver does not bear is refused", a_driver_has_its_limits},
	{"a key stays that is told in other bytes", a_key_in_other_bytes_stays},
	{"a tunnel may be called as a file of charon's", any_name_will_do},
	{"a change that charon refuses changes nothing", a_refused_change_changes_nothing},
	{"a file that cannot be read is no change", a_file_that_cannot_be_read_is_no_change},
	{"a charon that is late is told again", one_that_is_late_is_told_again},
	{"a charon that hangs holds nobody up", one_that_hangs_holds_nobody_up},
	{"a charon that hangs is replaced", one_that_hangs_is_replaced},
	{"a charon that hangs forgets a tunnel by ending", one_that_hangs_forgets_by_ending},
	{"a removal that fails is undone", a_removal_is_undone},
	{"a charon that died leaves nothing", a_dead_one_leaves_nothing},
	{"a charon that hangs ends with the gateway", one_that_hangs_ends_with_the_gateway})
