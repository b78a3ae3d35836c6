// On folders that look like those of the kernel.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <lamina/autograd/tensor/detail/cpu_quota.hpp>
#include <limits>
#include <string>

#include "support/files.hpp"

namespace lamina::test {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

struct System {
  TemporaryFolder folder;

  explicit System(const std::string& groups) { write("proc/self/cgroup", groups); }

  void write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = folder.path() / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  double quota() const { return detail::cpu_quota(folder.path()); }
};

BOOST_AUTO_TEST_SUITE(cpu_quotas)

BOOST_AUTO_TEST_CASE(of_version_2) {
  System system("0::/\n");
  BOOST_TEST(system.quota() == kNone);
  system.write("sys/fs/cgroup/cpu.max", "max 100000\n");
  BOOST_TEST(system.quota() == kNone);
  system.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  BOOST_TEST(system.quota() == 1.5);
}

BOOST_AUTO_TEST_CASE(of_version_1) {
  System system("9:name=systemd:/\n4:cpuset:/\n1:cpu,cpuacct:/\n0::/\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  BOOST_TEST(system.quota() == kNone);
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  BOOST_TEST(system.quota() == 2.5);
  // The other name of the same folder.
  system.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  system.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  BOOST_TEST(system.quota() == 0.5);
}

BOOST_AUTO_TEST_CASE(a_group_is_bounded_by_those_above_it) {
  System system("0::/machine/job\n");
  system.write("sys/fs/cgroup/machine/job/cpu.max", "400000 100000\n");
  BOOST_TEST(system.quota() == 4);
  system.write("sys/fs/cgroup/machine/cpu.max", "300000 100000\n");
  BOOST_TEST(system.quota() == 3);
  system.write("sys/fs/cgroup/machine/other/cpu.max", "100000 100000\n");
  BOOST_TEST(system.quota() == 3);
}

// Where the path is the host's, which the container does not see.
BOOST_AUTO_TEST_CASE(a_container_has_its_quota_at_the_mount_point) {
  System system("1:cpu:/docker/0123\n");
  system.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  system.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  BOOST_TEST(system.quota() == 2);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_bounds_nothing) {
  BOOST_TEST(detail::cpu_quota("/nowhere") == kNone);
  for (const std::string text : {"", "max", "0 100000", "100000", "100000 0", "-1 100000", "abc"}) {
    System system("0::/\nnonsense\n1:cpu");
    system.write("sys/fs/cgroup/cpu.max", text);
    BOOST_TEST(system.quota() == kNone, "of '" << text << "'");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
