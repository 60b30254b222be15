# Of arm64.cmake and amd64.cmake, which set SKALD_PROCESSOR: builds for that processor on a machine of another kind, and as always where
# the machine has it. Debian's cross compiler and the other architecture's libraries beside this machine's own
# (deploy/install-packages --for arm64 build); protoc, gRPC's plugin and node are this machine's. Tests run under qemu-user-static, where
# it is installed.
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL SKALD_PROCESSOR)
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SYSTEM_PROCESSOR ${SKALD_PROCESSOR})
  set(CMAKE_LIBRARY_ARCHITECTURE ${SKALD_PROCESSOR}-linux-gnu)
  set(CMAKE_C_COMPILER ${CMAKE_LIBRARY_ARCHITECTURE}-gcc)
  set(CMAKE_CXX_COMPILER ${CMAKE_LIBRARY_ARCHITECTURE}-g++)
  set(PKG_CONFIG_EXECUTABLE /usr/bin/${CMAKE_LIBRARY_ARCHITECTURE}-pkg-config)
  find_program(SKALD_QEMU qemu-${SKALD_PROCESSOR}-static)
  if(SKALD_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${SKALD_QEMU})
  endif()
endif()
