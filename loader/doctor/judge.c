// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

#define KERNEL_MINIMUM   510 /* what the dispatcher of XDP programs needs */
#define KERNEL_TCX       606
#define KERNEL_MISCOUNTS 601 /* who holds the devices of ESP packets wrongly: docs/design.md, on IPsec */
#define CLOCK_ERROR_US   100000
#define SKEW_MS          1000 /* as long as that the older of two changes may win */

void found(struct diagnosis *diagnosis, enum finding_level level, const char *advice, const char *format, ...)
{
	struct finding *grown, *finding;
	va_list arguments;

	grown = realloc(diagnosis->findings, (diagnosis->finding_count + 1) * sizeof(*grown));
	if (!grown)
		return;
	diagnosis->findings = grown;
	finding = &grown[diagnosis->finding_count++];
	*finding = (struct finding){.level = level};
	snprintf(finding->advice, sizeof(finding->advice), "%s", advice);
	va_start(arguments, format);
	vsnprintf(finding->finding, sizeof(finding->finding), format, arguments);
	va_end(arguments);
}

/* ---- The kernel -------------------------------------------------------------------------------------------------- */

static void judge_kernel(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	bool tcx = facts->kernel_version >= KERNEL_TCX;

	if (facts->kernel_version < KERNEL_MINIMUM)
		found(diagnosis, FINDING_PROBLEM, "run Linux 6.1 (Debian 12) or newer",
			"Linux %s is too old for the programs", facts->kernel);
	else if (model->attach == ATTACH_TCX && !tcx)
		found(diagnosis, FINDING_PROBLEM, "set attach: auto, or run Linux 6.6 or newer",
			"Linux %s has no TCX, and the configuration says attach: tcx", facts->kernel);
	else
		found(diagnosis, FINDING_OK, "", "Linux %s, programs attach by %s", facts->kernel,
			tcx && model->attach != ATTACH_CLSACT ? "TCX" : "clsact");
}

static void judge_bpf(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	(void)model;
	if (facts->bpf_trouble[0])
		found(diagnosis, FINDING_PROBLEM,
			"run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON", "%s",
			facts->bpf_trouble);
	else
		found(diagnosis, FINDING_OK, "", "programs can be loaded");
	if (!facts->btf)
		found(diagnosis, FINDING_WARNING, "run a kernel with CONFIG_DEBUG_INFO_BTF",
			"no /sys/kernel/btf/vmlinux: XDP programs "
			"of others cannot share an uplink with ours");
}

static void judge_bpffs(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	(void)model;
	if (facts->bpffs)
		found(diagnosis, FINDING_OK, "", "the pin directory is on a bpffs");
	else
		found(diagnosis, FINDING_PROBLEM, "mount -t bpf bpf /sys/fs/bpf",
			"the pin directory is not on a bpffs");
}

static size_t count_kind(const struct model *model, const char *kind)
{
	size_t count = 0;

	for (size_t i = 0; i < model->tunnel_count; i++)
		count += strcmp(tunnel_kind_name(&model->tunnels[i]), kind) == 0;
	return count;
}

/* Linux decrypts AES later when another computation, such as WireGuard's, has the registers; ChaCha20 never. */
static bool may_be_put_off(const struct ipsec *ipsec)
{
	for (size_t i = 0; i < ipsec->esp_proposal_count; i++)
		if (strncmp(ipsec->esp_proposals[i], "chacha20poly1305", 16) != 0 ||
			strstr(ipsec->esp_proposals[i], "aes"))
			return true;
	return ipsec->esp_proposal_count == 0;
}

static void judge_esp(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	found(diagnosis, FINDING_OK, "", "the kernel has ESP and XFRM interfaces for IPsec tunnels");
	if (facts->kernel_version != KERNEL_MISCOUNTS || !facts->kernel_wireguard ||
		!count_kind(model, "wireguard"))
		return;
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model->tunnels[i].ipsec.enabled && may_be_put_off(&model->tunnels[i].ipsec))
			found(diagnosis, FINDING_WARNING,
				"esp_proposals: [chacha20poly1305-ecp384], here and at the peer",
				"tunnel %s may use AES, and Linux %s may then, beside WireGuard, never let "
				"go of its interface and uplink: who removes one waits for ever",
				model->tunnels[i].name, facts->kernel);
}

