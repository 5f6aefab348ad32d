# Flags of every target, and sowlv2_layer(): one target a layer, which sees only what it names (tools/lint_layers.sh).

add_library(sowlv2_flags INTERFACE)
target_compile_definitions(sowlv2_flags INTERFACE _GNU_SOURCE)
target_compile_options(sowlv2_flags INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef -fno-math-errno
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
  $<$<C_COMPILER_ID:Clang>:-Wno-pass-failed>) # under sanitizers no loop becomes vectors
# Costs nothing that can be measured: stack cookies, bounds of the C library's copies, the tables of functions closed
# before main(), no stack over another mapping, no jumps to where none are meant.
include(CheckCCompilerFlag)
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection)
  string(MAKE_C_IDENTIFIER SOWLV2_HAVE${flag} have)
  check_c_compiler_flag(${flag} ${have})
  if(${have})
    target_compile_options(sowlv2_flags INTERFACE ${flag})
  endif()
endforeach()
if(CMAKE_SYSTEM_NAME STREQUAL Linux)
  target_link_options(sowlv2_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(NOT SOWLV2_SANITIZE AND NOT SOWLV2_FUZZERS AND NOT CMAKE_BUILD_TYPE STREQUAL Debug)
  target_compile_options(sowlv2_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) # needs optimization
endif()

if(SOWLV2_WERROR)
  target_compile_options(sowlv2_flags INTERFACE -Werror)
endif()
if(SOWLV2_SANITIZE)
  target_compile_options(sowlv2_flags INTERFACE -fsanitize=${SOWLV2_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(sowlv2_flags INTERFACE -fsanitize=${SOWLV2_SANITIZE})
endif()
if(SOWLV2_FUZZERS)
  target_compile_options(sowlv2_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# For files of kernels, after sowlv2_flags: each load and store would be checked once more for what AddressSanitizer
# stops at too, and compiling them would take four times as long.
add_library(sowlv2_kernel_flags INTERFACE)
if(SOWLV2_SANITIZE MATCHES undefined)
  target_compile_options(sowlv2_kernel_flags INTERFACE -fno-sanitize=alignment,null,object-size,pointer-overflow)
endif()

# The public headers, as a layer names them.
add_library(sowlv2_headers INTERFACE)
target_include_directories(sowlv2_headers INTERFACE ${PROJECT_SOURCE_DIR}/include)

# sowlv2_layer(name SOURCES ... [USES layers and libraries])
# USES are the layers that its files include from, no more and no fewer, and libraries. Where a folder makes
# several layers, SOURCES list the headers too that have no .c file of their name.
# An object library: the shared and the static library are made of all of them.
function(sowlv2_layer name)
  cmake_parse_arguments(LAYER "" "" "SOURCES;USES" ${ARGN})
  add_library(sowlv2_${name} OBJECT ${LAYER_SOURCES})
  target_include_directories(sowlv2_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(sowlv2_${name} PUBLIC ${LAYER_USES} PRIVATE sowlv2_flags)
endfunction()

# What every test runs with: libraries' known leaks and locks, and threads that sleep while they wait, since
# tests run beside each other.
set(sowlv2_test_environment
  "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp"
  "TSAN_OPTIONS=ignore_noninstrumented_modules=1:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp"
  OMP_WAIT_POLICY=passive)

# sowlv2_test(name SOURCES ... USES ... [LEVELS level ...]): a cmocka program and its ctest entry NAME, run at
# the machine's best CPU level, and an entry NAME_LEVEL, labelled "levels", for each level named; one that the
# machine lacks is a skip that ctest counts.
# Object libraries must be named one by one: name every layer that the test needs, also indirectly.
function(sowlv2_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;USES;LEVELS" ${ARGN})
  add_executable(test_${name} ${TEST_SOURCES})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
    ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${TEST_USES} PkgConfig::CMOCKA sowlv2_flags m)
  target_compile_definitions(test_${name} PRIVATE TEST_DATA="${PROJECT_SOURCE_DIR}/tests")
  set(entry ${SOWLV2_TEST_PREFIX}${name})
  set(work ${CMAKE_CURRENT_BINARY_DIR}/${name}.run) # what one leaves where it stands is in no other's way
  file(MAKE_DIRECTORY ${work})
  add_test(NAME ${entry} COMMAND test_${name} WORKING_DIRECTORY ${work})
  set_tests_properties(${entry} PROPERTIES ENVIRONMENT "${sowlv2_test_environment}" SKIP_RETURN_CODE 77)
  foreach(level ${TEST_LEVELS})
    file(MAKE_DIRECTORY ${work}_${level})
    add_test(NAME ${entry}_${level} COMMAND test_${name} WORKING_DIRECTORY ${work}_${level})
    set_tests_properties(${entry}_${level} PROPERTIES
      ENVIRONMENT "${sowlv2_test_environment};SOWLV2_CPU=${level}" SKIP_RETURN_CODE 77 LABELS levels)
  endforeach()
endfunction()

# sowlv2_fuzzer(name SOURCES ... USES ... [SEEDS pattern ...]): a libFuzzer target fuzz_<name> with corpus
# tests/fuzz/corpus/<name>, and the files that match the patterns below tests/ besides.
function(sowlv2_fuzzer name)
  cmake_parse_arguments(FUZZ "" "" "SOURCES;USES;SEEDS" ${ARGN})
  if(SOWLV2_FUZZERS)
    add_executable(fuzz_${name} ${FUZZ_SOURCES})
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_USES} sowlv2_flags m)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers fuzz_${name})
    set(work ${CMAKE_CURRENT_BINARY_DIR}/new_${name})
    file(MAKE_DIRECTORY ${work})
    set(corpora ${work})
    if(EXISTS ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
      list(APPEND corpora ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    endif()
    if(FUZZ_SEEDS)
      list(TRANSFORM FUZZ_SEEDS PREPEND ${PROJECT_SOURCE_DIR}/tests/)
      file(GLOB seeds CONFIGURE_DEPENDS ${FUZZ_SEEDS})
      file(COPY ${seeds} DESTINATION ${CMAKE_CURRENT_BINARY_DIR}/seeds_${name})
      list(APPEND corpora ${CMAKE_CURRENT_BINARY_DIR}/seeds_${name})
    endif()
    add_test(NAME ${SOWLV2_TEST_PREFIX}${name} COMMAND fuzz_${name} -max_total_time=${SOWLV2_FUZZ_SECONDS}
      -timeout=20 -rss_limit_mb=4096 -verbosity=0 ${corpora})
  endif()
endfunction()
