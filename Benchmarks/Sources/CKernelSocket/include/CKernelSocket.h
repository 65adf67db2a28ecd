#pragma once

/// Opens a generic-netlink socket of the kernel by the system call itself, so that no preloaded library changes it.
int ckernel_generic_netlink_socket(void);
