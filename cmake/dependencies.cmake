# The libraries of docs/architecture.md; `make deps` installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)

pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(SPNG REQUIRED IMPORTED_TARGET spng)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(PANGOCAIRO REQUIRED IMPORTED_TARGET pangocairo)

# Debian's oneDNN has no pkg-config file.
find_path(DNNL_INCLUDE_DIR NAMES dnnl.h oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY NAMES dnnl REQUIRED)
add_library(sowlv2_dnnl INTERFACE)
target_include_directories(sowlv2_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(sowlv2_dnnl INTERFACE ${DNNL_LIBRARY})
