#include <lamina/lamina.hpp>

namespace lamina {

const char* version() noexcept { return LAMINA_VERSION; }

}  // namespace lamina
