// onednn_bench: batch normalization, with what follows it, and convolution by oneDNN, in the
// layouts of lamina_bench and in the one that oneDNN chooses itself ("blocked"). Kernels always
// have the layout that it chooses; conversions are not timed, results are made before and
// overwritten.
#include <omp.h>

#include <dnnl.hpp>
#include <support/harness.hpp>
#include <support/shapes.hpp>
#include <unordered_map>

namespace {

using bench::Check;
using bench::ConvolutionShape;
using bench::ImageShape;
using bench::Work;
using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;
using Arguments = std::unordered_map<int, memory>;

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}
dnnl::stream& stream() {
  static dnnl::stream made(engine());
  return made;
}

struct Layout {
  const char* name;
  Tag tag;
};
constexpr std::array<Layout, 3> kLayouts{
    {{"nhwc", Tag::nhwc}, {"nchw", Tag::nchw}, {"blocked", Tag::any}}};

memory::desc description(const memory::dims& dims, Tag tag) { return {dims, Type::f32, tag}; }

memory::dims dims_of(const ImageShape& s) { return {s.count, s.channels, s.height, s.width}; }

memory converted(const memory& from, const memory::desc& to) {
  memory made(to, engine());
  memory source = from;
  dnnl::reorder(source, made).execute(stream(), source, made);
  stream().wait();
  return made;
}

memory filled(const std::vector<float>& values, const memory::dims& dims, Tag tag,
              const memory::desc& as) {
  memory plain(description(dims, tag), engine());
  std::copy(values.begin(), values.end(), static_cast<float*>(plain.get_data_handle()));
  return converted(plain, as);
}

memory image(std::uint64_t stream, const ImageShape& shape, const memory::desc& as) {
  return filled(bench::uniform_values(stream, shape.size()), dims_of(shape), Tag::nhwc, as);
}

// Of 4-dimensional results in the order of the tag.
Check checksum(const std::string& name, const memory& values, Tag tag) {
  const memory plain = converted(values, description(values.get_desc().dims(), tag));
  const auto count = plain.get_desc().get_size() / sizeof(float);
  return bench::checksum(name, {static_cast<const float*>(plain.get_data_handle()), count});
}

struct Call {
  dnnl::primitive primitive;
  Arguments arguments;

  void operator()() {
    primitive.execute(stream(), arguments);
    stream().wait();
  }
};

// Where oneDNN may choose, the layout of its own convolutions is the one to normalize and pool in.
Tag normalized_tag(const Layout& layout) {
  if (layout.tag != Tag::any) return layout.tag;
  const bool wide = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
  return wide ? Tag::nChw16c : Tag::nChw8c;
}

// Batch normalization, perhaps with ReLU in the same pass.
class Normalization {
 public:
  Normalization(const ImageShape& shape, const Layout& layout, bool relu) {
    const memory::desc data = description(dims_of(shape), normalized_tag(layout));
    auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
    if (relu) flags |= dnnl::normalization_flags::fuse_norm_relu;
    using Forward = dnnl::batch_normalization_forward;
    using Backward = dnnl::batch_normalization_backward;
    const Forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, data, float(bench::kEpsilon), flags}, engine());
    const Backward::primitive_desc backward(
        {dnnl::prop_kind::backward, data, data, float(bench::kEpsilon), flags}, engine(), forward);
    const memory::dims channels{shape.channels};
    const memory::desc vector = description(channels, Tag::a);
    const memory x = image(bench::kInput, shape, data);
    const memory mean(forward.mean_desc(), engine()), variance(forward.variance_desc(), engine());
    const memory scale = filled(bench::uniform_values(bench::kScale, shape.channels, 0.5, 1.5),
                                channels, Tag::a, vector);
    const memory shift =
        filled(bench::uniform_values(bench::kShift, shape.channels), channels, Tag::a, vector);
    forward_ = {Forward(forward),
                {{DNNL_ARG_SRC, x},
                 {DNNL_ARG_DST, memory(data, engine())},
                 {DNNL_ARG_MEAN, mean},
                 {DNNL_ARG_VARIANCE, variance},
                 {DNNL_ARG_SCALE, scale},
                 {DNNL_ARG_SHIFT, shift}}};
    backward_ = {Backward(backward),
                 {{DNNL_ARG_SRC, x},
                  {DNNL_ARG_MEAN, mean},
                  {DNNL_ARG_VARIANCE, variance},
                  {DNNL_ARG_SCALE, scale},
                  {DNNL_ARG_SHIFT, shift},  // asked for, though no derivative needs it
                  {DNNL_ARG_DIFF_DST, image(bench::kOutputGradient, shape, data)},
                  {DNNL_ARG_DIFF_SRC, memory(data, engine())},
                  {DNNL_ARG_DIFF_SCALE, memory(vector, engine())},
                  {DNNL_ARG_DIFF_SHIFT, memory(vector, engine())}}};
    if (relu) {
      const memory workspace(forward.workspace_desc(), engine());
      forward_.arguments.insert({DNNL_ARG_WORKSPACE, workspace});
      backward_.arguments.insert({DNNL_ARG_WORKSPACE, workspace});
    }
    forward_();  // the backward pass needs its statistics
  }

  void forward() { forward_(); }
  void backward() { backward_(); }

  const memory& result() const { return forward_.arguments.at(DNNL_ARG_DST); }
  void set_output_gradient(const memory& gradient) {
    backward_.arguments.at(DNNL_ARG_DIFF_DST) = gradient;
  }

  std::vector<Check> output() const { return {checksum("y", result(), Tag::nhwc)}; }
  std::vector<Check> gradients() const {
    return {checksum("gradient 0", backward_.arguments.at(DNNL_ARG_DIFF_SRC), Tag::nhwc),
            checksum("gradient 1", backward_.arguments.at(DNNL_ARG_DIFF_SCALE), Tag::a),
            checksum("gradient 2", backward_.arguments.at(DNNL_ARG_DIFF_SHIFT), Tag::a)};
  }

 private:
  Call forward_, backward_;
};

