"""Makes what stands in for libraries that are found when they are first needed.

    lazy.py NM ARCHIVE OUTPUT.S OUTPUT.c GROUP=LIBRARY[,LIBRARY...] ...

ARCHIVE is what is linked; of its undefined symbols those that a library of a group defines get a few instructions that
look the function up in the group's libraries when it is first called, and jump there. So a wheel holds the engine, and
uses the system's FFmpeg, libheif, libavif and Pango where they are. sowlv2_lazy_missing(GROUP) says which file is not
there; the engine asks it before it calls anything of a group (src/base/optional.h). x86-64 only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ASSEMBLY = """\
/* Made by lazy.py. */
    .text

    .macro LAZY name, index
    .globl \\name
    .hidden \\name
    .type \\name, @function
    .p2align 4
\\name:
    endbr64
    movq    sowlv2_lazy_found + 8 * \\index(%rip), %r11
    testq   %r11, %r11
    je      1f
    jmp     *%r11
1:  movl    $\\index, %r11d
    jmp     sowlv2_lazy_enter
    .size \\name, . - \\name
    .endm

/* Looks function r11d up; everything that arguments may be in is kept. */
    .type sowlv2_lazy_enter, @function
sowlv2_lazy_enter:
    .cfi_startproc
    pushq   %rax
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
    pushq   %rcx
    pushq   %r8
    pushq   %r9
    subq    $128, %rsp
    .cfi_adjust_cfa_offset 184
    movups  %xmm0, 0(%rsp)
    movups  %xmm1, 16(%rsp)
    movups  %xmm2, 32(%rsp)
    movups  %xmm3, 48(%rsp)
    movups  %xmm4, 64(%rsp)
    movups  %xmm5, 80(%rsp)
    movups  %xmm6, 96(%rsp)
    movups  %xmm7, 112(%rsp)
    movl    %r11d, %edi
    call    sowlv2_lazy_find
    movq    %rax, %r11
    movups  0(%rsp), %xmm0
    movups  16(%rsp), %xmm1
    movups  32(%rsp), %xmm2
    movups  48(%rsp), %xmm3
    movups  64(%rsp), %xmm4
    movups  80(%rsp), %xmm5
    movups  96(%rsp), %xmm6
    movups  112(%rsp), %xmm7
    addq    $128, %rsp
    popq    %r9
    popq    %r8
    popq    %rcx
    popq    %rdx
    popq    %rsi
    popq    %rdi
    popq    %rax
    .cfi_adjust_cfa_offset -184
    jmp     *%r11
    .cfi_endproc
    .size sowlv2_lazy_enter, . - sowlv2_lazy_enter

%s
    .section .note.GNU-stack, "", @progbits
"""

SOURCE = """\
/* Made by lazy.py. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum { FUNCTIONS = %(functions)d, GROUPS = %(groups)d, MOST_FILES = %(most)d };

static const struct {
    const char *name;
    int group;
} functions[FUNCTIONS] = {
%(table)s
};

static struct group {
    const char *name, *files[MOST_FILES + 1];
    void *opened[MOST_FILES];
    const char *missing; /* one of files */
} groups[GROUPS] = {
%(files)s
};

__attribute__((visibility("hidden"))) void *sowlv2_lazy_found[FUNCTIONS];
__attribute__((visibility("hidden"))) void *sowlv2_lazy_find(unsigned index);

static void open_group(struct group *group)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const int saved = errno; /* callers ask it what happened to memory */

    pthread_mutex_lock(&lock);
    for (int k = 0; group->files[k] && !group->missing; k++)
        if (!group->opened[k]) {
            group->opened[k] = dlopen(group->files[k], RTLD_LAZY | RTLD_LOCAL);
            if (!group->opened[k])
                group->missing = group->files[k];
        }
    pthread_mutex_unlock(&lock);
    errno = saved;
}

__attribute__((visibility("hidden"))) const char *sowlv2_lazy_missing(const char *library)
{
    for (int i = 0; i < GROUPS; i++)
        if (strcmp(groups[i].name, library) == 0) {
            open_group(&groups[i]);
            return groups[i].missing;
        }
    return NULL;
}

/* In the place of what is not there. */
static long nothing(void)
{
    return 0;
}

void *sowlv2_lazy_find(unsigned index)
{
    struct group *const group = &groups[functions[index].group];
    void *found = NULL;

    open_group(group);
    for (int k = 0; !found && group->files[k]; k++)
        if (group->opened[k])
            found = dlsym(group->opened[k], functions[index].name);
    if (!found)
        found = (void *)nothing;
    __atomic_store_n(&sowlv2_lazy_found[index], found, __ATOMIC_RELEASE);
    return found;
}
"""


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(nm, path, *options):
    """Names, without versions."""
    lines = run(nm, *options, str(path)).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines if line.split() and not line.endswith(":")}


def soname(path):
    for line in run("readelf", "-d", str(path)).splitlines():
        found = re.search(r"SONAME.*\[(.*)\]", line)
        if found:
            return found.group(1)
    return os.path.basename(os.path.realpath(path))


def main(nm, archive, assembly, source, *groups):
    undefined = symbols(nm, archive, "--undefined-only")
    functions, files = [], []
    for number, group in enumerate(groups):
        name, _, libraries = group.partition("=")
        paths = [path for path in re.split(r"[,;]", libraries) if os.path.isabs(path)]
        used = []
        for path in paths:
            wanted = sorted(symbols(nm, path, "-D", "--defined-only") & undefined)
            if wanted:
                used.append(soname(path))
                functions.extend((each, number) for each in wanted if each not in dict(functions))
        files.append((name, used))
    listed = "\n".join(f"    LAZY {name}, {index}" for index, (name, _) in enumerate(functions))
    Path(assembly).write_text(ASSEMBLY.replace("%s", listed))
    Path(source).write_text(
        SOURCE
        % {
            "functions": len(functions),
            "groups": len(files),
            "most": max(len(used) for _, used in files),
            "table": "\n".join(f'    {{"{name}", {number}}},' for name, number in functions),
            "files": "\n".join(
                '    {.name = "%s", .files = {%s}},' % (name, ", ".join(f'"{each}"' for each in used))
                for name, used in files
            ),
        }
    )


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit("usage: lazy.py NM ARCHIVE OUTPUT.S OUTPUT.c GROUP=LIBRARY[,LIBRARY...] ...")
    main(*sys.argv[1:])
