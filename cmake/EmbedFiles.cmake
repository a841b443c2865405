# dflop_embed_files(TARGET FUNCTION FOLDER FILES...)
#
# Compiles data files into TARGET as `std::span<const dflop::EmbeddedFile> dflop::FUNCTION()`, in the order given, with
# paths relative to FOLDER. A changed file is embedded anew at the next build.
function(dflop_embed_files target function folder)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${function}.cpp)
  list(JOIN ARGN "|" joined)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${source} -DFUNCTION=${function} -DFOLDER=${folder} "-DFILES=${joined}"
            -P ${PROJECT_SOURCE_DIR}/cmake/WriteEmbedded.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/WriteEmbedded.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()