static void judge_ipsec(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t count = count_kind(model, "ipsec");

	if (count == 0)
		found(diagnosis, FINDING_OK, "", "no IPsec tunnel is configured");
	else if (!facts->strongswan[0])
		found(diagnosis, FINDING_PROBLEM,
			"apt install charon-systemd libcharon-extra-plugins libstrongswan-standard-plugins",
			"an IPsec tunnel is configured, and strongSwan's charon-systemd is not to be found");
	else if (facts->esp)
		judge_esp(model, facts, diagnosis);
	else if (!facts->tun)
		found(diagnosis, FINDING_PROBLEM, "modprobe tun",
			"the kernel has no ESP with XFRM interfaces, and strongSwan has no /dev/net/tun");
	else if (count > 1)
		found(diagnosis, FINDING_PROBLEM,
			"a kernel with both (modprobe -a esp4 esp6 xfrm_interface); WireGuard for the "
			"others, "
			"or other gateways",
			"%zu IPsec tunnels are configured, and without the kernel's ESP and XFRM interfaces "
			"strongSwan bears one",
			count);
	else
		found(diagnosis, FINDING_WARNING,
			"modprobe -a esp4 esp6 xfrm_interface, where the kernel has the modules",
			"the kernel has no ESP with XFRM interfaces: strongSwan does IPsec in user space, at "
			"a fraction of the speed");
}

static void judge_wireguard(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	if (count_kind(model, "wireguard") == 0)
		found(diagnosis, FINDING_OK, "", "no WireGuard tunnel is configured");
	else if (facts->kernel_wireguard)
		found(diagnosis, FINDING_OK, "", "the kernel has WireGuard");
	else if (facts->wireguard_go[0] && facts->tun)
		found(diagnosis, FINDING_WARNING, "modprobe wireguard, where the kernel has the module",
			"the kernel has no WireGuard: %s does it, at a fraction of the speed",
			facts->wireguard_go);
	else if (facts->wireguard_go[0])
		found(diagnosis, FINDING_PROBLEM, "modprobe tun",
			"the kernel has no WireGuard, and wireguard-go has no /dev/net/tun");
	else
		found(diagnosis, FINDING_PROBLEM, "modprobe wireguard, or apt install wireguard-go",
			"neither the kernel nor wireguard-go has WireGuard");
}

static void judge_dummy(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	(void)model;
	found(diagnosis, FINDING_OK, "", "home0 is a %s",
		facts->kernel_dummy ? "dummy" : "veth pair's end, since no dummy module is to be seen");
}

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

/* The first number triple of a text: "BIRD version 2.0.12" is 20012; 0: there is none. */
static unsigned version_number(const char *text)
{
	unsigned major, minor, patch = 0;

	text += strcspn(text, "0123456789");
	if (sscanf(text, "%3u.%3u.%3u", &major, &minor, &patch) < 2)
		return 0;
	return major * 10000 + minor * 100 + patch;
}

static void judge_versions(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	unsigned bird = version_number(facts->bird);
	bool wanted = model->router_count > 0;

	for (size_t i = 0; i < model->tunnel_count; i++)
		wanted |= model->tunnels[i].bgp.enabled;
	if (!facts->bird[0])
		found(diagnosis, wanted ? FINDING_PROBLEM : FINDING_OK, wanted ? "apt install bird2" : "",
			"BIRD is not to be found%s", wanted ? ": no loopback would be announced" : "");
	else if (bird < 20012 || bird >= 30000)
		found(diagnosis, FINDING_WARNING, "use BIRD 2.0.12 or a later 2",
			"%s is not what the gateway was tested with", facts->bird);
	else
		found(diagnosis, FINDING_OK, "", "%s", facts->bird);
	found(diagnosis, FINDING_OK, "", "libbpf %s%s%s",
		facts->libbpf[0] ? facts->libbpf : "of unknown version", facts->wireguard_go[0] ? ", " : "",
		facts->wireguard_go);
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

static void judge_skew(const char *name, int64_t skew_ms, struct diagnosis *diagnosis)
{
	bool most = llabs(skew_ms) > MEMBER_SKEW_MOST_MS;

	found(diagnosis, most ? FINDING_PROBLEM : FINDING_WARNING,
		"let chrony or systemd-timesyncd keep the clock, here and there",
		"the clock of gateway %s is %lld ms %s ours: %s", name, (long long)llabs(skew_ms),
		skew_ms > 0 ? "ahead of" : "behind",
		most ? "what one tells of flows the other refuses"
		     : "of two changes of a flow the older may win");
}

/* Whoever keeps the clock: the members' are what ours must agree with. */
static void judge_skews(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t known = 0, before = diagnosis->finding_count;
	int64_t most_ms = 0;

	for (size_t i = 0; i < model->array.member_count; i++) {
		const struct member_facts *member = &facts->members[i];

		if (!member->skew_known)
			continue;
		known++;
		most_ms = llabs(member->skew_ms) > most_ms ? llabs(member->skew_ms) : most_ms;
		if (llabs(member->skew_ms) >= SKEW_MS)
			judge_skew(model->array.members[i].name, member->skew_ms, diagnosis);
	}
	if (known > 0 && diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "", "the members' clocks differ from ours by at most %lld ms",
			(long long)most_ms);
}

static void judge_clock(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	static const char advice[] = "let chrony or systemd-timesyncd keep the clock";
	bool members = model_has_members(model);

	if (facts->clock_synchronised == UNKNOWN)
		found(diagnosis, FINDING_OK, "", "whether the clock is kept is not to be seen");
	else if (!facts->clock_synchronised)
		found(diagnosis, FINDING_WARNING, advice, "nobody keeps the clock: %s",
			members ? "a gateway whose clock differs by some seconds is not believed by the "
				  "others"
				: "logs and events of the gateways cannot be laid side by side");
	else if (facts->clock_error_us > CLOCK_ERROR_US)
		found(diagnosis, FINDING_WARNING, advice, "the clock may be wrong by %lld ms",
			(long long)facts->clock_error_us / 1000);
	else
		found(diagnosis, FINDING_OK, "", "the clock is kept");
	judge_skews(model, facts, diagnosis);
}

/* The tunnel whose BFD gives up first. */
static const struct tunnel *quickest(const struct model *model, uint32_t *detection_ms)
{
	const struct tunnel *quickest = NULL;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct bgp *bgp = &model->tunnels[i].bgp;
		uint32_t ms = bgp->bfd.interval_ms * bgp->bfd.multiplier;

		if (!bgp->enabled || !bgp->bfd.enabled || (quickest && ms >= *detection_ms))
			continue;
		quickest = &model->tunnels[i];
		*detection_ms = ms;
	}
	return quickest;
}

