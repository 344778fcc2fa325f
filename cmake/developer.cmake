# SPDX-License-Identifier: BSL-1.0
# What those who work on kin ask of the compiler: warnings as errors, sanitizers. Nothing here reaches a consumer.

if(KIN_SANITIZE)
  add_compile_options(-fsanitize=${KIN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${KIN_SANITIZE})
  if(KIN_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

function(kin_developer target)
  if(KIN_DEVELOPER)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wnon-virtual-dtor
                                             -Woverloaded-virtual -Werror)
    # In a unity build a local name is taken for a shadow of what another file has.
    get_target_property(unity ${target} UNITY_BUILD)
    if(NOT unity)
      target_compile_options(${target} PRIVATE -Wshadow)
    endif()
  endif()
endfunction()
