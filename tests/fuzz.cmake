# SPDX-License-Identifier: BSL-1.0
# A short run of every fuzz target: they are built by the fuzz preset, whichever compiler builds the tests.

if(KIN_CLANG)
  set(fuzz_build "${PROJECT_SOURCE_DIR}/build/fuzz")
  add_test(NAME fuzz.configure COMMAND "${CMAKE_COMMAND}" --preset fuzz)
  add_test(NAME fuzz.build COMMAND "${CMAKE_COMMAND}" --build --preset fuzz)
  set_tests_properties(
    fuzz.configure fuzz.build PROPERTIES WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" FIXTURES_SETUP fuzz LABELS fuzz
                                         TIMEOUT 1200 RUN_SERIAL ON)
  set_tests_properties(fuzz.build PROPERTIES DEPENDS fuzz.configure)

  file(GLOB programs CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/fuzz" "${PROJECT_SOURCE_DIR}/fuzz/*.cpp")
  foreach(program IN LISTS programs)
    cmake_path(GET program STEM name)
    set(corpora "${fuzz_build}/corpus/${name}")
    file(MAKE_DIRECTORY "${corpora}")
    if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}")
      list(APPEND corpora "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}")
    endif()
    add_test(NAME fuzz.${name}
             COMMAND "${fuzz_build}/fuzz/${name}" -max_total_time=5 -timeout=10 -rss_limit_mb=2048
                     -malloc_limit_mb=64 -print_final_stats=1 -artifact_prefix=${fuzz_build}/${name}- ${corpora})
    set_tests_properties(fuzz.${name} PROPERTIES FIXTURES_REQUIRED fuzz LABELS fuzz TIMEOUT 120)
  endforeach()
endif()
