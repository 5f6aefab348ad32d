"""What the build makes for the package: declarations of the headers, stand-ins for libraries that are found later."""

import platform
import re
import shutil
import subprocess
import sys

import pytest
from conftest import PACKAGE, ROOT

sys.path.insert(0, str(PACKAGE))
import declare  # noqa: E402
import lazy  # noqa: E402


def test_declarations_are_what_a_compiler_sees(tmp_path):
    """Sizes and offsets of every struct, enums and functions, against the compiler's."""
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("there is no compiler")
    from sowlv2._library import ffi

    names = re.findall(r"^struct (sowlv2_\w+) \{", declare.declarations(ROOT / "include"), re.MULTILINE)
    assert len(names) > 30
    structs = {name: ffi.typeof("struct " + name).fields for name in names}
    lines = ['#include <sowlv2_run.h>', '#include <stdio.h>', "int main(void) {"]
    for name, fields in structs.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        lines += [f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));' for field, _ in fields]
    (tmp_path / "sizes.c").write_text("\n".join([*lines, "}"]))
    subprocess.run([cc, "-I", ROOT / "include", tmp_path / "sizes.c", "-o", tmp_path / "sizes"], check=True)
    said = dict(line.split() for line in subprocess.check_output([tmp_path / "sizes"], text=True).splitlines())
    for name, fields in structs.items():
        assert int(said[name]) == ffi.sizeof("struct " + name), name
        for field, kind in fields:
            assert int(said[f"{name}.{field}"]) == kind.offset, (name, field)


def test_every_function_of_the_headers_is_there():
    from sowlv2._library import lib

    text = "".join((ROOT / "include" / name).read_text() for name in declare.HEADERS)
    names = set(re.findall(r"SOWLV2_API[^;{]*?\b(sowlv2_\w+)\(", text))
    assert len(names) > 90
    for name in names:
        assert callable(getattr(lib, name)), name


def test_headers_with_what_they_may_come_to_have(tmp_path):
    (tmp_path / "sowlv2.h").write_text(
        '#ifdef __cplusplus\nextern "C" {\n#if 1\n#endif\n#endif\n#define SOWLV2_MOST 7 \n#define SOWLV2_API x\n'
        "/* a comment; with { */ SOWLV2_API int sowlv2_a(int b); // another\n"
        "static inline int c(void)\n{\n    if (1) { return 2; }\n    return 3;\n}\nstruct sowlv2_d { int e[SOWLV2_MOST]; };\n"
    )
    (tmp_path / "sowlv2_run.h").write_text("int sowlv2_f(void);\n")
    text = declare.declarations(tmp_path)
    assert "extern" not in text and "return" not in text and "#define SOWLV2_MOST 7" in text
    declare.write(tmp_path, tmp_path / "made.py", "made")
    sys.path.insert(0, str(tmp_path))
    import made

    assert made.ffi.sizeof("struct sowlv2_d") == 28


@pytest.mark.skipif(platform.machine() != "x86_64", reason="stand-ins are for x86-64")
def test_libraries_that_are_found_later(tmp_path):
    """Arguments of every kind go through; a library that is not there is named, and does not stop the program."""
    cc = shutil.which("cc")
    if cc is None or shutil.which("nm") is None:
        pytest.skip("there is no compiler")

    def run(*command, **options):
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, **options).stdout

    (tmp_path / "there.c").write_text(
        "#include <stdarg.h>\n"
        "double there(int a, double b, long c, float d, char *e, double f, int g, int h, int i, double j)\n"
        "{ return a + b + c + d + e[0] + f + g + h + i + j; }\n"
        "int there_many(int count, ...)\n"
        "{ va_list list; double sum = 0; va_start(list, count); while (count-- > 0) sum += va_arg(list, double);"
        " va_end(list); return (int)sum; }\n"
    )
    (tmp_path / "gone.c").write_text("void *gone_open(void) { return \"x\"; }\n")
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\n"
        "double there(int, double, long, float, char *, double, int, int, int, double);\n"
        "int there_many(int, ...);\nvoid *gone_open(void);\nconst char *sowlv2_lazy_missing(const char *);\n"
        "int main(void) {\n"
        'for (int i = 0; i < 2; i++) printf("%g %d\\n", there(1, 0.5, 2, 0.25f, "\\1", 8, 16, 32, 64, 128),\n'
        "    there_many(3, 1.0, 2.0, 3.5));\n"
        'const char *a = sowlv2_lazy_missing("here"), *b = sowlv2_lazy_missing("lost");\n'
        'printf("%s %s %d\\n", a ? a : "-", b ? b : "-", gone_open() == 0); }\n'
    )
    for name in ("there", "gone"):
        run(cc, "-shared", "-fPIC", f"-Wl,-soname,lib{name}.so.1", f"{name}.c", "-o", f"lib{name}.so.1")
    run(cc, "-fPIC", "-c", "main.c")
    run("ar", "rcs", "main.a", "main.o")
    groups = [f"here={tmp_path}/libthere.so.1", f"lost={tmp_path}/libgone.so.1"]
    lazy.main("nm", str(tmp_path / "main.a"), str(tmp_path / "lazy.S"), str(tmp_path / "lazy.c"), *groups)
    run(cc, "main.o", "lazy.S", "lazy.c", "-ldl", "-lpthread", "-o", "program")
    assert "libthere" not in run("readelf", "-d", "program")
    (tmp_path / "libgone.so.1").unlink()
    said = run("./program", env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert said == "252.75 6\n252.75 6\n- libgone.so.1 1\n"
