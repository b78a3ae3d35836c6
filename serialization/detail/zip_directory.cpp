#include <algorithm>
#include <array>
#include <lamina/serialization/detail/zip_directory.hpp>

namespace lamina::detail {

namespace {

constexpr std::uint32_t kLocalMark = 0x04034b50;
constexpr std::uint32_t kEntryMark = 0x02014b50;
constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::size_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22;
constexpr std::size_t kLongestComment = 65535;  // of a file
// Of a member: more than anybody who writes arrays has to say, and far less than a directory can
// hold.
constexpr std::size_t kLongestMark = 255;

constexpr std::uint16_t kDeflateLevel = 0x0006, kDescriptorFollows = 0x0008, kUtf8 = 0x0800;
// A data descriptor: mark, checksum and two sizes of 4 or 8 bytes; the mark may be missing.
constexpr std::uint64_t kLongestDescriptor = 24;

constexpr std::uint16_t kVersion = 20;       // 2.0: deflate
constexpr std::uint16_t kFirstDay = 0x0021;  // 1980-01-01: equal states give equal files

// Takes little-endian fields one after the other from bytes that were counted before.
class Fields {
 public:
  explicit Fields(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint16_t u16() { return take<std::uint16_t>(); }
  std::uint32_t u32() { return take<std::uint32_t>(); }
  std::string text(std::size_t count) {
    const auto* first = reinterpret_cast<const char*>(bytes_.data());
    std::string result(first, count);
    bytes_ = bytes_.subspan(count);
    return result;
  }
  void skip(std::size_t count) { bytes_ = bytes_.subspan(count); }
  std::size_t left() const noexcept { return bytes_.size(); }

 private:
  template <class Integer>
  Integer take() {
    const auto value = little_endian<Integer>(bytes_);
    bytes_ = bytes_.subspan(sizeof(Integer));
    return value;
  }
  std::span<const std::byte> bytes_;
};

void put(std::string& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i));
}
void put16(std::string& to, std::uint64_t value) { put(to, value, 2); }
void put32(std::string& to, std::uint64_t value) { put(to, value, 4); }

// What a local header and an entry of the directory tell alike.
void put_description(std::string& text, const ZipMember& member) {
  put16(text, kVersion);  // that a reader needs
  put16(text, kUtf8);
  put16(text, static_cast<std::uint16_t>(member.method));
  put16(text, 0);  // time
  put16(text, kFirstDay);
  put32(text, member.checksum);
  put32(text, member.compressed_size);
  put32(text, member.size);
  put16(text, member.name.size());
  put16(text, 0);  // extra field
}

struct Directory {
  std::uint64_t entries = 0, size = 0, offset = 0, end = 0;  // end: of the whole file's end record
};

// The end record is the last thing in the file; only a comment may follow it.
Directory find_directory(FileReader& file) {
  const FileTask& task = file.task();
  const std::uint64_t longest = std::min<std::uint64_t>(file.size(), kEndBytes + kLongestComment);
  std::vector<std::byte> tail(static_cast<std::size_t>(longest));
  file.read(file.size() - longest, tail);
  for (std::size_t length = kEndBytes; length <= tail.size(); ++length) {
    const auto record = std::span(tail).last(length);
    Fields fields(record);
    if (fields.u32() != kEndMark ||
        little_endian<std::uint16_t>(record.subspan(20)) + kEndBytes != length) {
      continue;
    }
    const std::uint16_t disk = fields.u16(), first_disk = fields.u16();
    const std::uint16_t entries_here = fields.u16(), entries = fields.u16();
    const std::uint64_t size = fields.u32(), offset = fields.u32();
    if (entries == 0xffff || size == kZipLimit || offset == kZipLimit) {
      task.fail("be a ZIP file below 4 GiB and of fewer than 65535 members", "ZIP64");
    }
    const std::uint64_t position = file.size() - length;
    if (disk != 0 || first_disk != 0 || entries_here != entries || offset + size != position) {
      task.fail("end with the directory of a whole ZIP file",
                "a record that speaks of " + std::to_string(size) + " bytes at " +
                    std::to_string(offset));
    }
    return {.entries = entries, .size = size, .offset = offset, .end = position};
  }
  task.fail("be a ZIP file", "no end record");
}

ZipMember read_entry(Fields& fields, const FileTask& task) {
  const auto require = [&](std::size_t bytes) {
    if (fields.left() < bytes) task.fail("have a whole directory", "its end inside an entry");
  };
  require(kEntryBytes);
  if (fields.u32() != kEntryMark) task.fail("have a directory of members", "other bytes in it");
  fields.skip(4);  // versions
  ZipMember member;
  member.flags = fields.u16();
  const std::uint16_t method = fields.u16();
  fields.skip(4);  // time and date
  member.checksum = fields.u32();
  member.compressed_size = fields.u32();
  member.size = fields.u32();
  const std::size_t name = fields.u16(), extra = fields.u16(), comment = fields.u16();
  const std::uint16_t disk = fields.u16();
  fields.skip(6);  // attributes
  member.offset = fields.u32();
  require(name + extra + comment);
  member.name = fields.text(name);
  fields.skip(extra);
  const std::string shown = "'" + member.name + "'";
  if (comment > kLongestMark) {
    task.fail("have members without long comments",
              std::to_string(comment) + " bytes of comment of " + shown);
  }
  member.comment = fields.text(comment);
  if (member.compressed_size == kZipLimit || member.size == kZipLimit ||
      member.offset == kZipLimit) {
    task.fail("have members below 4 GiB", "ZIP64 in " + shown);
  }
  if ((member.flags & ~(kDeflateLevel | kDescriptorFollows | kUtf8)) != 0 || disk != 0) {
    task.fail("have plain members", "encryption or other features in " + shown);
  }
  if (method != 0 && method != 8) {
    task.fail("have members that are stored or deflated",
              "method " + std::to_string(method) + " in " + shown);
  }
  member.method = ZipMethod{method};
  return member;
}

// Checks the local header and learns where the bytes begin.
void read_local_header(FileReader& file, ZipMember& member, std::uint64_t limit) {
  const FileTask& task = file.task();
  const auto differs = [&] {
    task.fail("have '" + member.name + "' at byte " + std::to_string(member.offset) +
                  " as its directory says",
              "another local header");
  };
  if (member.offset > limit || limit - member.offset < kLocalBytes) differs();
  std::array<std::byte, kLocalBytes> bytes;
  file.read(member.offset, bytes);
  Fields fields(bytes);
  if (fields.u32() != kLocalMark) differs();
  fields.skip(2);  // version
  if (fields.u16() != member.flags || fields.u16() != static_cast<std::uint16_t>(member.method)) {
    differs();
  }
  fields.skip(4);  // time and date
  const std::uint32_t checksum = fields.u32(), compressed_size = fields.u32(), size = fields.u32();
  const std::size_t name_size = fields.u16(), extra = fields.u16();
  // With a descriptor behind the bytes the fields are 0; writers of unknown sizes leave all ones.
  const auto tells = [&](std::uint64_t local, std::uint64_t expected) {
    return local == expected || local == kZipLimit ||
           (local == 0 && (member.flags & kDescriptorFollows) != 0);
  };
  if (!tells(checksum, member.checksum) || !tells(compressed_size, member.compressed_size) ||
      !tells(size, member.size) || name_size != member.name.size()) {
    differs();
  }
  const std::uint64_t before = kLocalBytes + name_size + extra;
  if (limit - member.offset < before || limit - member.offset - before < member.compressed_size) {
    differs();
  }
  std::string name(name_size, '\0');
  file.read(member.offset + kLocalBytes, std::as_writable_bytes(std::span(name)));
  if (name != member.name) differs();
  member.data_offset = member.offset + before;
}

}  // namespace