/* BFD forgives all but one of its packets; a process that sleeps as long as that loses a path that is fine. */
static void judge_timers(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	static const char advice[] =
		"give the machine processors of its own, or make bfd.interval longer (20 ms × 5, 50 ms × 3)";
	long long late_us = (long long)facts->late_us;
	uint32_t detection_ms = 0;
	const struct tunnel *tunnel = quickest(model, &detection_ms);
	long long spare_us = tunnel ? 1000LL * (detection_ms - tunnel->bgp.bfd.interval_ms) : 0;

	if (!tunnel || late_us * 4 < spare_us)
		found(diagnosis, FINDING_OK, "", "timers are late by at most %lld.%03lld ms", late_us / 1000,
			late_us % 1000);
	else
		found(diagnosis, late_us < spare_us ? FINDING_WARNING : FINDING_PROBLEM, advice,
			"timers are late by up to %lld ms, and the BFD of tunnel %s gives up after %u ms",
			late_us / 1000, tunnel->name, detection_ms);
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

const struct check doctor_checks[] = {
	{"kernel", judge_kernel},
	{"bpf", judge_bpf},
	{"bpffs", judge_bpffs},
	{"wireguard", judge_wireguard},
	{"ipsec", judge_ipsec},
	{"home0", judge_dummy},
	{"versions", judge_versions},
	{"uplinks", judge_uplinks},
	{"filter", judge_filters},
	{"routers", judge_routers},
	{"egress", judge_egress},
	{"probes", judge_probes},
	{"mtu", judge_mtus},
	{"rp_filter", judge_rp_filter},
	{"neighbours", judge_neighbours},
	{"listeners", judge_listeners},
	{"clock", judge_clock},
	{"timers", judge_timers},
};
const size_t doctor_check_count = ARRAY_SIZE(doctor_checks);

int doctor_judge(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t before = 0;

	*diagnosis = (struct diagnosis){0};
	for (size_t i = 0; i < doctor_check_count; i++) {
		doctor_checks[i].judge(model, facts, diagnosis);
		if (diagnosis->finding_count ==
			before) /* every check has found something, even that all is well */
			return -ENOMEM;
		for (; before < diagnosis->finding_count; before++)
			diagnosis->findings[before].check = doctor_checks[i].name;
	}
	return list_passages(model, diagnosis);
}

enum finding_level diagnosis_worst(const struct diagnosis *diagnosis)
{
	enum finding_level worst = FINDING_OK;

	for (size_t i = 0; i < diagnosis->finding_count; i++)
		if (diagnosis->findings[i].level > worst)
			worst = diagnosis->findings[i].level;
	return worst;
}

void diagnosis_free(struct diagnosis *diagnosis)
{
	free(diagnosis->findings);
	free(diagnosis->passages);
	*diagnosis = (struct diagnosis){0};
}
