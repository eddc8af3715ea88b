// An archive needs a file; what matters is precompiled/headers.h.
