#include <algorithm>
#include <charconv>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/generation_writing.hpp>
#include <optional>

namespace lamina {

namespace {

constexpr std::string_view kSuffix = ".lamina";
constexpr std::size_t kDigits = 10;

FileSystem& files_of(const GenerationOptions& options) {
  return options.file_system ? *options.file_system : posix_file_system();
}

void check_options(const char* who, const GenerationOptions& options) {
  if (options.keep < 1) {
    throw ArgumentError(who, "keep must be at least 1; got " + std::to_string(options.keep));
  }
  if (options.prefix.empty() || options.prefix[0] == '.' ||
      options.prefix.find('/') != std::string::npos) {
    throw ArgumentError(who,
                        "prefix must be the beginning of a file name, without a dot in front; "
                        "got '" +
                            options.prefix + "'");
  }
}

struct Generation {
  std::int64_t number = 0;
  std::string path;
};

std::string file_name(const std::string& prefix, std::int64_t number) {
  std::string digits = std::to_string(number);
  digits.insert(0, kDigits - std::min(kDigits, digits.size()), '0');
  return prefix + "-" + digits + std::string(kSuffix);
}

// The number in the name of a generation; -1 for other files.
std::int64_t number_in(const std::string& name, const std::string& prefix) {
  const std::size_t length = prefix.size() + 1 + kDigits + kSuffix.size();
  if (name.size() != length || !name.starts_with(prefix + "-") || !name.ends_with(kSuffix)) {
    return -1;
  }
  std::int64_t number = -1;
  const char* first = name.data() + prefix.size() + 1;
  const auto [end, error] = std::from_chars(first, first + kDigits, number);
  return error == std::errc{} && end == first + kDigits ? number : -1;
}

// Oldest first.
std::vector<Generation> generations_in(FileSystem& files, const std::string& folder,
                                       const GenerationOptions& options) {
  std::vector<Generation> found;
  for (const std::string& name : files.list(folder)) {
    const std::int64_t number = number_in(name, options.prefix);
    if (number >= 0) found.push_back({number, folder + "/" + name});
  }
  std::sort(found.begin(), found.end(),
            [](const Generation& a, const Generation& b) { return a.number < b.number; });
  return found;
}

// The new file is safe already; a former one that cannot be removed is left for the next save.
void remove_oldest(FileSystem& files, const std::string& folder, const GenerationOptions& options) {
  try {
    const auto found = generations_in(files, folder, options);
    const auto keep = static_cast<std::size_t>(options.keep);
    for (std::size_t i = 0; i + keep < found.size(); ++i) {
      detail::remove_if_possible(files, found[i].path);
    }
  } catch (const std::system_error&) {
  }
}

}  // namespace

std::string detail::write_generation(const std::string& folder, const StateDict& state,
                                     const GenerationOptions& options) {
  FileSystem& files = files_of(options);
  FileTask task{.who = "save_generation", .path = folder};
  std::int64_t number = 0;
  try {
    files.make_folder(folder);
    const auto found = generations_in(files, folder, options);
    if (!found.empty()) number = found.back().number;
    task.path = folder + "/" + file_name(options.prefix, number + 1);
  } catch (const std::system_error& error) {
    task.fail("be a folder for checkpoints", error);
  }
  std::string path = atomic_save_new(
      files, task, folder, options.prefix, [&](Sink& sink) { write_container(sink, state, {}); },
      [&] { return file_name(options.prefix, ++number); });
  remove_oldest(files, folder, options);
  return path;
}

template <Scalar T>
StateDict detail::snapshot_of_generation(const std::string& folder, const CheckpointParts<T>& parts,
                                         const GenerationOptions& options) {
  check_options("save_generation", options);
  return snapshot_of(parts, {.who = "save_generation", .path = folder});
}

template <Scalar T>
std::string save_generation(const std::string& folder, const CheckpointParts<T>& parts,
                            const GenerationOptions& options) {
  return detail::write_generation(folder, detail::snapshot_of_generation(folder, parts, options),
                                  options);
}

template <Scalar T>
LoadedGeneration load_latest(const std::string& folder, const CheckpointParts<T>& parts,
                             const GenerationOptions& options) {
  check_options("load_latest", options);
  FileSystem& files = files_of(options);
  const std::vector<std::string> paths = list_generations(folder, options);
  LoadedGeneration loaded;
  for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
    const detail::FileTask task{.who = "load_latest", .path = *path};
    std::optional<detail::LoadedContent<T>> content;
    try {
      content.emplace(files, task, parts);
    } catch (const CheckpointError& error) {
      loaded.skipped.push_back(error.what());
      continue;
    }
    content->commit(parts);
    loaded.path = *path;
    return loaded;
  }
  std::string got = paths.empty() ? "none" : "none that is whole:";
  for (const std::string& text : loaded.skipped) got += "\n  " + text;
  detail::FileTask{.who = "load_latest", .path = folder}.fail(
      "hold a checkpoint named " + options.prefix + "-<number>" + std::string(kSuffix), got);
}

std::vector<std::string> list_generations(const std::string& folder,
                                          const GenerationOptions& options) {
  check_options("list_generations", options);
  std::vector<std::string> paths;
  try {
    for (auto& generation : generations_in(files_of(options), folder, options)) {
      paths.push_back(std::move(generation.path));
    }
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory) return {};
    detail::FileTask{.who = "list_generations", .path = folder}.fail("be a readable folder", error);
  }
  return paths;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template StateDict detail::snapshot_of_generation(const std::string&, const CheckpointParts<T>&, \
                                                    const GenerationOptions&);                     \
  template std::string save_generation(const std::string&, const CheckpointParts<T>&,              \
                                       const GenerationOptions&);                                  \
  template LoadedGeneration load_latest(const std::string&, const CheckpointParts<T>&,             \
                                        const GenerationOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
