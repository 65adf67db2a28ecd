// Acting without rights: what a process that is nobody's would be allowed.

#ifndef RIGHTS_H
#define RIGHTS_H

/// Carries out a function on a thread of its own that has given up the rights of root. What it opens is whatever the system
/// gives to everybody; this process keeps its rights.
__attribute__((visibility("hidden"))) void without_rights(void (*function)(void *), void *argument);

#endif
