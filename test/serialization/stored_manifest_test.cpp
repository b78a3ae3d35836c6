// The manifest of a file: every refusal, and entries found again in the bytes.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <lamina/serialization/detail/stored_manifest.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;
using detail::StoredManifest;

namespace {

const detail::FileTask kTask{.who = "load", .path = "f"};

// Bytes of a manifest, field by field.
class Fields {
 public:
  Fields& u32(std::uint32_t value) { return put(&value, sizeof value); }
  Fields& u64(std::uint64_t value) { return put(&value, sizeof value); }
  Fields& text(const std::string& value) {
    return u32(static_cast<std::uint32_t>(value.size())).put(value.data(), value.size());
  }
  Fields& tensor(const std::string& name, std::uint32_t dtype,
                 const std::vector<std::uint64_t>& shape, std::uint64_t offset,
                 std::uint64_t bytes) {
    text(name).u32(dtype).u32(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t extent : shape) u64(extent);
    return u64(offset).u64(bytes).u32(0);
  }
  Fields& integer(const std::string& name) { return text(name).u32(1).u64(7); }

  StoredManifest stored(std::uint64_t data_size = 0) const { return {bytes_, data_size, kTask}; }

 private:
  Fields& put(const void* from, std::size_t count) {
    const auto* first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + count);
    return *this;
  }
  std::vector<std::byte> bytes_;
};

// Version and lists before the one that is tested, which has `count` entries.
Fields modules(std::uint32_t count) { return Fields().text("1").u32(count); }
Fields tensors(std::uint32_t count) { return modules(0).u32(count); }
Fields values(std::uint32_t count) { return tensors(0).u32(count); }

void refused(const std::string& text, const Fields& fields, std::uint64_t data_size = 0) {
  refuses<CheckpointError>("[load] 'f' must have a manifest that can " + text,
                           [&] { fields.stored(data_size); });
}

std::string name_of(int number) { return "value" + std::to_string(1000 + number); }

// Tensors of one byte with even numbers and integers with odd ones.
detail::Manifest alternating(const std::vector<std::string>& names) {
  detail::Manifest manifest;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i % 2 == 0) {
      manifest.tensors.push_back({.name = names[i],
                                  .dtype = DType::uint8,
                                  .shape = {1},
                                  .offset = 32 * i,
                                  .bytes = 1,
                                  .checksum = static_cast<std::uint32_t>(i)});
    } else {
      manifest.values.push_back({names[i], static_cast<std::int64_t>(i)});
    }
  }
  return manifest;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(stored_manifest)

