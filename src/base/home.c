/* Home folders: HOME for oneself, what the system knows of everybody else. */
#include "base/file.h"
#include "base/strings.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { PASSWD_BUFFER = 16384 };

bool path_append_home(const char *user, struct string *out)
{
    const char *home = *user ? NULL : getenv("HOME");
    struct passwd entry, *found = NULL;
    char *buffer = NULL;

    if (!home || !*home) {
        buffer = malloc(PASSWD_BUFFER);
        if (!buffer) {
            out->failed = true;
            return false;
        }
        const int failed = *user ? getpwnam_r(user, &entry, buffer, PASSWD_BUFFER, &found)
                                 : getpwuid_r(getuid(), &entry, buffer, PASSWD_BUFFER, &found);
        home = !failed && found ? found->pw_dir : NULL;
    }
    if (home)
        string_append_text(out, home);
    free(buffer);
    return home && !out->failed;
}
