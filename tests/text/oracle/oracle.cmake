# The differential test: a sample, or all of it with ./dev test --all; run.sh says what is missing where it skips.
add_test(NAME text_oracle COMMAND ${CMAKE_CURRENT_LIST_DIR}/run.sh)
set_tests_properties(text_oracle PROPERTIES LABELS slow SKIP_RETURN_CODE 77 TIMEOUT 172800
                     ENVIRONMENT "SARDONYX_BIN=$<TARGET_FILE:sardonyx>")

# What compares with Debian's libsentencepiece, where it is installed; run.sh skips its folders elsewhere.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SENTENCEPIECE IMPORTED_TARGET sentencepiece)
if(SENTENCEPIECE_FOUND)
  add_executable(sentencepiece_server ${CMAKE_CURRENT_LIST_DIR}/sentencepiece_server.cc)
  target_link_libraries(sentencepiece_server PRIVATE sardonyx_flags PkgConfig::SENTENCEPIECE)
  sardonyx_test(text_sentencepiece_oracle SOURCES sentencepiece_oracle.cc LINKS text base PRIVATE PkgConfig::SENTENCEPIECE)
endif()
