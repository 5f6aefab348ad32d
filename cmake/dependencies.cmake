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
# FFmpeg 5.1 or later.
pkg_check_modules(AVFORMAT REQUIRED IMPORTED_TARGET libavformat>=59.27)
pkg_check_modules(AVCODEC REQUIRED IMPORTED_TARGET libavcodec>=59.37)
pkg_check_modules(AVUTIL REQUIRED IMPORTED_TARGET libavutil>=57.28)
pkg_check_modules(SWSCALE REQUIRED IMPORTED_TARGET libswscale>=6.7)
# Cameras; everything else works without it.
pkg_check_modules(AVDEVICE IMPORTED_TARGET libavdevice)

# Debian's oneDNN has no pkg-config file.
find_path(DNNL_INCLUDE_DIR NAMES dnnl.h oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY NAMES dnnl REQUIRED)
add_library(sowlv2_dnnl INTERFACE)
target_include_directories(sowlv2_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(sowlv2_dnnl INTERFACE ${DNNL_LIBRARY})
