// SPDX-License-Identifier: Apache-2.0
/* Uplinks, tunnels, and the paths to the tunnels' far ends. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

static void probe_driver(int fd, struct uplink_facts *uplink)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (probe_ethtool(fd, uplink->name, &driver) == 0)
		snprintf(uplink->driver, sizeof(uplink->driver), "%.31s", driver.driver);
	uplink->queues = uplink->queues_max = UNKNOWN;
	if (probe_ethtool(fd, uplink->name, &channels) < 0)
		return;
	uplink->queues = (int)(channels.combined_count + channels.rx_count);
	uplink->queues_max = (int)(channels.max_combined ? channels.max_combined : channels.max_rx);
}

static bool is_address(const struct sockaddr *there, const struct address *wanted)
{
	size_t size;
	const uint8_t *wire = address_wire(wanted, &size);

	if (!there || there->sa_family != address_family(wanted))
		return false;
	return memcmp(there->sa_family == AF_INET
			       ? (const void *)&((const struct sockaddr_in *)there)->sin_addr
			       : &((const struct sockaddr_in6 *)there)->sin6_addr,
		       wire, size) == 0;
}

bool probe_address(const char *interface, const struct address *wanted)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next)
		found |= strcmp(one->ifa_name, interface) == 0 && is_address(one->ifa_addr, wanted);
	freeifaddrs(all);
	return found;
}

/* A line a device: "eth0.5 | 5 | eth0". */
static bool has_vlans(const char *interface)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/net/vlan/config", "re");
	char line[256], parent[IF_NAMESIZE];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*[^|]|%*[^|]| %15s", parent) == 1 && strcmp(parent, interface) == 0)
			return true;
	return false;
}

static void probe_uplink(int fd, const char *name, const struct member *self, struct uplink_facts *uplink)
{
	struct ifreq request = {0};

	snprintf(uplink->name, sizeof(uplink->name), "%s", name);
	memcpy(request.ifr_name, uplink->name, sizeof(request.ifr_name));
	uplink->exists = ioctl(fd, SIOCGIFMTU, &request) == 0;
	if (!uplink->exists)
		return;
	uplink->mtu = request.ifr_mtu;
	uplink->has_headers =
		ioctl(fd, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family != ARPHRD_NONE;
	uplink->has_address = self && probe_address(uplink->name, &self->address);
	uplink->rp_filter = probe_number("/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	probe_driver(fd, uplink);
	uplink->hands_on = probe_feature(fd, uplink->name, "tx-udp_tnl-segmentation");
	uplink->hides_tags = probe_feature(fd, uplink->name, "rx-vlan-hw-parse");
	uplink->has_vlans = has_vlans(uplink->name);
}

/* A connected UDP socket knows its path's MTU, and has sent nothing. */
static int probe_path_mtu(const struct address *endpoint, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t size = address_socket(endpoint, port, &address);
	bool v4 = address.ss_family == AF_INET;
	_cleanup_close_ int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t mtu_size = sizeof(int);
	int mtu;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
		return UNKNOWN;
	if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &mtu_size) < 0)
		return UNKNOWN;
	return mtu;
}

static void probe_tunnel(const struct tunnel *tunnel, struct tunnel_facts *facts)
{
	uint16_t port;
	const struct address *endpoint = tunnel_endpoint(tunnel, &port);

	facts->rp_filter = probe_number("/proc/sys/net/ipv4/conf/%s/rp_filter", tunnel->name);
	facts->path_mtu = endpoint ? probe_path_mtu(endpoint, port) : UNKNOWN;
}

void probe_links(const struct model *model, struct facts *facts)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; i < model_uplink_count(model); i++)
		probe_uplink(fd, model_uplink(model, i), model_member_by_number(model, model->number),
			&facts->uplinks[i]);
	for (size_t i = 0; i < model->tunnel_count; i++)
		probe_tunnel(&model->tunnels[i], &facts->tunnels[i]);
}
