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
if(TARGET kin::worker)
  add_library(plugin MODULE ../plugin.cpp)
  target_link_libraries(plugin PRIVATE kin::kin)
  set(is_shared "$<STREQUAL:$<TARGET_PROPERTY:kin::kin,TYPE>,SHARED_LIBRARY>")
  target_compile_definitions(plugin PRIVATE "WORKER=\"$<IF:${is_shared},,$<TARGET_FILE:kin::worker>>\"")
  add_executable(plugin_host ../plugin_host.cpp)
  target_compile_definitions(plugin_host PRIVATE "PLUGIN=\"$<TARGET_FILE:plugin>\"")
  target_link_libraries(plugin_host PRIVATE ${CMAKE_DL_LIBS})
  add_dependencies(plugin_host plugin kin::worker)
endif()
