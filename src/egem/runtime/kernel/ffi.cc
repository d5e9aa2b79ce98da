// What XLA calls: handlers that check shapes and pass arrays on to the widest kernel the CPU has.
#include <cstdlib>
#include <cstring>

#include "lstm.hpp"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using In = ffi::Buffer<ffi::F32>;
using Out = ffi::ResultBuffer<ffi::F32>;
using Made = ffi::Buffer<ffi::F32>;

namespace egem {
namespace {

const Kernel* choose() {
  const Kernel* widest = &kernel_plain;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const char* asked = std::getenv("EGEM_KERNEL");
  const auto allowed = [&](const Kernel& k) { return !asked || !std::strcmp(asked, k.name); };
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && allowed(kernel_avx2))
    widest = &kernel_avx2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      allowed(kernel_avx512))
    widest = &kernel_avx512;
#endif
  return widest;
}

const Kernel& kernel() {
  static const Kernel* chosen = choose();
  return *chosen;
}

// Product of all but the last two dimensions: the experts.
int64_t leading(const In& a) {
  int64_t n = 1;
  for (size_t i = 0; i + 2 < a.dimensions().size(); ++i) n *= a.dimensions()[i];
  return n;
}

bool counts(const In& a, int64_t n) { return static_cast<int64_t>(a.element_count()) == n; }
bool counts(Out a, int64_t n) { return static_cast<int64_t>(a->element_count()) == n; }

// `first` (..., n, 4h), `out` (..., h, c); the weights between them are checked by count.
bool shape_of(const In& first, const In& rec, const In& bias, const In& out, int64_t steps,
              Shape* s) {
  const auto f = first.dimensions(), o = out.dimensions();
  if (f.size() < 2 || o.size() != f.size() || leading(first) != leading(out)) return false;
  *s = {leading(first), f[f.size() - 2], steps, o[o.size() - 2], o[o.size() - 1], 0};
  return f[f.size() - 1] == 4 * s->cells && steps > 0 &&
         counts(rec, s->experts * s->cells * 4 * s->cells) &&
         counts(bias, s->experts * 4 * s->cells);
}

ffi::Error wrong() { return ffi::Error::InvalidArgument("egem: arrays of unexpected shapes"); }

// Runs forward, with a tape where `tape` is given.
ffi::Error run(const In& first, const In& rec, const In& bias, const In& out, Out y, Out* tape,
               int64_t steps) {
  Shape s;
  if (!shape_of(first, rec, bias, out, steps, &s) ||
      !counts(y, s.experts * s.codes * s.steps * s.channels) ||
      (tape && !counts(*tape, tape_size(s, kernel().lanes))))
    return wrong();
  kernel().roll(s, first.typed_data(), rec.typed_data(), bias.typed_data(), out.typed_data(),
                y->typed_data(), tape ? (*tape)->typed_data() : nullptr);
  return ffi::Error::Success();
}

ffi::Error roll(In first, In rec, In bias, In out, Out y, int64_t steps) {
  return run(first, rec, bias, out, y, nullptr, steps);
}

ffi::Error record(In first, In rec, In bias, In out, Out y, Out tape, int64_t steps) {
  return run(first, rec, bias, out, y, &tape, steps);
}

ffi::Error pull(In first, In rec, In bias, In out, In tape, In dy, Out dfirst, Out drec, Out dbias,
                Out dout, int64_t steps) {
  Shape s;
  if (!shape_of(first, rec, bias, out, steps, &s) ||
      !(counts(tape, 0) || counts(tape, tape_size(s, kernel().lanes))) ||
      !counts(dy, s.experts * s.codes * s.steps * s.channels) ||
      !counts(dfirst, first.element_count()) || !counts(drec, rec.element_count()) ||
      !counts(dbias, s.experts * 4 * s.cells) || !counts(dout, out.element_count()))
    return wrong();
  kernel().pull(s, first.typed_data(), rec.typed_data(), bias.typed_data(), out.typed_data(),
                tape.element_count() ? tape.typed_data() : nullptr, dy.typed_data(),
                dfirst->typed_data(), drec->typed_data(), dbias->typed_data(), dout->typed_data());
  return ffi::Error::Success();
}

