#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/pgm.hpp>

#include "fuzz/damaged_file.hpp"
#include "support/hostile_reader.hpp"

namespace lamina::test {
namespace {

using namespace std::string_literals;

HostileReader pgm_reader() {
  return {.name = "pgm",
          .originals = {"P5\n3 2\n255\n\x00\x01\x02\xfd\xfe\xff"s,
                        "P2 # plain\n3 2 255\n0 1 2\n253 254 255\n", "P5 4 1 3\n\0\1\2\3"s},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            const DamagedFile file(bytes);
            Tensor<std::uint8_t> image;
            if (!accepts<DataError>(bytes.size(), [&] { image = data::read_pgm(file.path()); })) {
              return {};
            }
            return written_by([&](const auto& path) { data::write_pgm(path, image); });
          }};
}

const RegisteredReader kPgm("pgm", pgm_reader);

}  // namespace
}  // namespace lamina::test
