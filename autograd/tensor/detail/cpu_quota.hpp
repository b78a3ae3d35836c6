// The CPU quota of the control group that this process is in: what a container may use, in CPUs.
//
//   const double cpus = cpu_quota();  // 1.5, say; infinity where there is none
//
// A quota bounds a group and all groups below it, so the least of the group's own and its
// ancestors' counts. What cannot be read bounds nothing. Thread-safety: any thread.
//
// Source: the Linux kernel's documentation, Control Group v2 (cpu.max) and CFS Bandwidth Control
// (cpu.cfs_quota_us over cpu.cfs_period_us, version 1).
#pragma once

#include <filesystem>

namespace lamina::detail {

// `root` is where proc/ and sys/ are.
double cpu_quota(const std::filesystem::path& root = "/");

}  // namespace lamina::detail
