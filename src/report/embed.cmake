# cmake -DOUTPUT=F.c -DFILES=a;b -P embed.cmake: writes each file as a C array, ae_a and ae_a_size for "a" ("page.css" is
# page_css), so that style sheet and script are files of their own and the library needs none beside it.
set(code "#include <stddef.h>\n")
foreach(path IN LISTS FILES)
  get_filename_component(name ${path} NAME)
  string(MAKE_C_IDENTIFIER ${name} name)
  file(READ ${path} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND code "extern const unsigned char ae_${name}[];\nextern const size_t ae_${name}_size;\n"
                     "const unsigned char ae_${name}[] = {${bytes}0};\n"
                     "const size_t ae_${name}_size = ${size};\n")
endforeach()
file(WRITE ${OUTPUT} "${code}")
