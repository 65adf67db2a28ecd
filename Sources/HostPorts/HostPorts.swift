// HostPorts
