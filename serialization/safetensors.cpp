#include <algorithm>
#include <lamina/serialization/detail/atomic_save.hpp>
#include <lamina/serialization/detail/file_reader.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <lamina/serialization/detail/safetensors_header.hpp>
#include <lamina/serialization/detail/value_reader.hpp>
#include <lamina/serialization/safetensors.hpp>

namespace lamina {

namespace {

constexpr std::uint64_t kLargestHeader = 100'000'000;
constexpr std::uint64_t kLengthBytes = 8;

constexpr std::string_view kOwn = "lamina.";
constexpr std::string_view kInteger = "lamina.integer.";
constexpr std::string_view kNumber = "lamina.number.";
constexpr std::string_view kText = "lamina.text.";

using NamedTensor = std::pair<std::string, StateValue>;

std::string joined(std::string_view prefix, const std::string& name) {
  return std::string(prefix) + name;
}

DType dtype_of_tensor(const StateValue& value) {
  return std::visit(
      [](const auto& held) {
        if constexpr (requires { held.dtype(); }) return held.dtype();
        return DType::uint8;
      },
      value);
}

// The tensors of the file, values that are none turned into such or into metadata. Wide elements
// come first: then all are aligned, as they are in the files of the format's own library.
std::vector<NamedTensor> tensors_of(const StateDict& state, SafetensorsMetadata& metadata) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, value] : state) {
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      metadata[joined(kInteger, name)];
      tensors.emplace_back(name, Tensor<std::int64_t>::scalar(*integer));
    } else if (const auto* number = std::get_if<double>(&value)) {
      metadata[joined(kNumber, name)];
      tensors.emplace_back(name, Tensor<double>::scalar(*number));
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      metadata[joined(kText, name)] = *text;
    } else {
      tensors.emplace_back(name, value);
    }
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return bytes_of(dtype_of_tensor(a.second)) > bytes_of(dtype_of_tensor(b.second));
  });
  return tensors;
}

// Calls function(tensor) for a value that is one.
template <class Function>
void with_tensor(const StateValue& value, const Function& function) {
  std::visit(
      [&](const auto& held) {
        if constexpr (requires { held.dtype(); }) function(held);
      },
      value);
}

struct OpenedFile {
  detail::FileReader reader;
  detail::SafetensorsHeader header;
  std::uint64_t data_offset = 0;

  OpenedFile(FileSystem& files, detail::FileTask task) : reader(files, std::move(task)) {
    const detail::FileTask& doing = reader.task();
    if (reader.size() < kLengthBytes) {
      doing.fail("hold the length of its header", std::to_string(reader.size()) + " bytes");
    }
    std::array<std::byte, kLengthBytes> length_bytes;
    reader.read(0, length_bytes);
    const auto length = detail::little_endian<std::uint64_t>(length_bytes);
    const std::uint64_t held = reader.size() - kLengthBytes;
    if (length > std::min(held, kLargestHeader)) {
      doing.fail(
          "have a header of at most " + std::to_string(std::min(held, kLargestHeader)) + " bytes",
          std::to_string(length));
    }
    std::string text(static_cast<std::size_t>(length), '\0');
    reader.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
    data_offset = kLengthBytes + length;
    header = detail::decode_safetensors_header(text, held - length, doing);
  }

  template <Element E>
  StateValue read(const detail::SafetensorsEntry& entry) {
    auto tensor = Tensor<E>::uninitialized(entry.shape);
    reader.read(data_offset + entry.begin, std::as_writable_bytes(tensor.mutable_values()));
    return tensor;
  }

  StateValue read_any(const detail::SafetensorsEntry& entry) {
    switch (entry.dtype) {
      case DType::float32:
        return read<float>(entry);
      case DType::float64:
        return read<double>(entry);
      case DType::int64:
        return read<std::int64_t>(entry);
      default:
        return read<std::uint8_t>(entry);
    }
  }

  // Whether the metadata mark a tensor as one of the state's plain values; the mark goes.
  bool takes_mark_of(const detail::SafetensorsEntry& entry) {
    if (entry.shape.rank() != 0) return false;
    const auto takes = [&](DType dtype, std::string_view mark) {
      return entry.dtype == dtype && header.metadata.erase(joined(mark, entry.name)) > 0;
    };
    return takes(DType::int64, kInteger) || takes(DType::float64, kNumber);
  }

  // The tensor, or the plain value that it stands for.
  StateValue value_of(const detail::SafetensorsEntry& entry, bool plain) {
    StateValue value = read_any(entry);
    if (!plain) return value;
    if (entry.dtype == DType::int64) return std::get<Tensor<std::int64_t>>(value).item();
    return std::get<Tensor<double>>(value).item();
  }

