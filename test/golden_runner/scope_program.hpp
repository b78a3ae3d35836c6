// The programs of _names.json: scopes, names and reuse, with what each call made, found or refused.
#pragma once

#include "support/golden.hpp"

namespace lamina::test {

// Runs one program and compares every call of it with the record.
void run_scope_program(GoldenCase& test, const Json& item);

}  // namespace lamina::test
