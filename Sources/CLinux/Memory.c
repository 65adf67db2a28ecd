#include "CLinuxMemory.h"
#include <malloc.h>

int clinux_return_large_blocks(int bytes) { return mallopt(M_MMAP_THRESHOLD, bytes) == 1 ? 0 : -1; }