std::vector<ZipMember> read_zip_directory(FileReader& file) {
  const FileTask& task = file.task();
  const Directory directory = find_directory(file);
  if (directory.entries > directory.size / kEntryBytes) {
    task.fail("have a directory as long as its members need",
              std::to_string(directory.size) + " bytes for " + std::to_string(directory.entries));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(directory.size));
  file.read(directory.offset, bytes);

  std::vector<ZipMember> members(static_cast<std::size_t>(directory.entries));
  Fields fields(bytes);
  for (ZipMember& member : members) member = read_entry(fields, task);
  if (fields.left() != 0) {
    task.fail("have a directory that ends with its last member",
              std::to_string(fields.left()) + " bytes more");
  }
  std::sort(members.begin(), members.end(),
            [](const ZipMember& a, const ZipMember& b) { return a.offset < b.offset; });

  std::uint64_t end = 0, slack = 0;
  const auto require_joined = [&](std::uint64_t next) {
    if (next < end || next - end > slack) {
      task.fail("have its members one after the other, without holes or overlaps",
                "a part at byte " + std::to_string(next) + ", expected " + std::to_string(end));
    }
  };
  for (ZipMember& member : members) {
    require_joined(member.offset);
    read_local_header(file, member, directory.offset);
    end = member.data_offset + member.compressed_size;
    slack = (member.flags & kDescriptorFollows) != 0 ? kLongestDescriptor : 0;
  }
  require_joined(directory.offset);
  return members;
}

std::string zip_local_header(const ZipMember& member) {
  std::string text;
  put32(text, kLocalMark);
  put_description(text, member);
  return text + member.name;
}

std::string zip_directory(const std::vector<ZipMember>& members, std::uint64_t offset) {
  std::string text;
  for (const ZipMember& member : members) {
    put32(text, kEntryMark);
    put16(text, kVersion);  // of the writer
    put_description(text, member);
    put16(text, member.comment.size());
    put16(text, 0);  // disk
    put16(text, 0);  // internal attributes
    put32(text, 0);  // external attributes
    put32(text, member.offset);
    text += member.name + member.comment;
  }
  const std::size_t size = text.size();
  put32(text, kEndMark);
  put16(text, 0);
  put16(text, 0);
  put16(text, members.size());
  put16(text, members.size());
  put32(text, size);
  put32(text, offset);
  put16(text, 0);
  return text;
}

}  // namespace lamina::detail
