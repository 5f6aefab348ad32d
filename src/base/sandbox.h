/* A process that takes everything from itself but memory, threads, and the descriptors that it is given. Linux on
 * x86-64 and ARM64. */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

/* From now on this process, its threads and all that they start can open no file and no connection, start no program,
 * reach no other process, and run no code that was not mapped before: such calls fail with EPERM. What is open stays
 * open. There is no way back. Errors: UNSUPPORTED (another system; a kernel without seccomp filters). */
int sandbox_enter(void);

#endif
