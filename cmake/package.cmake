# SPDX-License-Identifier: BSL-1.0
# Installing kin: the library and its headers, find_package(kin), pkg-config, and a .deb by CPack.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kin")

install(TARGETS kin EXPORT kin FILE_SET HEADERS)
install(TARGETS kin_worker EXPORT kin)
install(EXPORT kin NAMESPACE kin:: FILE kin-targets.cmake DESTINATION "${package_dir}")
if(TARGET kin_main)
  install(TARGETS kin_main EXPORT kin-main)
  install(EXPORT kin-main NAMESPACE kin:: FILE kin-main-targets.cmake DESTINATION "${package_dir}")
endif()

configure_package_config_file(cmake/kin-config.cmake.in kin-config.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(kin-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/kin-config.cmake" "${PROJECT_BINARY_DIR}/kin-config-version.cmake"
        DESTINATION "${package_dir}")

# Relative to the .pc file, so that the tree can be moved; LIBDIR may have two parts (lib/x86_64-linux-gnu).
file(RELATIVE_PATH kin_prefix_from_pc "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" kin_prefix_from_pc "${kin_prefix_from_pc}")
configure_file(cmake/kin.pc.in kin.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/kin.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(TARGET kin_main)
  configure_file(cmake/kin-main.pc.in kin-main.pc @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/kin-main.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
install(FILES LICENSE README.md CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")

if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME libkin-dev)
  set(CPACK_PACKAGE_CONTACT "the maintainers of kin")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_STRIP_FILES ON)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  find_program(KIN_SHLIBDEPS dpkg-shlibdeps)
  if(BUILD_SHARED_LIBS AND KIN_SHLIBDEPS)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  endif()
  include(CPack)
endif()
