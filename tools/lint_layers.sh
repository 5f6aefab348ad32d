#!/usr/bin/env bash
# lint_layers.sh [FOLDER]: fails where a file below src/ includes what its layer does not name.
# What a layer names are the USES of its sowlv2_layer() in CMakeLists.txt: these alone and directly, whatever they use
# themselves. A layer's files are its SOURCES; every other file belongs to the layer of its folder or, where the folder
# makes several layers, to that of the .c file of its name. sowlv2_headers is include/. A folder with a CMakeLists.txt
# but no layer, as the tool has, sees include/ alone. Tests, benchmarks and tools see everything, and nothing sees them.
set -eu
cd "${1:-$(dirname "$0")/..}"

# The includes that stand against docs/architecture.md: layer | headers | why. One that is no longer needed fails too.
exceptions() {
  cat <<'LIST'
src/cli | base/clock.h base/error.h base/file.h base/log.h base/strings.h base/url.h | until whole jobs are public
src/cli | hub/model_find.h text/tokenizer.h weights/hub_list.h weights/model_kind.h | until finding models is public
LIST
}

cmake_files=$(find src cmake -name CMakeLists.txt -o -name '*.cmake' | sort)
files=$(find src include -type f ! -name CMakeLists.txt ! -name '*.txt' | sort)
# shellcheck disable=SC2086
exceptions | awk '
function complain(text) { print text > "/dev/stderr"; faults++ }
function folder(path) { return sub(/\/[^\/]*$/, "", path) ? path : "." }
function normal(path,    parts, count, i, kept, top) { # without "." and ".."
  count = split(path, parts, "/")
  for (i = 1; i <= count; i++) {
    if (parts[i] == ".." && top > 0) top--
    else if (parts[i] != "." && parts[i] != "") kept[++top] = parts[i]
  }
  path = kept[1]
  for (i = 2; i <= top; i++) path = path "/" kept[i]
  return path
}
# The file that a compiler takes, or "" for a header of the system.
function resolve(from, name,    path) {
  path = normal(folder(from) "/" name); if (path in exists) return path
  path = normal("src/" name); if (path in exists) return path
  path = normal("include/" name); if (path in exists) return path
  return name ~ /\.\./ ? normal(folder(from) "/" name) : ""
}
function owner(path,    place, stem) {
  if (path in owned) return owned[path]
  if (path ~ /^include\//) return "headers"
  place = folder(path)
  while (place != "." && !(place in layers_in)) place = folder(place)
  if (place == ".") return ""
  if (layers_in[place] == 0) return place
  if (layers_in[place] == 1) return only[place]
  stem = path
  sub(/\.[^.\/]*$/, ".c", stem)
  return stem in owned ? owned[stem] : ""
}
function read_layers(file,    text, words, count, i, name, state, path) {
  for (text = cmake[file]; match(text, /sowlv2_layer *\(/);) {
    text = substr(text, RSTART + RLENGTH)
    count = split(substr(text, 1, index(text, ")") - 1), words, /[ \t]+/)
    name = state = ""
    for (i = 1; i <= count; i++) {
      if (words[i] == "") continue
      if (words[i] ~ /\$/) complain(file ": layer " name ": write " words[i] " out, this lint does not expand it")
      else if (name == "") {
        name = only[folder(file)] = words[i]
        made_in[name] = file
        layers_in[folder(file)]++
        layers++
      } else if (words[i] == "SOURCES" || words[i] == "USES") state = words[i]
      else if (state == "SOURCES") {
        path = normal(folder(file) "/" words[i])
        if (path in owned) complain(file ": " path " is in layer " owned[path] " and in layer " name)
        owned[path] = name
      } else if (words[i] ~ /^sowlv2_/) uses[name, substr(words[i], 8)] = 1
    }
  }
}
BEGIN {
  for (i = 2; i < ARGC; i++) exists[ARGV[i]] = 1
  made_in["headers"] = "include"
}
FILENAME == "-" {
  if (split($0, field, / *\| */) != 3 || field[3] == "") complain("exception without a reason: " $0)
  count = split(field[2], headers, / +/)
  for (i = 1; i <= count; i++) excepted[field[1], headers[i]] = 1
  next
}
FILENAME ~ /(CMakeLists\.txt|\.cmake)$/ {
  sub(/#.*/, "")
  cmake[FILENAME] = cmake[FILENAME] " " $0
  if (match($0, /add_library\(sowlv2_[a-z0-9_]+/)) other[substr($0, RSTART + 19, RLENGTH - 19)] = 1
  next
}
/^[ \t]*#[ \t]*include/ {
  include_file[++includes] = FILENAME
  include_line[includes] = FNR
  include_text[includes] = $0
}
END {
  for (file in cmake) if (file ~ /^src\/.*\/CMakeLists\.txt$/) { layers_in[folder(file)] += 0; read_layers(file) }
  if (!layers) complain("no sowlv2_layer() below src/")
  for (i = 1; i <= includes; i++) {
    place = include_file[i] ":" include_line[i] ": " include_text[i]
    name = include_text[i]
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    if (name !~ /^["<]/) { complain(place ": write the file'"'"'s name, this lint does not expand macros"); continue }
    name = substr(name, 2)
    sub(/[">].*/, "", name)
    target = resolve(include_file[i], name)
    if (target == "") continue
    from = owner(include_file[i])
    to = owner(target)
    if (from == "" || to == "") {
      if (from == "") target = include_file[i]
      if (!reported[target]++) complain(place ": " target " is in no layer, list it in SOURCES")
      continue
    }
    if (from == to) continue
    used[from, to] = 1
    sub(/^(src|include)\//, "", target)
    if ((from, to) in uses || (to == "headers" && !(from in made_in))) continue
    if ((from, target) in excepted) excepted[from, target] = 2
    else if (from in made_in)
      complain(place ": layer " from " does not name sowlv2_" to " in its USES (" made_in[from] ")")
    else complain(place ": " from " sees include/ alone, and this is of layer " to)
  }
  for (edge in uses) {
    split(edge, part, SUBSEP)
    if (part[2] in made_in && !(edge in used))
      complain(made_in[part[1]] ": layer " part[1] " names sowlv2_" part[2] " in its USES and includes nothing of it")
    if (!(part[2] in made_in) && !(part[2] in other))
      complain(made_in[part[1]] ": layer " part[1] " names sowlv2_" part[2] ", which is no layer")
  }
  for (edge in excepted) if (excepted[edge] != 2) {
    split(edge, part, SUBSEP)
    complain("tools/lint_layers.sh: the exception for " part[2] " in " part[1] " is no longer needed: remove it")
  }
  if (faults) exit 1
  printf "lint-layers: %d includes in %d layers, as named\n", includes, layers
}' - $cmake_files $files
