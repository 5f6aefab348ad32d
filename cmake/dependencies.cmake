# The libraries of docs/architecture.md; `make deps` installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C CXX)

pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(SPNG REQUIRED IMPORTED_TARGET spng)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(TIFF REQUIRED IMPORTED_TARGET libtiff-4>=4.5)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(WEBPDEMUX REQUIRED IMPORTED_TARGET libwebpdemux)
find_package(GIF 5 REQUIRED) # no pkg-config file
# AVIF and HEIC images; everything else works without them.
option(SOWLV2_AVIF "Read AVIF where libavif is there" ON)
option(SOWLV2_HEIF "Read HEIC where libheif is there" ON)
if(SOWLV2_AVIF)
  pkg_check_modules(AVIF IMPORTED_TARGET libavif>=0.11)
endif()
if(SOWLV2_HEIF)
  pkg_check_modules(HEIF IMPORTED_TARGET libheif>=1.12)
  # Bounds the memory and the time of HEIC images; without it libheif's own decoder is used.
  pkg_check_modules(DE265 IMPORTED_TARGET libde265>=1.0.7)
endif()
set(PC_IMAGE_LIBRARIES "") # for src/sowlv2.pc.in
if(SOWLV2_AVIF AND AVIF_FOUND)
  string(APPEND PC_IMAGE_LIBRARIES "libavif ")
endif()
if(SOWLV2_HEIF AND HEIF_FOUND)
  string(APPEND PC_IMAGE_LIBRARIES "libheif ")
  if(DE265_FOUND)
    string(APPEND PC_IMAGE_LIBRARIES "libde265 ")
  endif()
endif()
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.74)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
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
