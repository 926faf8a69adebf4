# How the kernel files are compiled: Highway with at most three x86 instruction sets, or one in development builds.
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
target_link_libraries(sdx_kernels PRIVATE PkgConfig::HWY)

# Each kernel file is re-included once per instruction set; the name that it is re-included by comes from here.
file(GLOB_RECURSE kernel_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/*.cc)
foreach(source ${kernel_sources})
  file(RELATIVE_PATH include_name ${CMAKE_CURRENT_SOURCE_DIR} ${source})
  set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS HWY_TARGET_INCLUDE="${include_name}"
                              COMPILE_OPTIONS "$<$<CONFIG:Release>:-O3>")
endforeach()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  if(SARDONYX_STATIC_TARGET)
    set(hwy_targets HWY_COMPILE_ONLY_STATIC HWY_BASELINE_TARGETS=HWY_AVX2)
  else()
    set(hwy_targets HWY_BASELINE_TARGETS=HWY_SSE4 HWY_DISABLED_TARGETS=\(HWY_SSSE3|HWY_AVX3_DL\))
  endif()
elseif(SARDONYX_STATIC_TARGET)
  set(hwy_targets HWY_COMPILE_ONLY_STATIC)
else()
  set(hwy_targets HWY_DISABLED_TARGETS=\(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128\))
endif()
target_compile_definitions(sdx_kernels PRIVATE ${hwy_targets})

# GCC 12 takes the undefined operands inside its own AVX-512 intrinsics for uninitialised variables.
set_property(SOURCE ${CMAKE_CURRENT_SOURCE_DIR}/kernels/gemm_split_amx.cc ${CMAKE_CURRENT_SOURCE_DIR}/kernels/gemm_split_vnni.cc
             ${CMAKE_CURRENT_SOURCE_DIR}/kernels/gemm_int8_vnni.cc
             APPEND PROPERTY COMPILE_OPTIONS -Wno-uninitialized $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
# With it, GCC 12 stores accumulators that are used after the loop in each of its turns.
set_property(SOURCE ${CMAKE_CURRENT_SOURCE_DIR}/kernels/gemm_split_vnni.cc
             APPEND PROPERTY COMPILE_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-fno-tree-pre>)
