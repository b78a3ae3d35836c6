// safetensors files: every kind of value comes back, what others write is read, and no damage is
// accepted as other data, but for the elements, which the format does not protect.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <lamina/serialization/safetensors.hpp>
#include <random>
#include <serialization/every_kind.hpp>
#include <serialization/fake_file_system.hpp>
#include <support/allocation_counter.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;
using namespace std::string_literals;

namespace {

StateDict every_kind() {
  StateDict state = every_kind_of_value();
  state.add("e", Tensor<std::uint8_t>({1}, {9}));
  state.add("z", "caf\u00e9 \"quoted\"\n");
  return state;
}

std::string file_of(const std::string& header, const std::string& data = {}) {
  std::string bytes(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

StateDict read(const std::string& bytes) {
  FakeFileSystem files;
  files.files["f"] = bytes;
  return load_safetensors("f", files);
}

void refuses_file(const std::string& bytes, const std::string& text) {
  refuses<CheckpointError>("[load_safetensors] 'f' must " + text, [&] { read(bytes); });
}
void refuses_header(const std::string& header, const std::string& text) {
  refuses_file(file_of(header, std::string(4, 'x')), text);
}
void refuses_form(const std::string& header, const std::string& found) {
  refuses_header(header, "have a header of the safetensors form; got " + found);
}
// The fields of one tensor "a".
void refuses_fields(const std::string& fields, const std::string& found) {
  refuses_form("{\"a\":{" + fields + "}}", found);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(every_kind_of_value_comes_back) {
  FakeFileSystem files;
  const StateDict state = every_kind();
  save_safetensors("f", state, {{"origin", "here"}}, files);
  BOOST_TEST(identical(load_safetensors("f", files), state));
  BOOST_TEST((load_safetensors_metadata("f", files) == SafetensorsMetadata{{"origin", "here"}}));
  BOOST_TEST(files.others("f").empty());
  const std::string first = files.files["f"];
  save_safetensors("f", load_safetensors("f", files), {{"origin", "here"}}, files);
  BOOST_TEST(files.files["f"] == first);

  save_safetensors("f", StateDict(), {}, files);
  BOOST_TEST(files.files["f"] == file_of("{}      "));
  BOOST_TEST(load_safetensors("f", files).size() == 0);
}

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_the_format) {
  FakeFileSystem files;
  StateDict state;
  state.add("b", Tensor<std::uint8_t>({2}, {7, 8}));
  state.add("w", Tensor<float>({1, 1}, {1.5f}));
  save_safetensors("f", state, {}, files);
  std::string header = R"({"w":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  BOOST_TEST(files.files["f"] == file_of(header, "\0\0\xc0\x3f\x07\x08"s));
}

BOOST_AUTO_TEST_CASE(any_order_spacing_and_field_order_is_read) {
  const StateDict state = read(file_of(
      " {"s.substr(1) + R"("b" : {"data_offsets":[4,6], "shape":[2], "dtype":"U8"}, "e":{"dtype":)"
                        R"("F64","shape":[0],"data_offsets":[6,6]},"__metadata__":{"format":"pt"},)"
                        R"("w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )",
      "\0\0\xc0\x3f\x07\x08"s));
  BOOST_TEST(state.size() == 3);
  BOOST_TEST(std::get<Tensor<float>>(*state.find("w")).item() == 1.5f);
  BOOST_TEST(std::get<Tensor<std::uint8_t>>(*state.find("b")).at({1}) == 8);
  BOOST_TEST(std::get<Tensor<double>>(*state.find("e")).size() == 0);
}

BOOST_AUTO_TEST_CASE(lengths_are_checked_against_the_file) {
  refuses_file("", "hold the length of its header; got 0 bytes");
  refuses_file("1234567", "hold the length of its header; got 7 bytes");
  refuses_file("\xff\xff\xff\xff\xff\xff\xff\xff{}"s,
               "have a header of at most 2 bytes; got "
               "18446744073709551615");
  refuses_file("\3\0\0\0\0\0\0\0{}"s, "have a header of at most 2 bytes; got 3");
  refuses_file(file_of("{}", "x"), "end with its last tensor; got 1 bytes behind it");
  refuses<CheckpointError>(
      "[load_safetensors] 'none' must be a readable file; got 'No such file or directory' from "
      "open",
      [] {
        FakeFileSystem files;
        load_safetensors("none", files);
      });
}

BOOST_AUTO_TEST_CASE(other_forms_are_refused) {
  refuses_header("", "have a header that begins with '{'; got another beginning");
  refuses_header(" {}", "have a header that begins with '{'; got another beginning");
  refuses_form("{\"a\":1}", "a number where none belongs");
  refuses_form("{\"a\":\"b\"}", "a text where none belongs");
  refuses_form("{\"a\":[]}", "a list where none belongs");
  refuses_form("{\"a\":null}", "null");
  refuses_form("{\"a\":true}", "a truth value");
  refuses_form("{\"a\":-1}", "a negative number");
  refuses_form("{\"a\":1.5}", "a number that is no integer");
  refuses_form("{\"a\":", "no JSON at its byte 6");
  refuses_form("{} x", "no JSON at its byte 4");
  refuses_form("{\"__metadata__\":{\"a\":1}}", "a number where none belongs");
  refuses_form("{\"__metadata__\":{\"a\":{}}}", "an object where none belongs");
  refuses_form("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", "the key 'a' twice");
  refuses_form("{\"__metadata__\":{},\"__metadata__\":{}}", "the name '__metadata__' twice");
  refuses_fields("\"dtype\":\"F32\"", "no dtype, shape and two data_offsets in 'a'");
  refuses_fields(R"("dtype":"F32","shape":[1],"data_offsets":[0])",
                 "no dtype, shape and two data_offsets in 'a'");
  refuses_fields(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])",
                 "more than 2 numbers in the data_offsets of 'a'");
  refuses_fields(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1])",
                 "more than 8 numbers in the shape of 'a'");
  refuses_fields(R"("dtype":"F32","dtype":"F32")", "the field 'dtype' twice in 'a'");
  refuses_fields(R"("shape":[],"shape":[])", "the field 'shape' twice in 'a'");
  refuses_fields(R"("size":4)", "the field 'size' in 'a'");
  refuses_fields(R"("shape":[[)", "a list where none belongs");
  refuses_fields(R"("shape":[9223372036854775808],"dtype":"F32","data_offsets":[0,4])",
                 "an extent of more than 63 bits in 'a'");
  refuses_fields(R"("shape":[18446744073709551616])", "a number that is no integer");
  const std::string entry = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  refuses_form("{" + entry + "," + entry + "}", "the name 'a' twice");
}