  // add(name, text) for the texts, which stand in the metadata alone; after all tensors had their
  // marks taken.
  template <class Contains, class Add>
  void take_texts(Contains contains, Add add) {
    for (auto& [key, text] : header.metadata) {
      if (!key.starts_with(kOwn)) continue;
      const std::string name = key.starts_with(kText) ? key.substr(kText.size()) : "";
      if (!detail::is_name(name) || contains(name)) {
        reader.task().fail("mark only values that it holds", "'" + key + "' in its metadata");
      }
      add(name, text);
    }
  }
};

// A file's values by name.
class SafetensorsValues : public detail::ValueReader {
 public:
  SafetensorsValues(FileSystem& files, detail::FileTask task) : file_(files, std::move(task)) {
    for (auto& tensors = file_.header.tensors; !tensors.empty(); tensors.pop_front()) {
      detail::SafetensorsEntry& entry = tensors.front();
      const bool plain = file_.takes_mark_of(entry);
      std::string name = entry.name;
      values_.emplace(std::move(name), Held{.entry = std::move(entry), .plain = plain});
    }
    file_.take_texts([&](const std::string& name) { return values_.contains(name); },
                     [&](const std::string& name, std::string& text) {
                       values_.emplace(name, std::move(text));
                     });
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, value] : values_) names.push_back(name);
    return names;
  }

  StateValue read(const std::string& name) override {
    const auto& value_of_name = values_.at(name);
    if (const auto* text = std::get_if<std::string>(&value_of_name)) return *text;
    const Held& held = std::get<Held>(value_of_name);
    return file_.value_of(held.entry, held.plain);
  }

 private:
  struct Held {
    detail::SafetensorsEntry entry;
    bool plain = false;  // an integer or a number
  };
  OpenedFile file_;
  std::map<std::string, std::variant<Held, std::string>> values_;
};

}  // namespace

void save_safetensors(const std::string& path, const StateDict& state,
                      const SafetensorsMetadata& metadata, FileSystem& files) {
  const detail::FileTask task{.who = "save_safetensors", .path = path};
  for (const auto& [key, text] : metadata) {
    if (key.starts_with(kOwn)) {
      throw ArgumentError(task.who, "metadata must not begin with 'lamina.'; got '" + key + "'");
    }
  }
  detail::SafetensorsHeader header{.tensors = {}, .metadata = metadata};
  const std::vector<NamedTensor> tensors = tensors_of(state, header.metadata);
  std::uint64_t end = 0;
  for (const auto& [name, value] : tensors) {
    with_tensor(value, [&](const auto& tensor) {
      const std::uint64_t begin = end;
      end += static_cast<std::uint64_t>(tensor.bytes());
      header.tensors.push_back({.name = name,
                                .dtype = tensor.dtype(),
                                .shape = tensor.shape(),
                                .begin = begin,
                                .end = end});
    });
  }
  const std::string text = detail::encode_safetensors_header(header, task);
  if (text.size() > kLargestHeader) {
    task.fail("need a header of at most " + std::to_string(kLargestHeader) + " bytes",
              std::to_string(text.size()));
  }
  std::array<std::byte, kLengthBytes> length;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length[i] = static_cast<std::byte>(std::uint64_t{text.size()} >> (8 * i));
  }
  detail::atomic_save(files, task, [&](detail::Sink& sink) {
    sink.write(length);
    sink.write(std::as_bytes(std::span(text)));
    for (const auto& [name, value] : tensors) {
      with_tensor(value, [&](const auto& tensor) { sink.write(std::as_bytes(tensor.values())); });
    }
  });
}

StateDict load_safetensors(const std::string& path, FileSystem& files) {
  OpenedFile file(files, {.who = "load_safetensors", .path = path});
  StateDict state;
  // Each entry goes when its value has come: very many are not held twice.
  for (auto& tensors = file.header.tensors; !tensors.empty(); tensors.pop_front()) {
    detail::SafetensorsEntry& entry = tensors.front();
    StateValue value = file.value_of(entry, file.takes_mark_of(entry));
    state.add(std::move(entry.name), std::move(value));
  }
  file.take_texts(
      [&](const std::string& name) { return state.contains(name); },
      [&](const std::string& name, std::string& text) { state.add(name, std::move(text)); });
  return state;
}

std::unique_ptr<detail::ValueReader> detail::open_safetensors(FileSystem& files, FileTask task) {
  return std::make_unique<SafetensorsValues>(files, std::move(task));
}

SafetensorsMetadata load_safetensors_metadata(const std::string& path, FileSystem& files) {
  OpenedFile file(files, {.who = "load_safetensors_metadata", .path = path});
  std::erase_if(file.header.metadata,
                [](const auto& entry) { return entry.first.starts_with(kOwn); });
  return std::move(file.header.metadata);
}

}  // namespace lamina
