# The reference program of the oracle test, where Debian's libsentencepiece is installed; run.sh skips its folders elsewhere.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SENTENCEPIECE IMPORTED_TARGET sentencepiece)
if(SENTENCEPIECE_FOUND)
  add_executable(sentencepiece_server ${CMAKE_CURRENT_LIST_DIR}/sentencepiece_server.cc)
  target_link_libraries(sentencepiece_server PRIVATE sardonyx_flags PkgConfig::SENTENCEPIECE)
endif()
