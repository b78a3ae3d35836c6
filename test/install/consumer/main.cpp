// A program of somebody who installed lamina: built by install_test.py in each of the three ways.
#include <cstdio>
#include <lamina/lamina.hpp>

int main() {
  std::printf("lamina %s\n", lamina::version());
}
