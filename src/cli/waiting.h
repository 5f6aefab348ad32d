/* How the threads of a forward pass wait for one another. */
#ifndef CLI_WAITING_H
#define CLI_WAITING_H

/* OpenMP's threads spin for many milliseconds before they sleep, and where other programs use the
 * machine too they spin while the thread they wait for has no processor: the run then takes several
 * times as long. The runtime reads its setting before main, so where the user has set none this starts
 * the program again with a shorter spin. Returns where that is not possible or not needed. */
void waiting_choose(char **argv);

#endif
