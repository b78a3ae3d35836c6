#include <array>
#include <lamina/autograd/tensor/detail/npy_header.hpp>
#include <lamina/serialization/detail/atomic_save.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <lamina/serialization/detail/value_reader.hpp>
#include <lamina/serialization/detail/zip_stream.hpp>
#include <lamina/serialization/npz.hpp>
#include <map>

namespace lamina {

namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr std::string_view kInteger = "integer", kNumber = "number", kText = "text";

// A member before it is written: a header of its own and the elements of a tensor.
struct Array {
  StateValue tensor;
  std::string comment;
};

Tensor<std::uint8_t> bytes_of_text(const std::string& text) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(text.data());
  return {Shape{static_cast<std::int64_t>(text.size())},
          std::span<const std::uint8_t>(first, text.size())};
}

Array array_of(const StateValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return {Tensor<std::int64_t>::scalar(*integer), std::string(kInteger)};
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return {Tensor<double>::scalar(*number), std::string(kNumber)};
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return {bytes_of_text(*text), std::string(kText)};
  }
  return {value, {}};
}

class NpzWriter {
 public:
  NpzWriter(detail::Sink& sink, const detail::FileTask& task, const NpzOptions& options)
      : sink_(sink), task_(task), options_(options) {}

  void add(const std::string& name, const Array& array) {
    std::visit(
        [&](const auto& held) {
          if constexpr (requires { held.dtype(); }) {
            const std::string header = detail::npy_header(held.dtype(), held.shape());
            write(name, array.comment, header, std::as_bytes(held.values()));
          }
        },
        array.tensor);
  }

  void finish() {
    const std::string directory = detail::zip_directory(members_, end_);
    require_below_limit(end_ + directory.size());
    sink_.write(std::as_bytes(std::span(directory)));
  }

 private:
  using Bytes = std::span<const std::byte>;

  void write(const std::string& name, const std::string& comment, const std::string& header,
             Bytes elements) {
    const std::array<Bytes, 2> parts{std::as_bytes(std::span(header)), elements};
    detail::ZipMember member{.name = name + std::string(kSuffix),
                             .comment = comment,
                             .checksum = detail::zip_checksum(parts),
                             .size = header.size() + elements.size(),
                             .offset = end_};
    member.compressed_size = member.size;
    require_below_limit(end_ + member.size);
    std::string compressed;
    if (options_.compress) {
      member.method = detail::ZipMethod::deflated;
      compressed = detail::deflated(parts);
      member.compressed_size = compressed.size();
    }
    const std::string local = detail::zip_local_header(member);
    require_below_limit(end_ + local.size() + member.compressed_size);
    sink_.write(std::as_bytes(std::span(local)));
    if (options_.compress) {
      sink_.write(std::as_bytes(std::span(compressed)));
    } else {
      for (const Bytes part : parts) sink_.write(part);
    }
    end_ += local.size() + member.compressed_size;
    members_.push_back(std::move(member));
  }

  void require_below_limit(std::uint64_t bytes) const {
    if (bytes >= detail::kZipLimit) {
      task_.fail("stay below 4 GiB as a ZIP file", std::to_string(bytes) + " bytes");
    }
  }

  detail::Sink& sink_;
  const detail::FileTask& task_;
  const NpzOptions& options_;
  std::vector<detail::ZipMember> members_;
  std::uint64_t end_ = 0;
};

class MemberReader {
 public:
  MemberReader(detail::FileReader& file, const detail::ZipMember& member)
      : task_(file.task()), member_(member), stream_(file, member) {}

  StateValue read() {
    const detail::NpySource source{.who = task_.who,
                                   .name = "'" + task_.path + "': '" + member_.name + "'",
                                   .read = [this](void* to, std::size_t bytes) {
                                     return stream_.read({static_cast<std::byte*>(to), bytes});
                                   }};
    try {
      const detail::NpyHeader header = detail::read_npy_header(source);
      return read_elements(header, header.shape(source));
    } catch (const DataError& error) {
      throw CheckpointError(error.who(), error.message());
    }
  }

