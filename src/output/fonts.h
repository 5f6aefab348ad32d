/* Whether the system's fonts may be used now. Pango, GLib, Fontconfig and HarfBuzz end the process, or crash, when they
 * get no memory or no thread. */
#ifndef OUTPUT_FONTS_H
#define OUTPUT_FONTS_H

#include <stdbool.h>

/* Asks ahead for a thread and for the memory that they usually take; to be asked before each use. False, with one
 * notice: they are short, and from now on for the whole process text is to be drawn with the plain face. Nothing is
 * kept, so other threads may still take it away. */
bool fonts_ready(void);

#endif
