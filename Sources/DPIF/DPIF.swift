// DPIF
