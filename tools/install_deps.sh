#!/usr/bin/env bash
# Installs the packages that the build and its tests need, where apt can; elsewhere names them.
# With --check: says what is missing for the build and fails, but installs nothing.
set -eu

build_packages="build-essential cmake pkg-config libdnnl-dev libjansson-dev libpcre2-dev libutf8proc-dev
  libjpeg-dev libspng-dev zlib1g-dev libtiff-dev libwebp-dev libgif-dev libavif-dev libheif-dev libde265-dev libyaml-dev libpango1.0-dev libcmocka-dev libavformat-dev libavcodec-dev libavutil-dev
  libcurl4-openssl-dev libssl-dev libswscale-dev libavdevice-dev"
test_packages="clang llvm ninja-build clang-format clang-tidy libomp-dev ffmpeg python3-venv fonts-noto-color-emoji"

# The compiler runtime with libFuzzer and the sanitizers belongs to the default clang's version.
missing() {
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

if ! command -v dpkg-query >/dev/null; then
  cat <<TEXT
sowlv2 needs, under your system's names for them: a C11 compiler with OpenMP, CMake 3.18, pkg-config,
oneDNN 2 (dnnl), jansson, PCRE2, utf8proc, libjpeg-turbo, libspng, libtiff 4.5, libwebp, giflib, libyaml, libcurl,
OpenSSL, Pango with Cairo, FFmpeg 5.1 (avformat, avcodec, avutil, swscale, avdevice), cmocka;
for AVIF and HEIC images, if wanted, libavif and libheif with libde265
(Fedora: gcc gcc-c++ cmake onednn-devel jansson-devel pcre2-devel utf8proc-devel libjpeg-turbo-devel
 libspng-devel libtiff-devel libwebp-devel giflib-devel libavif-devel libheif-devel libde265-devel libyaml-devel pango-devel ffmpeg-free-devel libcmocka-devel libcurl-devel
 openssl-devel).
TEXT
  exit 0
fi

wanted="$build_packages"
[ "${1:-}" = "--check" ] || wanted="$build_packages $test_packages"
# shellcheck disable=SC2086
absent=$(missing $wanted | tr '\n' ' ')
if [ "${1:-}" != "--check" ] && command -v clang >/dev/null; then
  version=$(clang -dumpversion | cut -d. -f1)
  absent="$absent$(missing "libclang-rt-$version-dev" | tr '\n' ' ')"
fi
[ -n "${absent// /}" ] || exit 0
if [ "${1:-}" = "--check" ]; then
  echo "sowlv2: packages are missing: $absent: run 'make deps'" >&2
  exit 1
fi

sudo=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "sowlv2: install as root: apt-get install $absent" >&2; exit 1; }
  sudo=sudo
fi
echo "Installing: $absent"
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $absent >/dev/null
if command -v clang >/dev/null; then
  version=$(clang -dumpversion | cut -d. -f1)
  runtime=$(missing "libclang-rt-$version-dev")
  if [ -n "$runtime" ] && apt-cache show "$runtime" >/dev/null 2>&1; then
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$runtime" >/dev/null
  fi
fi