 private:
  StateValue read_elements(const detail::NpyHeader& header, const Shape& shape) {
    for (const DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8}) {
      if (header.descr != detail::npy_descr(dtype)) continue;
      switch (dtype) {
        case DType::float32:
          return elements<float>(header, shape);
        case DType::float64:
          return elements<double>(header, shape);
        case DType::int64:
          return elements<std::int64_t>(header, shape);
        case DType::uint8:
          return elements<std::uint8_t>(header, shape);
      }
    }
    task_.fail("hold elements of type '<f4', '<f8', '<i8' or '|u1'",
               "'" + header.descr + "' in '" + member_.name + "'");
  }

  // The member's size is bounded by the file's already: only what fills it exactly is made.
  template <Element E>
  StateValue elements(const detail::NpyHeader& header, const Shape& shape) {
    const std::uint64_t held = member_.size - header.bytes;
    if (held % sizeof(E) != 0 || held / sizeof(E) != static_cast<std::uint64_t>(shape.size())) {
      task_.fail("have '" + member_.name + "' with the elements of its shape " + shape.to_string(),
                 std::to_string(held) + " bytes");
    }
    auto tensor = Tensor<E>::uninitialized(shape);
    stream_.read(std::as_writable_bytes(tensor.mutable_values()));
    stream_.finish();
    return as_marked(std::move(tensor));
  }

  template <Element E>
  StateValue as_marked(Tensor<E> tensor) const {
    if (member_.comment.empty()) return tensor;
    if constexpr (std::same_as<E, std::int64_t>) {
      if (member_.comment == kInteger && tensor.rank() == 0) return tensor.item();
    }
    if constexpr (std::same_as<E, double>) {
      if (member_.comment == kNumber && tensor.rank() == 0) return tensor.item();
    }
    if constexpr (std::same_as<E, std::uint8_t>) {
      if (member_.comment == kText && tensor.rank() == 1) {
        return std::string(reinterpret_cast<const char*>(tensor.data()),
                           static_cast<std::size_t>(tensor.size()));
      }
    }
    task_.fail("have members without comments, or scalars and texts marked as such",
               "a comment of '" + member_.name + "' that does not fit");
  }

  const detail::FileTask& task_;
  const detail::ZipMember& member_;
  detail::ZipMemberStream stream_;
};

// The name without ".npy"; other members are not arrays.
std::string array_name(const detail::ZipMember& member, const detail::FileTask& task) {
  std::string name = member.name;
  if (!name.ends_with(kSuffix)) task.fail("hold only members .npy", "'" + name + "'");
  name.resize(name.size() - kSuffix.size());
  if (!detail::is_name(name)) {
    task.fail("have names of 1 to 256 bytes of UTF-8 without control characters",
              std::to_string(name.size()) + " other bytes");
  }
  return name;
}

class NpzValues : public detail::ValueReader {
 public:
  NpzValues(FileSystem& files, detail::FileTask task) : file_(files, std::move(task)) {
    for (detail::ZipMember& member : detail::read_zip_directory(file_)) {
      std::string name = array_name(member, file_.task());
      if (members_.contains(name)) {
        file_.task().fail("have each member once", "'" + name + "' twice");
      }
      members_.emplace(std::move(name), std::move(member));
    }
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, member] : members_) names.push_back(name);
    return names;
  }

  StateValue read(const std::string& name) override {
    return MemberReader(file_, members_.at(name)).read();
  }

 private:
  detail::FileReader file_;
  std::map<std::string, detail::ZipMember> members_;
};

}  // namespace

void save_npz(const std::string& path, const StateDict& state, const NpzOptions& options,
              FileSystem& files) {
  const detail::FileTask task{.who = "save_npz", .path = path};
  if (state.size() >= 65535) {
    task.fail("have fewer than 65535 members as a ZIP file", std::to_string(state.size()));
  }
  detail::atomic_save(files, task, [&](detail::Sink& sink) {
    NpzWriter writer(sink, task, options);
    for (const auto& [name, value] : state) writer.add(name, array_of(value));
    writer.finish();
  });
}

StateDict load_npz(const std::string& path, FileSystem& files) {
  detail::FileReader file(files, {.who = "load_npz", .path = path});
  StateDict state;
  for (const detail::ZipMember& member : detail::read_zip_directory(file)) {
    std::string name = array_name(member, file.task());
    if (state.contains(name)) file.task().fail("have each member once", "'" + name + "' twice");
    state.add(std::move(name), MemberReader(file, member).read());
  }
  return state;
}

std::unique_ptr<detail::ValueReader> detail::open_npz(FileSystem& files, FileTask task) {
  return std::make_unique<NpzValues>(files, std::move(task));
}

}  // namespace lamina
