// Packet sockets: the kernel's structures and option numbers.

#ifndef CLINUX_PACKET_H
#define CLINUX_PACKET_H

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#endif