ffi::Error push(In first, In code, In rec, In bias, In out, Out y, Out jacobian, int64_t steps) {
  Shape s;
  if (!shape_of(first, rec, bias, out, steps, &s)) return wrong();
  s.code_size = code.dimensions()[code.dimensions().size() - 2];
  const int64_t values = s.experts * s.codes * s.steps * s.channels;
  if (!counts(code, s.experts * s.code_size * 4 * s.cells) || !counts(y, values) ||
      !counts(jacobian, values * s.code_size))
    return wrong();
  kernel().push(s, first.typed_data(), code.typed_data(), rec.typed_data(), bias.typed_data(),
                out.typed_data(), y->typed_data(), jacobian->typed_data());
  return ffi::Error::Success();
}

ffi::Error normal(In first, In code, In rec, In bias, In out, In out_bias, In targets, In shown,
                  In basis, Out gram, Out projected, int64_t steps) {
  Shape s;
  if (!shape_of(first, rec, bias, out, steps, &s)) return wrong();
  s.code_size = code.dimensions()[code.dimensions().size() - 2];
  const int64_t q = basis.dimensions()[basis.dimensions().size() - 1];
  const int64_t width = s.steps * s.channels, rows = s.experts * s.codes * (1 + s.code_size);
  if (!counts(code, s.experts * s.code_size * 4 * s.cells) || q % 4 ||
      !counts(out_bias, s.experts * s.channels) || !counts(targets, s.experts * s.codes * width) ||
      !counts(shown, s.experts * s.codes * width) || !counts(basis, s.experts * width * q) ||
      !counts(gram, rows * (1 + s.code_size)) || !counts(projected, rows * q))
    return wrong();
  kernel().normal(s, q, first.typed_data(), code.typed_data(), rec.typed_data(), bias.typed_data(),
                  out.typed_data(),
                  {out_bias.typed_data(), targets.typed_data(), shown.typed_data(), basis.typed_data()},
                  gram->typed_data(), projected->typed_data());
  return ffi::Error::Success();
}

// So many arrays in, so many out, and the number of steps.
template <int Ins, int Outs>
auto arrays() {
  if constexpr (Outs > 0)
    return arrays<Ins, Outs - 1>().template Ret<Made>();
  else if constexpr (Ins > 0)
    return arrays<Ins - 1, 0>().template Arg<In>();
  else
    return ffi::Ffi::Bind();
}
template <int Ins, int Outs>
auto takes() {
  return arrays<Ins, Outs>().template Attr<int64_t>("steps");
}

}  // namespace
}  // namespace egem

#pragma GCC visibility push(default)
XLA_FFI_DEFINE_HANDLER_SYMBOL(EgemRoll, egem::roll, (egem::takes<4, 1>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(EgemRecord, egem::record, (egem::takes<4, 2>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(EgemPull, egem::pull, (egem::takes<6, 4>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(EgemPush, egem::push, (egem::takes<5, 2>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(EgemNormal, egem::normal, (egem::takes<9, 2>()));
#pragma GCC visibility pop

#define EGEM_EXPORT extern "C" __attribute__((visibility("default")))
EGEM_EXPORT const char* egem_kernel_name() { return egem::kernel().name; }
EGEM_EXPORT int egem_ffi_version() { return 1000 * XLA_FFI_API_MAJOR + XLA_FFI_API_MINOR; }
EGEM_EXPORT int egem_kernel_lanes() { return egem::kernel().lanes; }
EGEM_EXPORT void egem_shares(int64_t cases, int64_t channels, int64_t length, int64_t dilations,
                             int64_t kernels, const float* values, const int32_t* lengths,
                             const int32_t* dilation, const int32_t* places, const float* looked_at,
                             const float* thresholds, float* out) {
  egem::kernel().shares({cases, channels, length, dilations, kernels}, values, lengths, dilation,
                        places, looked_at, thresholds, out);
}
