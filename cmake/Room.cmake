# skald_library(NAME SRCS a.cc ... DEPS skald_base absl::status ...)
# skald_binary(NAME SRCS ... DEPS ...)            -> build/<preset>/bin/NAME
# skald_test(NAME SRCS a_test.cc ... DEPS ...)    -> one gtest program, each of its cases a ctest case
# skald_benchmark(NAME SRCS ... DEPS ...)         -> one Google Benchmark program
# DEPS of a library are PUBLIC: what a room may include, it links.

# Every program of a thread-sanitizer build knows which libraries are not instrumented.
function(skald_tsan_suppressions name)
  if(SKALD_SANITIZE MATCHES thread)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/tsan_suppressions.cc)
  endif()
endfunction()

function(skald_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

function(skald_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  skald_tsan_suppressions(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
endfunction()

function(skald_test name)
  if(NOT SKALD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  skald_tsan_suppressions(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

function(skald_benchmark name)
  if(NOT SKALD_BENCHMARKS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  skald_tsan_suppressions(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark benchmark::benchmark_main)
endfunction()

# skald_fuzz(NAME SRCS x_fuzz.cc DEPS ... SEEDS dir-or-.lines-file ...): a libFuzzer program in the fuzz preset
# (SKALD_FUZZ, which needs clang). Elsewhere a program that runs over its seeds, which is a ctest case. A seed is a
# file of a directory, or a line of a .lines or .txt file.
function(skald_fuzz name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;SEEDS" ${ARGN})
  list(TRANSFORM ARG_SEEDS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  if(SKALD_FUZZ)
    add_executable(${name} ${ARG_SRCS})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  elseif(SKALD_TESTS)
    add_executable(${name} ${ARG_SRCS} ${CMAKE_SOURCE_DIR}/base/testing/run_seeds.cc)
    skald_tsan_suppressions(${name})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS})
    add_test(NAME ${name} COMMAND ${name} ${ARG_SEEDS})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()
