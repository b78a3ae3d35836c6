// The umbrella header: everything a user of lamina needs, and no third-party header.
#pragma once

namespace lamina {

// The version of the library that is linked, "major.minor.patch".
const char* version() noexcept;

}  // namespace lamina
