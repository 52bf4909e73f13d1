# Everything comes from Debian's packages (scripts/install-deps.sh); nothing is downloaded.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(SQLite3 REQUIRED)
find_package(tl-expected REQUIRED)
find_package(CLI11 REQUIRED)
find_package(date REQUIRED)

# Asio and Beast are compiled once, in src/net/asio_impl.cpp; every other file sees declarations only.
add_library(canaryd_asio INTERFACE)
target_link_libraries(canaryd_asio INTERFACE Boost::headers Threads::Threads OpenSSL::SSL)
target_compile_definitions(
  canaryd_asio
  INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
            BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)

if(CANARYD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
