# What is installed beside the programs. Manual pages, completions and the schema are printed by them, from the tables that
# they parse with.
include(GNUInstallDirs)

# canaryd_printed(canaryctl FILE canaryctl.1 FOLDER share/man/man1 ARGUMENTS man)
function(canaryd_printed program)
  cmake_parse_arguments(ARG "" "FILE;FOLDER" "ARGUMENTS" ${ARGN})
  set(file ${PROJECT_BINARY_DIR}/documents/${ARG_FILE})
  add_custom_command(
    OUTPUT ${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/documents
    COMMAND $<TARGET_FILE:${program}> ${ARG_ARGUMENTS} > ${file}
    DEPENDS ${program}
    VERBATIM)
  set_property(GLOBAL APPEND PROPERTY CANARYD_PRINTED ${file})
  install(FILES ${file} DESTINATION ${ARG_FOLDER})
endfunction()

canaryd_printed(canaryd FILE canaryd.8 FOLDER ${CMAKE_INSTALL_MANDIR}/man8 ARGUMENTS man canaryd)
canaryd_printed(canaryd FILE canaryd.yaml.5 FOLDER ${CMAKE_INSTALL_MANDIR}/man5 ARGUMENTS man canaryd.yaml)
canaryd_printed(canaryctl FILE canaryctl.1 FOLDER ${CMAKE_INSTALL_MANDIR}/man1 ARGUMENTS man)
canaryd_printed(canaryd FILE canaryd.schema.json FOLDER ${CMAKE_INSTALL_DATADIR}/canaryd ARGUMENTS schema)
set(share ${CMAKE_INSTALL_DATADIR})
foreach(program canaryd canaryctl)
  canaryd_printed(${program} FILE ${program} FOLDER ${share}/bash-completion/completions ARGUMENTS completion bash)
  canaryd_printed(${program} FILE _${program} FOLDER ${share}/zsh/site-functions ARGUMENTS completion zsh)
  canaryd_printed(${program} FILE ${program}.fish FOLDER ${share}/fish/vendor_completions.d ARGUMENTS completion fish)
endforeach()
get_property(printed GLOBAL PROPERTY CANARYD_PRINTED)
add_custom_target(documents ALL DEPENDS ${printed})

# The unit names the program by the place where it is installed, which is known only then (--prefix).
set(CANARYD_SYSTEMD_UNIT_DIR lib/systemd/system CACHE STRING "Where the units of systemd go: below the prefix, or absolute")
set(service ${PROJECT_BINARY_DIR}/documents/canaryd.service)
install(
  CODE "get_filename_component(program \"${CMAKE_INSTALL_BINDIR}/canaryd\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
  file(READ \"${PROJECT_SOURCE_DIR}/config/systemd/canaryd.service\" text)
  string(REPLACE /usr/bin/canaryd \"\${program}\" text \"\${text}\")
  file(WRITE \"${service}\" \"\${text}\")")
install(FILES ${service} config/systemd/canaryd.socket DESTINATION ${CANARYD_SYSTEMD_UNIT_DIR})

install(DIRECTORY config/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.yaml")
install(FILES config/canaryd.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