// Batch normalization with ReLU, and 2x2 max pooling behind it.
class PooledNormalization {
 public:
  PooledNormalization(const ImageShape& shape, const Layout& layout) : norm_(shape, layout, true) {
    const ImageShape pooled{shape.count, shape.channels, shape.height / 2, shape.width / 2};
    const Tag tag = normalized_tag(layout);
    const memory::desc from = description(dims_of(shape), tag),
                       to = description(dims_of(pooled), tag);
    const memory::dims window{2, 2}, padding{0, 0};
    const auto algorithm = dnnl::algorithm::pooling_max;
    using Forward = dnnl::pooling_forward;
    using Backward = dnnl::pooling_backward;
    const Forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, algorithm, from, to, window, window, padding, padding},
        engine());
    const Backward::primitive_desc backward({algorithm, from, to, window, window, padding, padding},
                                            engine(), forward);
    const memory workspace(forward.workspace_desc(), engine());
    const memory input_gradient(from, engine());
    forward_ = {Forward(forward),
                {{DNNL_ARG_SRC, norm_.result()},
                 {DNNL_ARG_DST, memory(to, engine())},
                 {DNNL_ARG_WORKSPACE, workspace}}};
    backward_ = {Backward(backward),
                 {{DNNL_ARG_DIFF_DST, image(bench::kOutputGradient, pooled, to)},
                  {DNNL_ARG_DIFF_SRC, input_gradient},
                  {DNNL_ARG_WORKSPACE, workspace}}};
    norm_.set_output_gradient(input_gradient);
  }

  void step() {
    norm_.forward();
    forward_();
    backward_();
    norm_.backward();
  }
  std::vector<Check> gradients() const { return norm_.gradients(); }

 private:
  Normalization norm_;
  Call forward_, backward_;
};

void add_normalization(const ImageShape& shape, const Layout& layout) {
  const std::string name = "batch_normalization/" + shape.name() + "/" + layout.name;
  const auto make = [=](bool relu) { return std::make_shared<Normalization>(shape, layout, relu); };
  bench::add(name + "/forward", [make] {
    auto norm = make(false);
    return Work{.run = [norm] { norm->forward(); }, .check = [norm] { return norm->output(); }};
  });
  bench::add(name + "/backward", [make] {
    auto norm = make(false);
    return Work{.run = [norm] { norm->backward(); }, .check = [norm] { return norm->gradients(); }};
  });
  bench::add(bench::block_name(shape, layout.name, false), [make] {
    auto norm = make(true);
    return Work{.run =
                    [norm] {
                      norm->forward();
                      norm->backward();
                    },
                .check = [norm] { return norm->gradients(); }};
  });
  bench::add(bench::block_name(shape, layout.name, true), [=] {
    auto block = std::make_shared<PooledNormalization>(shape, layout);
    return Work{.run = [block] { block->step(); }, .check = [block] { return block->gradients(); }};
  });
}

// Descriptions of a convolution's operands in one layout, and the passes that work on them.
struct Convolution {
  ConvolutionShape shape;
  memory::desc x, kernel, y;
  memory::dims strides, dilations, padding;
  dnnl::algorithm algorithm = dnnl::algorithm::convolution_auto;

  Convolution(const ConvolutionShape& s, Tag tag)
      : shape(s),
        x(description(dims_of(s.input), tag)),
        kernel(description({s.filters, s.input.channels, s.kernel, s.kernel}, Tag::any)),
        y(description(dims_of(s.output()), tag)),
        strides{s.stride, s.stride},
        dilations{s.dilation - 1, s.dilation - 1},
        padding{s.padding(), s.padding()} {}

