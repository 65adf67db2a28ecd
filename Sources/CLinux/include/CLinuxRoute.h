// rtnetlink: the kernel's structures and numbers of links.

#ifndef CLINUX_ROUTE_H
#define CLINUX_ROUTE_H

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#endif
