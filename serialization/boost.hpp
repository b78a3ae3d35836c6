// Boost.Serialization for tensors, state dicts, modules, optimizers and training states. Opt-in:
// the umbrella header does not include it.
//
//   #include <boost/archive/xml_oarchive.hpp>
//   #include <lamina/serialization/boost.hpp>
//   using boost::serialization::make_nvp;
//
//   boost::archive::binary_oarchive binary(stream);  binary & net & adam & progress;
//   boost::archive::xml_oarchive xml(stream);        xml & make_nvp("net", net);
//
// Any Boost archive will do: binary, text, XML, and the polymorphic ones, by their own type or by
// the interface polymorphic_oarchive. Every value comes back to the same bits, payloads of NaN,
// infinities, -0 and denormals included (boost/elements.hpp), and a locale that groups digits by
// three or more changes nothing (boost/text.hpp).
//
// A module, optimizer or training state is stored by the names of its visit(), and loaded strictly:
// all differences are listed in one CheckpointError, and nothing of the object is changed. A tied
// value is stored once. A network that was never called takes its shapes from the archive. An
// optimizer is loaded after the network that it belongs to.
//
// Every class has Boost's class version, now kArchiveVersion. An archive of a later one is refused.
//
// Limits:
//   - Bytes that somebody changed are not survived: only load what you trust. Files that must
//     survive crashes and corruption are save_checkpoint's.
//   - Archives go no further than Boost carries them: to the same or a later version of Boost, and
//     binary ones to the same architecture.
//   - No architecture is stored: the program makes the network and loads into it. Nothing is loaded
//     through a pointer, and no object is tracked by its address.
//   - Each object is loaded whole or not at all, but several objects one after the other: where the
//     optimizer is refused, the network before it has been loaded.
//   - A locale is the stream's business: one that groups single or pairs of digits breaks what Boost
//     writes itself.
//
// Errors: CheckpointError; Boost's own archive_exception for a stream that ends or is no archive;
// StateError when a network that was never built is saved. Thread-safety: as the archive.
#pragma once

#include <boost/serialization/split_free.hpp>
#include <boost/serialization/tracking.hpp>
#include <boost/serialization/version.hpp>
#include <lamina/nn/optimizer.hpp>
#include <lamina/serialization/boost/state.hpp>
#include <lamina/serialization/training_state.hpp>

namespace lamina::detail {

inline constexpr unsigned kArchiveVersion = 1;

template <Scalar T>
void derived_from_module(const Module<T>&);
template <Scalar T>
void derived_from_optimizer(const Optimizer<T>&);
template <Scalar T>
void derived_from_training_state(const TrainingState<T>&);

template <class M>
concept ModuleType = requires(const M& object) { derived_from_module(object); };
template <class O>
concept OptimizerType = requires(const O& object) { derived_from_optimizer(object); };
template <class S>
concept TrainingStateType = requires(const S& object) { derived_from_training_state(object); };

}  // namespace lamina::detail

namespace boost::serialization {

// Values, never found again by their address; of a version.
#define LAMINA_ARCHIVE_TRAIT(trait, number, ...) \
  struct trait<__VA_ARGS__> {                    \
    using tag = mpl::integral_c_tag;             \
    using type = mpl::int_<number>;              \
    static constexpr int value = number;         \
  }
template <lamina::Element E>
LAMINA_ARCHIVE_TRAIT(tracking_level, track_never, lamina::Tensor<E>);
template <lamina::Element E>
LAMINA_ARCHIVE_TRAIT(version, lamina::detail::kArchiveVersion, lamina::Tensor<E>);
template <>
LAMINA_ARCHIVE_TRAIT(tracking_level, track_never, lamina::StateDict);
template <>
LAMINA_ARCHIVE_TRAIT(version, lamina::detail::kArchiveVersion, lamina::StateDict);
template <lamina::detail::ModuleType M>
LAMINA_ARCHIVE_TRAIT(tracking_level, track_never, M);
template <lamina::detail::ModuleType M>
LAMINA_ARCHIVE_TRAIT(version, lamina::detail::kArchiveVersion, M);
template <lamina::detail::OptimizerType O>
LAMINA_ARCHIVE_TRAIT(tracking_level, track_never, O);
template <lamina::detail::OptimizerType O>
LAMINA_ARCHIVE_TRAIT(version, lamina::detail::kArchiveVersion, O);
template <lamina::detail::TrainingStateType S>
LAMINA_ARCHIVE_TRAIT(tracking_level, track_never, S);
template <lamina::detail::TrainingStateType S>
LAMINA_ARCHIVE_TRAIT(version, lamina::detail::kArchiveVersion, S);
#undef LAMINA_ARCHIVE_TRAIT

}  // namespace boost::serialization

namespace lamina::detail {

// Boost hands over the version that the archive holds, and leaves it to the class to refuse it.
template <class Object>
void require_known(unsigned found) {
  constexpr unsigned kNewest = boost::serialization::version<Object>::value;
  if (found <= kNewest) return;
  refuse_archive("a class version up to " + std::to_string(kNewest), std::to_string(found));
}

}  // namespace lamina::detail

namespace boost::serialization {

template <class Archive, lamina::Element E>
void save(Archive& archive, const lamina::Tensor<E>& tensor, unsigned) {
  lamina::detail::save_value(archive, tensor);
}
template <class Archive, lamina::Element E>
void load(Archive& archive, lamina::Tensor<E>& tensor, const unsigned version) {
  lamina::detail::require_known<lamina::Tensor<E>>(version);
  lamina::detail::load_value(archive, tensor);
}
template <class Archive, lamina::Element E>
void serialize(Archive& archive, lamina::Tensor<E>& tensor, const unsigned version) {
  split_free(archive, tensor, version);
}

template <class Archive>
void serialize(Archive& archive, lamina::StateDict& state, const unsigned version) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_state(archive, state);
  } else {
    lamina::detail::require_known<lamina::StateDict>(version);
    state = lamina::detail::load_state_dict(archive);
  }
}

template <class Archive, lamina::detail::ModuleType M>
void serialize(Archive& archive, M& net, const unsigned version) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_state(archive, lamina::state_of(net));
  } else {
    lamina::detail::require_known<M>(version);
    lamina::load_state(net, lamina::detail::load_state_dict(archive));
  }
}

template <class Archive, lamina::detail::OptimizerType O>
void serialize(Archive& archive, O& optimizer, const unsigned version) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_text(archive, "type", optimizer.type());
    lamina::detail::save_state(archive, lamina::state_of(optimizer));
  } else {
    lamina::detail::require_known<O>(version);
    const std::string type = lamina::detail::load_text(archive, "type");
    if (type != optimizer.type()) {
      lamina::detail::refuse_archive("the state of '" + optimizer.type() + "'", type);
    }
    lamina::load_state(optimizer, lamina::detail::load_state_dict(archive));
  }
}

template <class Archive, lamina::detail::TrainingStateType S>
void serialize(Archive& archive, S& state, const unsigned version) {
  if constexpr (Archive::is_saving::value) {
    lamina::detail::save_state(archive, lamina::state_of(state));
  } else {
    lamina::detail::require_known<S>(version);
    lamina::load_state(state, lamina::detail::load_state_dict(archive));
  }
}

}  // namespace boost::serialization
