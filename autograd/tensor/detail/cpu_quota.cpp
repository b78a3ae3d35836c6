#include <algorithm>
#include <fstream>
#include <lamina/autograd/tensor/detail/cpu_quota.hpp>
#include <limits>
#include <sstream>
#include <string>

namespace lamina::detail {
namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::infinity();

double ratio(double quota, double period) {
  return quota > 0 && period > 0 ? quota / period : kNone;
}

// Version 2: "max 100000" or "150000 100000". The word leaves the number unread.
double quota_in_max_file(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream(group / "cpu.max") >> quota >> period;
  return ratio(quota, period);
}

// Version 1: -1 stands for none.
double quota_in_two_files(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream(group / "cpu.cfs_quota_us") >> quota;
  std::ifstream(group / "cpu.cfs_period_us") >> period;
  return ratio(quota, period);
}

// The least quota from the group at `path` below the mount point up to the mount point itself. In a
// container the path may be the host's, and then only the mount point is there.
double least_quota(const fs::path& mount, const fs::path& path, double (*quota)(const fs::path&)) {
  double least = quota(mount);
  for (fs::path group = path.relative_path(); !group.empty(); group = group.parent_path()) {
    least = std::min(least, quota(mount / group));
  }
  return least;
}

bool holds_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

double cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  double least = kNone;
  // hierarchy:controllers:path, of version 2 "0::path".
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string hierarchy, controllers, path; std::getline(groups, hierarchy, ':') &&
                                                 std::getline(groups, controllers, ':') &&
                                                 std::getline(groups, path);) {
    if (controllers.empty()) {
      least = std::min(least, least_quota(mounts, path, quota_in_max_file));
    } else if (holds_cpu(controllers)) {
      for (const std::string& name : {std::string("cpu"), controllers}) {
        least = std::min(least, least_quota(mounts / name, path, quota_in_two_files));
      }
    }
  }
  return least;
}

}  // namespace lamina::detail