  // What lies beyond the last window is no padding.
  memory::dims padding_after() const {
    const auto after = [&](std::int64_t in, std::int64_t out) {
      return (out - 1) * shape.stride + (shape.kernel - 1) * shape.dilation + 1 - in -
             shape.padding();
    };
    return {after(shape.input.height, shape.output().height),
            after(shape.input.width, shape.output().width)};
  }
  memory kernel_values(const memory::desc& as) const {
    const auto count = shape.kernel * shape.kernel * shape.input.channels * shape.filters;
    return filled(bench::kernel_values(bench::kKernels, count, shape.filters),
                  {shape.filters, shape.input.channels, shape.kernel, shape.kernel}, Tag::hwio, as);
  }
  memory input(const memory::desc& as) const { return image(bench::kInput, shape.input, as); }
  memory output_gradient(const memory::desc& as) const {
    return image(bench::kOutputGradient, shape.output(), as);
  }

  dnnl::convolution_forward::primitive_desc forward_description() const {
    return {{dnnl::prop_kind::forward_training, algorithm, x, kernel, y, strides, dilations,
             padding, padding_after()},
            engine()};
  }
  Call forward() const {
    const auto made = forward_description();
    return {dnnl::convolution_forward(made),
            {{DNNL_ARG_SRC, input(made.src_desc())},
             {DNNL_ARG_WEIGHTS, kernel_values(made.weights_desc())},
             {DNNL_ARG_DST, memory(made.dst_desc(), engine())}}};
  }
  Call weight_gradient() const {
    const dnnl::convolution_backward_weights::primitive_desc made(
        {algorithm, x, kernel, y, strides, dilations, padding, padding_after()}, engine(),
        forward_description());
    return {dnnl::convolution_backward_weights(made),
            {{DNNL_ARG_SRC, input(made.src_desc())},
             {DNNL_ARG_DIFF_DST, output_gradient(made.diff_dst_desc())},
             {DNNL_ARG_DIFF_WEIGHTS, memory(made.diff_weights_desc(), engine())}}};
  }
  Call input_gradient() const {
    const dnnl::convolution_backward_data::primitive_desc made(
        {algorithm, x, kernel, y, strides, dilations, padding, padding_after()}, engine(),
        forward_description());
    return {dnnl::convolution_backward_data(made),
            {{DNNL_ARG_DIFF_DST, output_gradient(made.diff_dst_desc())},
             {DNNL_ARG_WEIGHTS, kernel_values(made.weights_desc())},
             {DNNL_ARG_DIFF_SRC, memory(made.diff_src_desc(), engine())}}};
  }
};

void add_pass(const ConvolutionShape& shape, const Layout& layout, const char* pass,
              Call (Convolution::*make)() const, int result, Tag order) {
  bench::add("convolution/" + shape.name() + "/" + layout.name + "/" + pass, [=] {
    auto call = std::make_shared<Call>((Convolution(shape, layout.tag).*make)());
    return Work{
        .run = [call] { (*call)(); },
        .check =
            [=] { return std::vector{checksum("result", call->arguments.at(result), order)}; }};
  });
}

void add_convolution(const ConvolutionShape& shape, const Layout& layout) {
  add_pass(shape, layout, "forward", &Convolution::forward, DNNL_ARG_DST, Tag::nhwc);
  add_pass(shape, layout, "weight_gradient", &Convolution::weight_gradient, DNNL_ARG_DIFF_WEIGHTS,
           Tag::hwio);
  if (shape.input.channels <= 3) return;
  add_pass(shape, layout, "input_gradient", &Convolution::input_gradient, DNNL_ARG_DIFF_SRC,
           Tag::nhwc);
}

std::map<std::string, std::string> about() {
  const dnnl_version_t* version = dnnl::version();
  return {{"version", "oneDNN " + std::to_string(version->major) + "." +
                          std::to_string(version->minor) + "." + std::to_string(version->patch)},
          {"threads", std::to_string(omp_get_max_threads()) + " (OpenMP)"},
          {"BLAS", "its own"},
          {"allocator", "none: results are overwritten"},
          {"compiler", "the package's own; the program: " LAMINA_BENCH_FLAGS}};
}

}  // namespace

int main(int argc, char** argv) {
  for (const Layout& layout : kLayouts) {
    for (const ImageShape& shape : bench::kNormalizedImages) add_normalization(shape, layout);
    for (const ConvolutionShape& shape : bench::kConvolutions) add_convolution(shape, layout);
  }
  return bench::run(argc, argv,
                    {.name = "onednn",
                     .set_threads = [](int count) { omp_set_num_threads(count); },
                     .on_every_thread =
                         [](const std::function<void()>& call) {
#pragma omp parallel
                           call();
                         },
                     .about = about});
}
