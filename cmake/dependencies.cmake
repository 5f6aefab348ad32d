# The libraries of docs/architecture.md; `make deps` installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C CXX)

pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

# Images. src/media links them all, and sowlv2.pc names them.
set(PC_IMAGE_LIBRARIES "") # for src/sowlv2.pc.in
set(SOWLV2_IMAGE_LIBRARIES "")
set(SOWLV2_IMAGE_DEFINITIONS "")
# sowlv2_image_library(NAME PACKAGE [VERSION]): a library that there must be, unless OPTIONAL; then MEDIA_HAVE_NAME tells.
macro(sowlv2_image_library name package)
  cmake_parse_arguments(library "OPTIONAL" "" "" ${ARGN})
  set(library_required REQUIRED)
  if(library_OPTIONAL)
    set(library_required "")
  endif()
  pkg_check_modules(${name} ${library_required} IMPORTED_TARGET ${package}${library_UNPARSED_ARGUMENTS})
  if(${name}_FOUND)
    string(APPEND PC_IMAGE_LIBRARIES "${package} ")
    list(APPEND SOWLV2_IMAGE_LIBRARIES PkgConfig::${name})
    list(APPEND SOWLV2_IMAGE_DEFINITIONS MEDIA_HAVE_${name})
  endif()
endmacro()
sowlv2_image_library(JPEG libjpeg)
sowlv2_image_library(SPNG spng)
sowlv2_image_library(ZLIB zlib)
sowlv2_image_library(TIFF libtiff-4 >=4.5)
sowlv2_image_library(WEBP libwebp)
sowlv2_image_library(WEBPDEMUX libwebpdemux)
find_package(GIF 5 REQUIRED) # no pkg-config file
# AVIF and HEIC images; everything else works without them.
option(SOWLV2_AVIF "Read AVIF where libavif is there" ON)
option(SOWLV2_HEIF "Read HEIC where libheif is there" ON)
if(SOWLV2_AVIF)
  sowlv2_image_library(AVIF libavif >=0.11 OPTIONAL)
endif()
if(SOWLV2_HEIF)
  sowlv2_image_library(HEIF libheif >=1.12 OPTIONAL)
  if(HEIF_FOUND)
    # Bounds the memory and the time of HEIC images; without it libheif's own decoder is used.
    sowlv2_image_library(DE265 libde265 >=1.0.7 OPTIONAL)
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
