# SPDX-License-Identifier: BSL-1.0
# The laws that a machine can hold.

add_test(NAME house.rooms COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/check_rooms.py")
add_test(NAME house.check_rooms_finds_each_fault
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/house/check_rooms_test.py")
add_test(NAME house.every_mutant_is_compiled_and_tested
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/house/mutants_test.py")
set_tests_properties(house.rooms house.check_rooms_finds_each_fault house.every_mutant_is_compiled_and_tested
                     PROPERTIES LABELS house TIMEOUT 60)

if(KIN_VERIFY_HEADERS)
  add_test(NAME house.each_header_compiles_alone
           COMMAND "${CMAKE_COMMAND}" --build "${PROJECT_BINARY_DIR}" --target all_verify_interface_header_sets)
  set_tests_properties(house.each_header_compiles_alone PROPERTIES LABELS house TIMEOUT 900 RUN_SERIAL ON)
endif()

# So that who builds kin with CMAKE_UNITY_BUILD can, whatever the size of a batch; and no name has two meanings.
get_target_property(sources kin SOURCES)
list(TRANSFORM sources REPLACE "(.+)" "#include \"\\1\"")
list(JOIN sources "\n" all_sources)
file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/all_sources.cpp" CONTENT "${all_sources}\n")
add_test(NAME house.all_sources_compile_as_one
         COMMAND "${CMAKE_CXX_COMPILER}" -std=c++20 -Wall -Wextra -Werror -O0 -c -o /dev/null "-I${PROJECT_SOURCE_DIR}/include"
                 "-I${PROJECT_SOURCE_DIR}/src" "${CMAKE_CURRENT_BINARY_DIR}/all_sources.cpp")
set_tests_properties(house.all_sources_compile_as_one PROPERTIES LABELS house TIMEOUT 120)

# The models of what two processes do to shared memory, by spin (Debian: spin).
find_program(KIN_SPIN spin)
if(KIN_SPIN)
  add_test(NAME models.are_right_and_their_mutants_wrong
           COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/models/check.py" "${KIN_SPIN}" "${CMAKE_CXX_COMPILER}" ring_bell)
  set_tests_properties(models.are_right_and_their_mutants_wrong PROPERTIES LABELS house TIMEOUT 600)
  # Millions of states.
  add_test(NAME models.queue_is_right_and_its_mutants_wrong
           COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/models/check.py" "${KIN_SPIN}" "${CMAKE_CXX_COMPILER}" queue)
  set_tests_properties(models.queue_is_right_and_its_mutants_wrong PROPERTIES LABELS long TIMEOUT 1800)
  foreach(model IN ITEMS turn bell object_life condition_variable)
    add_test(NAME models.${model}_is_right_and_its_mutants_wrong
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/models/check.py" "${KIN_SPIN}" "${CMAKE_CXX_COMPILER}" ${model})
    set_tests_properties(models.${model}_is_right_and_its_mutants_wrong PROPERTIES LABELS long TIMEOUT 1800)
  endforeach()
else()
  message(WARNING "spin was not found (Debian: spin): the models in models/ are not checked.")
endif()