BOOST_AUTO_TEST_CASE(other_tensors_are_refused) {
  const auto with = [](const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" +
           offsets + "]}}";
  };
  for (const std::string dtype : {"F16", "BF16", "I32", "BOOL", ""}) {
    refuses_header(with(dtype, "1", "0,4"),
                   "hold elements of type F32, F64, I64 or U8; got '" + dtype + "' in 'a'");
  }
  refuses_header(with("F32", "1", "0,5"), "have 'a' among its 4 bytes of data; got bytes 0 to 5");
  refuses_header(with("F32", "1", "4,0"), "have 'a' among its 4 bytes of data; got bytes 4 to 0");
  refuses_header(with("F32", "2", "0,4"),
                 "have as many bytes for 'a' as its shape (2) of F32 tells; got 4 bytes");
  refuses_header(with("F32", "4611686018427387905", "0,4"),
                 "have as many bytes for 'a' as its shape (4611686018427387905) of F32 tells; got "
                 "4 bytes");
  refuses_header(with("F32", "4611686018427387904,4", "0,4"),
                 "have a shape that a tensor can have for 'a'; got the number of elements must fit "
                 "in 63 bits; got an overflow");
  refuses_header(with("U8", "3", "1,4"),
                 "have its tensors one after the other, without holes or "
                 "overlaps; got 'a' at byte 1, expected 0");
  refuses_header(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                 "have its tensors one after the other, without holes or overlaps; got 'b' at byte "
                 "2, expected 3");
  refuses_header(with("U8", "3", "0,3"), "end with its last tensor; got 1 bytes behind it");
  refuses_header(R"({"":{}})",
                 "have names of 1 to 256 bytes of UTF-8 without control characters; got ''");
  refuses_header("{\"" + std::string(257, 'n') + "\":{}}",
                 "have names of 1 to 256 bytes of UTF-8 without control characters; got '" +
                     std::string(64, 'n') + "'...");
}

