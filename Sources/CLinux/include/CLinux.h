

#include "CLinuxSocket.h"
