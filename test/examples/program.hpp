// Runs a program of the build folder, and says how it ended and what it wrote.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace lamina::test {

struct Finished {
  int status = 0;      // of exit; negative: ended by that signal
  std::string output;  // standard output and standard error, in the order of writing
};

// The arguments reach the program as they stand; `environment` is put in front ("LANG=C").
inline Finished run_program(const std::string& name, const std::vector<std::string>& arguments,
                            const std::string& environment = {}) {
  std::string command = environment + " '" + LAMINA_BUILD_DIR + "/examples/" + name + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot start " + command);
  Finished finished;
  char piece[4096];
  while (const std::size_t count = fread(piece, 1, sizeof piece, pipe)) {
    finished.output.append(piece, count);
  }
  const int status = pclose(pipe);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return finished;
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace lamina::test
