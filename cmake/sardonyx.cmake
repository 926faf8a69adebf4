# Functions that give each folder under src/ its own target and its own include path.

# Signed integers wrap: tensors' elements do by the standard. UBSan reports overflow only without that flag, so its builds
# keep it for the loops over elements alone; sizes go through base/checked.h.
set(wraps TRUE)
if(SARDONYX_SANITIZE MATCHES undefined)
  set(wraps $<STREQUAL:$<TARGET_PROPERTY:NAME>,sdx_kernels>)
endif()
add_library(sardonyx_flags INTERFACE)
target_compile_options(sardonyx_flags INTERFACE -Wall -Wextra -Wpedantic $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local> -Wno-missing-field-initializers
                       $<$<BOOL:${wraps}>:-fno-strict-overflow> -ffp-contract=off)
if(SARDONYX_SANITIZE)
  target_compile_options(sardonyx_flags INTERFACE -fsanitize=${SARDONYX_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(sardonyx_flags INTERFACE -fsanitize=${SARDONYX_SANITIZE})
endif()

# sardonyx_folder(<name> [LINKS <folder>...] [PRIVATE <library>...])
# Makes target sdx_<name> of src/<name>/**.cc. Headers are reached as "<name>/x.h" through a link directory that only
# the targets which list this folder in LINKS can see, so an include that breaks the levels does not compile.
function(sardonyx_folder name)
  cmake_parse_arguments(arg "" "" "LINKS;PRIVATE" ${ARGN})
  set(view ${CMAKE_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${name} ${view}/${name} SYMBOLIC)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  list(TRANSFORM arg_LINKS PREPEND sdx_)
  if(sources)
    add_library(sdx_${name} STATIC ${sources})
    target_include_directories(sdx_${name} PUBLIC ${view})
    target_link_libraries(sdx_${name} PUBLIC ${arg_LINKS} PRIVATE sardonyx_flags ${arg_PRIVATE})
  else()
    add_library(sdx_${name} INTERFACE)
    target_include_directories(sdx_${name} INTERFACE ${view})
    target_link_libraries(sdx_${name} INTERFACE ${arg_LINKS})
  endif()
endfunction()

# sardonyx_test(<name> SOURCES <file>... LINKS <folder>... [DATA <dir>...]): a GoogleTest binary registered with CTest.
function(sardonyx_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;PRIVATE" ${ARGN})
  list(TRANSFORM arg_LINKS PREPEND sdx_)
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE sardonyx_flags ${arg_LINKS} ${arg_PRIVATE} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE SARDONYX_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
endfunction()
