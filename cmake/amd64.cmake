# The toolchain for amd64: cmake --preset release -B build/amd64 --toolchain cmake/amd64.cmake
set(SKALD_PROCESSOR x86_64)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
