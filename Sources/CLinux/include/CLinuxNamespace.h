// Network namespaces.

#ifndef CLINUX_NAMESPACE_H
#define CLINUX_NAMESPACE_H

// Moves the calling thread to the network namespace that the descriptor refers to (setns).
int clinux_enter_network_namespace(int descriptor);

#endif
