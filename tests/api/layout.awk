# Of a preprocessed header (cc -E -P): a program that prints how its structs lie in memory, a line a
# field "struct.field OFFSET", "struct SIZE", "grows" behind the size of one that begins with its size, and its
# enumerators' values.
function flush_struct() {
  printf "    printf(\"struct %s %%zu%s\\n\", sizeof(struct %s));\n", name, grows ? " grows" : "", name
}
BEGIN {
  print "#include HEADER\n#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{"
}
/^enum *[a-z0-9_]* *\{/ { in_enum = 1 }
in_enum {
  text = $0
  while (match(text, /SOWLV2_[A-Z0-9_]+/)) {
    word = substr(text, RSTART, RLENGTH)
    printf "    printf(\"enum %s %%d\\n\", (int)%s);\n", word, word
    text = substr(text, RSTART + RLENGTH)
  }
  if (/\}/) in_enum = 0
  next
}
/^struct sowlv2_[a-z0-9_]+ *\{/ { name = $2; sub(/\{.*/, "", name); in_struct = 1; first = 1; grows = 0; rest = ""; next }
in_struct && /^\};/ { flush_struct(); in_struct = 0; next }
in_struct {
  rest = rest " " $0
  if (rest !~ /; *$/) next
  count = split(rest, members, /;/)
  rest = ""
  for (i = 1; i < count; i++) {
    member = members[i]
    if (match(member, /\(\*[a-z0-9_]+\)/)) fields = substr(member, RSTART + 2, RLENGTH - 3)
    else {
      gsub(/\[[^]]*\]/, "", member)
      fields = member
    }
    parts = split(fields, field, /,/)
    for (k = 1; k <= parts; k++) {
      sub(/ +$/, "", field[k])
      sub(/.*[ *]/, "", field[k])
      if (first && field[k] == "size") grows = 1
      first = 0
      printf "    printf(\"%s.%s %%zu\\n\", offsetof(struct %s, %s));\n", name, field[k], name, field[k]
    }
  }
}
END { print "    return 0;\n}" }
