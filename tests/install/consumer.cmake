# SPDX-License-Identifier: BSL-1.0
# What both consumers build, once they have kin::kin.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
add_compile_options(-fvisibility=hidden -Wall -Wextra -Werror)

add_executable(program ../program.cpp)
target_link_libraries(program PRIVATE kin::kin)
if(TARGET kin::main)
  add_executable(program_without_init ../program_without_init.cpp)
  target_link_libraries(program_without_init PRIVATE kin::main)
endif()
