# The toolchain for arm64: cmake --preset release -B build/arm64 --toolchain cmake/arm64.cmake
set(SKALD_PROCESSOR aarch64)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
