# SPDX-License-Identifier: BSL-1.0
# The examples, run as their users run them.

set(examples "${PROJECT_BINARY_DIR}/examples")
file(GLOB names CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/examples/tour" "${PROJECT_SOURCE_DIR}/examples/tour/*.cpp")
list(TRANSFORM names REPLACE "\\.cpp$" "")
foreach(name IN LISTS names)
  add_test(NAME programs.tour.${name}
           COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/programs/tour_test.py" "${examples}/tour"
                   "${PROJECT_SOURCE_DIR}/examples/tour" ${name})
  list(APPEND tests programs.tour.${name})
endforeach()
foreach(name IN ITEMS crash timeout cancel retries imap nested progress)
  add_test(NAME programs.${name}
           COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/programs/example_test.py" "${examples}/${name}"
                   "${PROJECT_SOURCE_DIR}/examples/${name}.cpp" ${name})
  list(APPEND tests programs.${name})
endforeach()
add_test(NAME programs.wordcount COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/programs/wordcount_test.py"
                                         "${examples}/wordcount")
add_test(NAME programs.docs COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/programs/docs_test.py"
                                   "${CMAKE_CXX_COMPILER}" "${PROJECT_SOURCE_DIR}")
set_tests_properties(${tests} programs.docs programs.wordcount PROPERTIES LABELS programs TIMEOUT 300)
# A sanitizer's handler would end it in its own way.
set_tests_properties(programs.crash PROPERTIES ENVIRONMENT "ASAN_OPTIONS=handle_segv=0")
