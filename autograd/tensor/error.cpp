#include <lamina/autograd/tensor/error.hpp>
#include <utility>

namespace lamina {

Error::Error(std::string who, std::string message)
    : std::runtime_error(""),
      who_(std::move(who)),
      message_(std::move(message)),
      text_("[" + who_ + "] " + message_) {}

void Error::enter(std::string_view path, std::string_view type) {
  if (entered_) return;
  entered_ = true;
  path_ = path;
  std::string place = path_.empty() ? std::string(type) : path_;
  if (who_ != type) place += ": " + who_;
  text_ = "[" + place + "] " + message_;
}

}  // namespace lamina
