// SPDX-License-Identifier: Apache-2.0
/*
 * Where XDP may send a response on to another gateway itself (bpf/turn.h): only where every checksum that it sees is
 * finished. It cannot tell: what the kernel notes of a packet it never sees.
 *
 * So XDP runs in the driver, not behind GRO, which leaves merged packets to be finished; and the interface is no device of
 * the kernel's own making, which hands on what a process of this machine, or of a container, left to it. Those say their
 * kind; a network card and what a virtual machine takes for one say none. virtio_net has the host finish checksums as
 * long as XDP is attached. Of a few other drivers for virtual machines nobody promises that.
 *
 * Nor where the card takes VLAN tags off: XDP would send another network's packets on. And not by uplink_guard, which
 * cannot.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "apply/bpf.h"
#include "apply/bpf_pins.h"
#include "apply/bpf_turning.h"
#include "apply/link.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

/* Of neighbours on the same host (Xen, Hyper-V, VMware). */
static const char *const doubtful_drivers[] = {"vif", "hv_netvsc", "vmxnet3"};

bool turning_is_safe(const char *xdp_mode, const char *kind, const char *driver)
{
	if (strcmp(xdp_mode, "native") != 0 || kind[0] || !driver[0])
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(doubtful_drivers); i++)
		if (strcmp(driver, doubtful_drivers[i]) == 0)
			return false;
	return true;
}

static int ask(const char *interface, void *question)
{
	_cleanup_close_ int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_data = question};

	memcpy(request.ifr_name, interface, strnlen(interface, IF_NAMESIZE - 1));
	return descriptor < 0 ? -errno : ioctl(descriptor, SIOCETHTOOL, &request);
}

/* Empty when the kernel does not say. */
static void read_driver(const char *interface, struct ethtool_drvinfo *driver)
{
	*driver = (struct ethtool_drvinfo){.cmd = ETHTOOL_GDRVINFO};
	if (ask(interface, driver) < 0)
		driver->driver[0] = '\0';
}

/* The card takes VLAN tags off and puts them beside the frame: what XDP sees may be another network's. */
static bool hides_tags(const char *interface)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

	return ask(interface, &flags) < 0 || flags.data & ETH_FLAG_RXVLAN;
}

/* False also when nobody knows what the interface is. */
static bool may_turn(const char *interface)
{
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL;
	struct ethtool_drvinfo driver;
	struct link link = {0};

	if (netlink_open(NETLINK_ROUTE, 0, &netlink) < 0 || link_find(netlink, interface, &link, NULL) < 0)
		return false;
	read_driver(interface, &driver);
	return bpf_xdp_is_whole(interface) && !hides_tags(interface) &&
	       turning_is_safe(bpf_xdp_mode(interface), link.kind, driver.driver);
}

/* Of programs that an earlier gwd left there may be no such map: -ENOENT. */
static int open_turning(const char *pin_dir, struct error *error)
{
	return bpf_map_open(pin_dir, MAP_TURNING, NULL, error);
}

static bool turns(int map, const char *interface)
{
	uint32_t index = if_nametoindex(interface), value;

	return map >= 0 && bpf_map_lookup_elem(map, &index, &value) == 0;
}

int turning_forbid(const char *pin_dir, uint32_t index)
{
	_cleanup_close_ int map = open_turning(pin_dir, NULL);

	return map < 0 || bpf_map_delete_elem(map, &index) == 0 || errno == ENOENT ? 0 : -errno;
}

int turning_decide(const char *pin_dir, const char *interface, struct error *error)
{
	_cleanup_close_ int map = open_turning(pin_dir, NULL);
	uint32_t index = if_nametoindex(interface), one = 1;

	if (map < 0 || !may_turn(interface))
		return 0;
	return bpf_map_update_elem(map, &index, &one, BPF_ANY) < 0
		       ? error_errno(error, -errno, "writing the map %s", MAP_TURNING)
		       : 0;
}

bool turning_is_decided(const char *pin_dir, const char *interface)
{
	_cleanup_close_ int map = open_turning(pin_dir, NULL);

	return map < 0 || turns(map, interface) == may_turn(interface);
}

bool bpf_xdp_relays(const char *pin_dir, const char *interface)
{
	_cleanup_close_ int map = open_turning(pin_dir, NULL);
	struct settings settings;

	return turns(map, interface) && bpf_settings_read(pin_dir, &settings, NULL) == 0 &&
	       settings.relay == RELAY_AUTHENTICATED && !settings.underlay_ifindex;
}
