# SPDX-License-Identifier: GPL-2.0-or-later
# Where the kernel's headers are, and how a module is built out of the source tree.

# RINGSIDE_KDIR: kernel build tree. Default: the newest Debian headers on this machine, which is
# also the kernel the lab boots.
if(NOT RINGSIDE_KDIR)
  file(GLOB RINGSIDE_KDIRS LIST_DIRECTORIES true /lib/modules/*/build /usr/src/linux-headers-*-amd64)
  list(SORT RINGSIDE_KDIRS COMPARE NATURAL)
  if(RINGSIDE_KDIRS)
    list(GET RINGSIDE_KDIRS -1 RINGSIDE_KDIR_FOUND)
  endif()
  set(RINGSIDE_KDIR "${RINGSIDE_KDIR_FOUND}" CACHE PATH "kernel build tree" FORCE)
endif()
if(NOT EXISTS "${RINGSIDE_KDIR}/Makefile")
  message(FATAL_ERROR "no kernel headers found (looked for /usr/src/linux-headers-*-amd64); "
                      "install linux-headers-amd64, set RINGSIDE_KDIR, or use -DRINGSIDE_MODULE=OFF")
endif()

# ringside_add_module(NAME SOURCES file ... [OBJECTS object ...] [DEPENDS target ...])
# Builds NAME.ko in the current binary directory from a copy of SOURCES (which include a Kbuild)
# and ready-made OBJECTS.
function(ringside_add_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;OBJECTS;DEPENDS" ${ARGN})
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name})
  set(copies "")
  foreach(source ${arg_SOURCES})
    cmake_path(GET source FILENAME file)
    add_custom_command(OUTPUT ${dir}/${file}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${dir}
      COMMAND ${CMAKE_COMMAND} -E copy ${source} ${dir}/${file}
      DEPENDS ${source})
    list(APPEND copies ${dir}/${file})
  endforeach()
  foreach(object ${arg_OBJECTS})
    cmake_path(GET object FILENAME file)
    # kbuild takes ready-made objects as file.o_shipped and wants a .cmd file beside them.
    add_custom_command(OUTPUT ${dir}/${file}_shipped
      COMMAND ${CMAKE_COMMAND} -E make_directory ${dir}
      COMMAND ${CMAKE_COMMAND} -E copy ${object} ${dir}/${file}_shipped
      COMMAND ${CMAKE_COMMAND} -E touch ${dir}/.${file}.cmd
      DEPENDS ${object})
    list(APPEND copies ${dir}/${file}_shipped)
  endforeach()
  add_custom_command(OUTPUT ${dir}/${name}.ko
    COMMAND ${CMAKE_COMMAND} -E env --unset=MAKEFLAGS --unset=MAKELEVEL
            make -s -C ${RINGSIDE_KDIR} M=${dir} CC=gcc-12
            RINGSIDE_UAPI=${CMAKE_SOURCE_DIR}/uapi RINGSIDE_CORE=${CMAKE_SOURCE_DIR}/core modules
    DEPENDS ${copies} ${arg_DEPENDS}
    COMMENT "kernel module ${name}.ko"
    VERBATIM)
  add_custom_target(${name}_ko ALL DEPENDS ${dir}/${name}.ko)
  set_target_properties(${name}_ko PROPERTIES RINGSIDE_KO ${dir}/${name}.ko)
endfunction()
