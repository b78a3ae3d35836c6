#include <lamina/serialization/detail/architecture.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/module_state.hpp>
#include <lamina/serialization/model_file.hpp>

namespace lamina {

template <Scalar T>
void save_model(const std::string& path, const Module<T>& net, const SaveModelOptions& options,
                FileSystem& files) {
  const detail::FileTask task{.who = "save_model", .path = path};
  const auto architecture = detail::describe_architecture(net, task);
  StateDict state;
  detail::ModuleState<T>(const_cast<Module<T>&>(net))  // only read
      .add_to(state, std::string(detail::kModelPrefix));
  detail::add_metadata(state, options.metadata, task);
  detail::atomic_save(
      files, task, [&](detail::Sink& sink) { detail::write_container(sink, state, architecture); });
}

template <Scalar T>
ModulePointer<T> load_model(const std::string& path, const Registry<T>& registry,
                            FileSystem& files) {
  const detail::FileTask task{.who = "load_model", .path = path};
  detail::ContainerReader reader(files, task);
  ModulePointer<T> net =
      detail::make_architecture(reader.manifest().architecture(), registry, task);
  detail::ModuleState<T> target(*net);
  detail::Differences differences;
  detail::ContainerSource source(reader, detail::kModelPrefix);
  target.compare(source, differences);
  differences.require_none(task, "hold the state of the network that it describes");
  net->name_tree();
  target.swap();
  return net;
}

template void save_model(const std::string&, const Module<float>&, const SaveModelOptions&,
                         FileSystem&);
template void save_model(const std::string&, const Module<double>&, const SaveModelOptions&,
                         FileSystem&);
template ModulePointer<float> load_model(const std::string&, const Registry<float>&, FileSystem&);
template ModulePointer<double> load_model(const std::string&, const Registry<double>&, FileSystem&);

}  // namespace lamina
