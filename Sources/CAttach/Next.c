#include "Next.h"

#include <dlfcn.h>
#include <string.h>

struct next_functions next_functions;

__attribute__((constructor)) void next_resolve(void) {
    // An object pointer becomes a function pointer by way of its bytes, as C wants it.
#define RESOLVE(name)                                                                                                  \
    do {                                                                                                               \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                                        \
        memcpy(&next_functions.name, &symbol, sizeof symbol);                                                          \
    } while (0);
    FOR_EACH_INTERCEPTED(RESOLVE)
#undef RESOLVE
}
