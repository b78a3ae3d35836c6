#include <lamina/nn/checkpointed.hpp>
#include <lamina/nn/detail/text_table.hpp>
#include <lamina/nn/summary.hpp>
#include <map>
#include <unordered_set>

namespace lamina {

namespace {

// One row per module, with the counts of its members.
template <Scalar T>
class RowCollector : public Visitor<T> {
 public:
  std::vector<SummaryRow> rows;

  // That of the module with this path; null where it is not listed.
  SummaryRow* row(const std::string& path) {
    const auto found = numbers_.find(path);
    return found == numbers_.end() ? nullptr : &rows[found->second];
  }

 protected:
  void module(const std::string& path, Module<T>& module) override {
    numbers_.emplace(path, rows.size());
    SummaryRow row;
    row.path = path;
    row.type = module.type();
    if (is_checkpointed(module)) row.type += ", checkpointed";
    rows.push_back(std::move(row));
  }
  void parameter(const std::string& path, Parameter<T>& parameter) override {
    if (!counted_.insert(parameter.data().get()).second) return;
    SummaryRow& owner = owner_of(path);
    const std::int64_t size = parameter.defined() ? parameter.value().size() : 0;
    owner.parameters += size;
    if (parameter.trainable()) owner.trainable_parameters += size;
    owner.bytes += size * static_cast<std::int64_t>(sizeof(T));
  }
  void buffer(const std::string& path, Buffer<T>& buffer) override {
    if (!counted_.insert(buffer.data().get()).second) return;
    SummaryRow& owner = owner_of(path);
    const std::int64_t size = buffer.defined() ? buffer.value().size() : 0;
    owner.buffers += size;
    owner.bytes += size * static_cast<std::int64_t>(sizeof(T));
  }

 private:
  // A member's own name may have dots, too.
  SummaryRow& owner_of(std::string path) {
    for (auto dot = path.rfind('.'); dot != std::string::npos; dot = path.rfind('.')) {
      path.resize(dot);
      if (SummaryRow* owner = row(path)) return *owner;
    }
    return rows.front();
  }

  std::map<std::string, std::size_t> numbers_;
  std::unordered_set<const void*> counted_;
};

template <Scalar T>
class Calls : public CallObserver<T> {
 public:
  struct Call {
    std::string path;
    Shape output;
    std::int64_t multiply_adds;
  };
  std::vector<Call> list;

  void called(const Module<T>& module, const Variable<T>& input,
              const Variable<T>& output) override {
    list.push_back(
        {module.path(), output.shape(), module.multiply_adds(input.shape(), output.shape())});
  }
};

// "1,234,567".
std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto end = static_cast<std::int64_t>(digits.size()) - 3; end > 0; end -= 3) {
    digits.insert(static_cast<std::size_t>(end), 1, ',');
  }
  return digits;
}

constexpr std::size_t kTextColumns = 3;
using Line = std::vector<std::string>;

Line line_of(const SummaryRow& row) {
  return {row.path,
          row.type,
          row.output ? row.output->to_string() : "",
          grouped(row.parameters),
          grouped(row.buffers),
          grouped(row.multiply_adds),
          grouped(row.bytes)};
}

}  // namespace

namespace detail {

template <Scalar T>
Summary summarize(Module<T>& copy, const Shape& input) {
  Rng rng(0);
  Calls<T> calls;
  auto ctx = Context<T>::for_inference();
  ctx.rng = &rng;
  ctx.observer = &calls;
  copy(Variable<T>(Tensor<T>::zeros(input)), ctx);

  RowCollector<T> collector;
  collector.walk(copy);
  for (const auto& call : calls.list) {
    SummaryRow* const row = collector.row(call.path);
    if (!row) continue;
    row->output = call.output;
    row->multiply_adds += call.multiply_adds;
  }
  Summary summary{.input = input, .rows = std::move(collector.rows), .total = {}};
  const SummaryRow& root = summary.rows.front();
  if (summary.rows.size() > 1 && root.parameters == 0 && root.buffers == 0) {
    summary.rows.erase(summary.rows.begin());
  }
  summary.total.path = "total";
  for (const SummaryRow& row : summary.rows) {
    summary.total.parameters += row.parameters;
    summary.total.trainable_parameters += row.trainable_parameters;
    summary.total.buffers += row.buffers;
    summary.total.multiply_adds += row.multiply_adds;
    summary.total.bytes += row.bytes;
  }
  return summary;
}

template Summary summarize<float>(Module<float>&, const Shape&);
template Summary summarize<double>(Module<double>&, const Shape&);

}  // namespace detail

std::string Summary::to_string() const {
  std::vector<Line> lines{
      {"path", "type", "output", "parameters", "buffers", "multiply-adds", "bytes"}};
  for (const SummaryRow& row : rows) lines.push_back(line_of(row));
  lines.push_back(line_of(total));

  std::string text = "input " + input.to_string() + "\n";
  text += detail::aligned_table(lines, kTextColumns);
  text += "trainable parameters: " + grouped(total.trainable_parameters) + "\n";
  return text;
}

}  // namespace lamina
