# What every target of the project is compiled with, as one interface target.

option(CANARYD_WERROR "Warnings are errors (for developers, not for packagers)" OFF)
option(CANARYD_TESTS "Build the tests" ON)
option(CANARYD_BENCH "Build the benchmarks" OFF)
option(CANARYD_FUZZ "Build the fuzz targets with libFuzzer (clang only)" OFF)
option(CANARYD_HEADER_CHECKS "Compile each public header alone" OFF)
option(CANARYD_UNITS "Compile several files at a time, but for what a request passes" OFF)
set(CANARYD_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")
set(CANARYD_PROFILE "" CACHE STRING "GCC: generate, to count what runs, or use, what was counted in this directory")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(canaryd_options INTERFACE)
target_compile_features(canaryd_options INTERFACE cxx_std_20)
target_include_directories(canaryd_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(
  canaryd_options
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Wsign-conversion
            -Wnon-virtual-dtor
            -Wold-style-cast
            -Woverloaded-virtual
            $<$<BOOL:${CANARYD_WERROR}>:-Werror>)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # Where a processor multiplies and adds with one rounding, a verdict would not be what it is elsewhere, bit for bit.
  target_compile_options(canaryd_options INTERFACE -ffp-contract=off)
endif()
if(CANARYD_SANITIZE)
  # GCC's flow analysis is misled by the instrumentation; the other presets keep this warning.
  target_compile_options(
    canaryd_options
    INTERFACE -fsanitize=${CANARYD_SANITIZE} -fno-omit-frame-pointer
              $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(canaryd_options INTERFACE -fsanitize=${CANARYD_SANITIZE})
  if(CANARYD_SANITIZE STREQUAL "thread")
    # With its optimisation GCC 12 takes Asio's allocation of coroutine frames for one that does not match.
    target_compile_options(canaryd_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)
  endif()
  if(CANARYD_SANITIZE MATCHES "undefined")
    # These four are a quarter of what GCC's build takes, for what AddressSanitizer mostly sees too. Clang's build has them.
    target_compile_options(
      canaryd_options INTERFACE -fno-sanitize-recover=undefined
                                $<$<CXX_COMPILER_ID:GNU>:-fno-sanitize=null,alignment,object-size,vptr>)
  endif()
endif()
if(CANARYD_FUZZ)
  # The rooms report their coverage to libFuzzer; only the fuzz programs link its main().
  target_compile_options(canaryd_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# Link-time optimisation is for what a request passes through, and the programs that pass it. What else there is costs
# minutes of linking and gains nothing that can be measured.
set(CANARYD_REQUEST_PATH base http net proxy routing stats telemetry upstream)
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # When it links, GCC 12 takes the branches of an inlined string_view::find that cannot be for possible.
  add_link_options(-Wno-stringop-overread)
endif()
function(canaryd_link_plainly target)
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 takes an optimised "." + std::to_string(n) for an overlap (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
endfunction()

# canaryd_profile_room(NAME): what a request passes through is optimised by what a training run has counted
# (scripts/build-optimised.sh). The other rooms are not trained, and stay as they are.
function(canaryd_profile_room name)
  if(NOT name IN_LIST CANARYD_REQUEST_PATH)
    return()
  endif()
  if(CANARYD_PROFILE STREQUAL "generate")
    # Control's threads run some of it too.
    target_compile_options(canaryd_${name} PRIVATE -fprofile-generate -fprofile-update=prefer-atomic)
    target_link_libraries(canaryd_${name} PUBLIC gcov)
  elseif(CANARYD_PROFILE STREQUAL "use")
    # Counts of several threads are a little inconsistent; what the training did not reach is no reason to make it small.
    target_compile_options(canaryd_${name} PRIVATE -fprofile-use -fprofile-correction -fprofile-partial-training
                                                   -Wno-missing-profile)
  endif()
endfunction()

# canaryd_without_vptr_check(TARGET): for code that must run when descriptors have run out. UBSan's vptr check opens a
# pipe to probe memory and calls a sound object broken when it can't. Set on the sources, whose options come last.
function(canaryd_without_vptr_check target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -fno-sanitize=vptr)
endfunction()

# canaryd_without_overread_check(FILES): with -Og GCC 12 takes the branches of http/head_buffer.hpp that the length of a
# literal rules out for possible.
function(canaryd_without_overread_check)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -Wno-stringop-overread)
  endif()
endfunction()
