# The public API: the only code that sees both include/sardonyx and the internal folders.
set(view ${CMAKE_BINARY_DIR}/include/api)
file(MAKE_DIRECTORY ${view})
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/api ${view}/api SYMBOLIC)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/api/*.cc)
add_library(sdx_api STATIC ${sources})
target_include_directories(sdx_api PUBLIC ${CMAKE_SOURCE_DIR}/include ${view})
target_link_libraries(sdx_api PUBLIC sdx_base PRIVATE sardonyx_flags sdx_text sdx_engine sdx_generate nlohmann_json::nlohmann_json)
