# SPDX-License-Identifier: GPL-3.0-or-later
# RINGSIDE_SANITIZE=address,undefined or thread: for the hosted code, never the module.
set(RINGSIDE_SANITIZE "" CACHE STRING "sanitizers for the hosted code")
if(RINGSIDE_SANITIZE)
  add_compile_options(-fsanitize=${RINGSIDE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${RINGSIDE_SANITIZE})
endif()