BOOST_AUTO_TEST_CASE(entries_are_found_by_name_and_in_order) {
  for (const int count : {0, 1, 2, 127, 128, 129, 500}) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back(name_of(i));
    const std::string text = detail::encode_manifest(alternating(names));
    const auto bytes = std::as_bytes(std::span(text));
    const auto end = static_cast<std::uint64_t>(count == 0 ? 0 : 64 * ((count - 1) / 2) + 1);
    StoredManifest first({bytes.begin(), bytes.end()}, end, kTask);
    const StoredManifest manifest = std::move(first);
    for (int i = 0; i < count; ++i) {
      const auto tensor = manifest.tensor(name_of(i));
      const auto value = manifest.value(name_of(i));
      BOOST_TEST_REQUIRE((tensor.has_value() == (i % 2 == 0) && value.has_value() == (i % 2 == 1)));
      if (tensor) BOOST_TEST(tensor->checksum == static_cast<std::uint32_t>(i));
      if (value) BOOST_TEST(std::get<std::int64_t>(value->value) == i);
      BOOST_TEST((!manifest.tensor(name_of(i) + "x") && !manifest.value(name_of(i) + "x")));
    }
    BOOST_TEST((!manifest.tensor("") && !manifest.value("zzz")));
    std::vector<std::string> seen;
    manifest.for_each([&](const auto& entry) { seen.emplace_back(entry.name); });
    BOOST_TEST(seen == names, boost::test_tools::per_element());
    BOOST_TEST((!manifest.has_architecture() && manifest.architecture().empty()));
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_a_manifest_is_refused) {
  refused("be read; got one that ends too early", Fields());
  refused("be read; got one that ends too early", Fields().text("1").u32(0).u32(0));
  refused("hold its library version; got 9 in 0 bytes", Fields().u32(9));
  refused("have a library version of at most 256 bytes; got 257",
          Fields().text(std::string(257, 'v')));
  refused("hold its modules; got 4000000000 in 0 bytes", modules(4'000'000'000));
  refused("hold its tensors; got 1 in 31 bytes", tensors(1).text(std::string(27, 'x')));
  refused("hold its values; got 2 in 20 bytes", values(2).integer("abcd"));
  refused("end with its last value; got 4 bytes more", values(0).u32(0));
}

BOOST_AUTO_TEST_CASE(modules_are_checked) {
  const auto module = [](std::uint32_t flags, const std::string& path, const std::string& type) {
    return modules(1).u32(flags).text(path).text(type);
  };
  refused("be read; got module flags 4", module(4, "", "dense").text("").u32(0));
  refused("be read; got a bad module path", module(0, "\n", "dense").text("").u32(0));
  refused("have a module path of at most 256 bytes; got 257",
          module(0, std::string(257, 'x'), "dense").text("").u32(0));
  const std::string no_name = " that is empty, not UTF-8, or holds control characters";
  refused("be read; got a module type" + no_name, module(0, "", "").text("").u32(0));
  const auto option = [&] { return module(0, "", "dense").text("").u32(1); };
  refused("be read; got a option name" + no_name, option().text("\xff").u32(1).u32(0).u32(0));
  refused("be read; got option kind 0", option().text("a").u32(0).u32(0).u32(0));
  refused("be read; got option kind 13", option().text("a").u32(13).u32(0).u32(0));
  refused("hold its numbers; got 2 in 8 bytes", option().text("a").u32(1).u32(2).u64(0));
  refused("hold its texts; got 1 in 0 bytes", option().text("a").u32(1).u32(0).u32(1));
}

BOOST_AUTO_TEST_CASE(tensors_are_checked) {
  const auto one = [](const std::string& name, std::uint32_t dtype,
                      const std::vector<std::uint64_t>& shape, std::uint64_t offset,
                      std::uint64_t bytes) {
    return tensors(1).tensor(name, dtype, shape, offset, bytes).u32(0);
  };
  refused("be read; got a tensor name that is empty, not UTF-8, or holds control characters",
          one("", 1, {}, 0, 4), 4);
  refused("be read; got element type 0 of 'a'", one("a", 0, {}, 0, 4), 4);
  refused("be read; got element type 5 of 'a'", one("a", 5, {}, 0, 4), 4);
  refused("be read; got 9 axes of 'a'", one("a", 1, std::vector<std::uint64_t>(9, 1), 0, 4), 4);
  refused("be read; got extent 9223372036854775808 of 'a'",
          one("a", 4, {std::uint64_t{1} << 63}, 0, 0));
  refused("be read; got extent 4294967296 of 'a'",
          one("a", 1, {0, std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0));
  refused("be read; got 5 bytes for 'a', expected 4", one("a", 1, {}, 0, 5), 5);
  refused("be read; got 'a' at 64 of 68 bytes, expected it at 0", one("a", 1, {}, 64, 4), 68);
  refused("be read; got 'a' at 0 of 3 bytes, expected it at 0", one("a", 1, {}, 0, 4), 3);
  refused("name every byte of the data; got 4 of 5 bytes", one("a", 1, {}, 0, 4), 5);
  refused("name its tensors in ascending order; got 'a' after 'a'",
          tensors(2).tensor("a", 1, {0}, 0, 0).tensor("a", 1, {0}, 0, 0).u32(0));
}

BOOST_AUTO_TEST_CASE(values_are_checked) {
  refused("be read; got a value name that is empty, not UTF-8, or holds control characters",
          values(1).integer("\x7f"));
  refused("be read; got kind 4 of 'a'", values(1).text("a").u32(4).u64(0));
  refused("hold its text; got 9 in 8 bytes", values(1).text("a").u32(3).u32(9).u64(0));
  refused("name its values in ascending order; got 'a' after 'b'",
          values(2).integer("b").integer("a"));
  refused("name each value once; got 'b' as a tensor and as another value",
          tensors(2)
              .tensor("a", 1, {0}, 0, 0)
              .tensor("b", 1, {0}, 0, 0)
              .u32(2)
              .integer("aa")
              .integer("b"));
}

BOOST_AUTO_TEST_SUITE_END()
