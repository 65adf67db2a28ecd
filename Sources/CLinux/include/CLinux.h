// What Swift cannot call by itself: variadic calls, calls that need _GNU_SOURCE, and the kernel's own headers.
//
// One header and one file per concern; no logic. Every function answers as its system call: -1 and errno on an error.

#ifndef CLINUX_H
#define CLINUX_H

#include "CLinuxBPF.h"
#include "CLinuxEvents.h"
#include "CLinuxMessages.h"
#include "CLinuxMemory.h"
#include "CLinuxNamespace.h"
#include "CLinuxPacket.h"
#include "CLinuxRoute.h"
#include "CLinuxSocket.h"
#include "CLinuxThread.h"
#include "CLinuxTun.h"
#include "CLinuxXDP.h"

#endif