BOOST_AUTO_TEST_CASE(marks_must_mark_something) {
  const std::string scalar = R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  for (const std::string key : {"integer.a", "number.b", "text.a", "text.", "other"}) {
    refuses_header("{\"__metadata__\":{\"lamina." + key + "\":\"\"}," + scalar + "}",
                   "mark only values that it holds; got 'lamina." + key + "' in its metadata");
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_refused) {
  FakeFileSystem files;
  refuses<ArgumentError>(
      "[save_safetensors] metadata must not begin with 'lamina.'; got 'lamina.text.a'", [&] {
        save_safetensors("f", {}, {{"lamina.text.a", ""}}, files);
      });
  StateDict reserved;
  reserved.add("__metadata__", Tensor<float>::scalar(1));
  refuses<CheckpointError>(
      "[save_safetensors] 'f' must have no value of the name '__metadata__', which the format "
      "keeps for itself; got one",
      [&] { save_safetensors("f", reserved, {}, files); });
  StateDict bytes;
  bytes.add("t", "\xff"s);
  refuses<CheckpointError>("[save_safetensors] 'f' must have texts of UTF-8; got other bytes",
                           [&] { save_safetensors("f", bytes, {}, files); });
  files.fail_at = 2;
  refuses<CheckpointError>(
      "[save_safetensors] 'f' must be written; got 'Input/output error' from write",
      [&] { save_safetensors("f", every_kind(), {}, files); });
  BOOST_TEST(files.files.empty());
}

// Every cut, every bit, and random edits: an error, or a file whose header says as much.
BOOST_AUTO_TEST_CASE(every_damage_is_answered) {
  FakeFileSystem files;
  save_safetensors("f", every_kind(), {{"origin", "here"}}, files);
  const std::string original = files.files["f"];
  int tried = 0, accepted = 0;
  const auto attack = [&](std::string bytes) {
    const auto size = static_cast<std::int64_t>(bytes.size());
    FakeFileSystem damaged;
    damaged.files["f"] = std::move(bytes);
    start_peak();
    ++tried;
    const bool read = succeeds_or_refuses<CheckpointError>(
        "damaged", [&] { accepted += load_safetensors("f", damaged).size() >= 0; });
    if (counts_allocations()) BOOST_REQUIRE(peak_bytes() <= size + (1 << 20));
    return read;
  };
  for (std::size_t length = 0; length < original.size(); ++length) {
    if (attack(original.substr(0, length))) BOOST_ERROR("cut to " << length << " was accepted");
  }
  for (std::size_t at = 0; at < original.size() * 8; ++at) {
    std::string bytes = original;
    bytes[at / 8] = static_cast<char>(bytes[at / 8] ^ 1 << at % 8);
    attack(bytes);
  }
  std::mt19937 engine(7);
  const std::string pieces = "{}[]\",:0123456789FU8 I64dtypeshap_offs\xff\\u";
  for (int trial = 0; trial < 5000; ++trial) {
    std::string bytes = original;
    for (std::uint32_t edits = 1 + engine() % 4; edits > 0; --edits) {
      const std::size_t at = engine() % bytes.size();
      const std::string piece(1, pieces[engine() % pieces.size()]);
      engine() % 2 ? bytes.insert(at, piece) : bytes.replace(at, 1, piece);
    }
    const std::uint64_t header = bytes.find_last_of('}') - 7;
    if (engine() % 2) std::memcpy(bytes.data(), &header, 8);
    attack(bytes);
  }
  BOOST_TEST_MESSAGE(tried << " damaged files, " << accepted << " still of the format");
  BOOST_TEST(accepted > 100 * 8);  // elements and names may be any
  BOOST_TEST(accepted < tried / 2);
}

BOOST_AUTO_TEST_CASE(deep_and_wide_headers_cost_nothing) {
  start_peak();
  refuses_form("{\"a\":" + std::string(1'000'000, '['), "a list where none belongs");
  if (counts_allocations()) BOOST_TEST(peak_bytes() < 8'000'000);
}

BOOST_AUTO_TEST_SUITE_END()
