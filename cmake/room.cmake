# canaryd_room(NAME rollout SOURCES a.cpp ... HEADERS a.hpp ... DEPS analysis stats LIBS SQLite::SQLite3)
#
# Makes the static library canaryd_<room> from src/<room>, and, when asked for, a check that each public header
# compiles alone. DEPS are rooms, LIBS are third-party targets. Sources and headers are listed, never globbed.
function(canaryd_room)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;HEADERS;DEPS;LIBS" ${ARGN})
  set(target canaryd_${ARG_NAME})
  list(TRANSFORM ARG_DEPS PREPEND canaryd_)
  add_library(${target} STATIC ${ARG_SOURCES})
  target_link_libraries(${target} PUBLIC canaryd_options ${ARG_DEPS} ${ARG_LIBS})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  canaryd_profile_room(${ARG_NAME})
  if(NOT ARG_NAME IN_LIST CANARYD_REQUEST_PATH)
    canaryd_link_plainly(${target})
    canaryd_in_units(${target})
  elseif(CANARYD_SANITIZE)
    canaryd_in_units(${target})
  endif()

  if(CANARYD_HEADER_CHECKS AND ARG_HEADERS)
    set(units "")
    foreach(header IN LISTS ARG_HEADERS)
      set(unit ${CMAKE_CURRENT_BINARY_DIR}/alone/${header}.cpp)
      file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"canaryd/${ARG_NAME}/${header}\"\n")
      list(APPEND units ${unit})
    endforeach()
    add_library(${target}_headers OBJECT ${units})
    target_link_libraries(${target}_headers PRIVATE ${target})
    # Only whether they compile is of interest.
    target_compile_options(${target}_headers PRIVATE -O0 -g0)
    set_source_files_properties(${units} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
  endif()
endfunction()

# canaryd_in_units(TARGET): in the sanitized presets, and elsewhere with CANARYD_UNITS, the sources are compiled several at
# a time, because what they share, headers and templates above all, costs more than they do. So no two files of a target may give one name to two things,
# also not without linkage; each must also compile alone, as in the other presets. Files with options of their own are
# left out.
function(canaryd_in_units target)
  if(NOT CANARYD_SANITIZE AND NOT CANARYD_UNITS)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A file's own types look to GCC as if a header had them.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# canaryd_test(NAME unit_rollout SOURCES a_test.cpp ... DEPS rollout store LABEL fast [ONE_THREAD] [THREADED filter]
#              [FILE_BY_FILE])
#
# One test program; each of its cases is a ctest case. LABEL is fast (default), slow or load. ONE_THREAD: it never has a
# second one, so that ThreadSanitizer has nothing to see and does without it; THREADED: only these of its cases have
# (a filter of GoogleTest's). FILE_BY_FILE: its files share names for their own helpers.
function(canaryd_test)
  cmake_parse_arguments(ARG "ONE_THREAD;FILE_BY_FILE" "NAME;LABEL;TIMEOUT;THREADED" "SOURCES;DEPS;LIBS" ${ARGN})
  if(ARG_ONE_THREAD AND CANARYD_SANITIZE STREQUAL "thread")
    return()
  endif()
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  if(CANARYD_SANITIZE AND NOT ARG_LABEL STREQUAL "fast")
    return() # Long even when optimised.
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  list(TRANSFORM ARG_DEPS PREPEND canaryd_)
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} ${ARG_LIBS} canaryd_options GTest::gmock
                                            GTest::gtest_main)
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests
                                                 ${PROJECT_SOURCE_DIR}/src)
  if(CANARYD_SANITIZE)
    # A sanitized program is slow to start and its tests are slow to compile optimised: one start, and no optimising,
    # for what is looked for is in the rooms.
    target_compile_options(${ARG_NAME} PRIVATE -O0)
    canaryd_precompiled_gtest(${ARG_NAME})
    if(NOT ARG_FILE_BY_FILE)
      canaryd_in_units(${ARG_NAME})
    endif()
    set(filter)
    if(ARG_THREADED AND CANARYD_SANITIZE STREQUAL "thread")
      set(filter --gtest_filter=${ARG_THREADED})
    endif()
    add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME} --gtest_brief=1 ${filter})
    set_tests_properties(${ARG_NAME} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 900)
  else()
    gtest_discover_tests(
      ${ARG_NAME}
      DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
  endif()
endfunction()

# canaryd_precompiled_gtest(TARGET): GoogleTest is half of what a test file costs to compile, so it is parsed once, by GCC
# for the sanitized presets. The others parse it in each file. A compiler cache needs the option, and
# CCACHE_SLOPPINESS=pch_defines,time_macros (scripts/test.sh).
function(canaryd_precompiled_gtest target)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  if(NOT TARGET canaryd_gtest_pch)
    set(unit ${PROJECT_BINARY_DIR}/gtest_pch.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "// Only there to have GoogleTest precompiled.\n")
    add_library(canaryd_gtest_pch OBJECT ${unit})
    target_link_libraries(canaryd_gtest_pch PRIVATE canaryd_options GTest::gmock)
    target_compile_options(canaryd_gtest_pch PRIVATE -O0 -fpch-preprocess)
    target_precompile_headers(canaryd_gtest_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_precompile_headers(${target} REUSE_FROM canaryd_gtest_pch)
endfunction()

# For tests that read files of the tree. Of those sources alone: a compiler cache serves all others to
# any checkout.
function(canaryd_knows_source_dir)
  set_property(
    SOURCE ${ARGN}
    APPEND
    PROPERTY COMPILE_DEFINITIONS CANARYD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()
