// Memory for the arrays of one call.
#pragma once
#include <cstddef>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "lstm.hpp"

namespace egem::EGEM_ISA {

// Hands out arrays whose memory stays with the thread: the n-th array of a call lies where the n-th of
// the call before it did, so that a call allocates only what it needs beyond earlier ones.
class Arena {
 public:
  // The thread's arena; whatever it handed out before is no longer valid.
  static Arena& of_thread() {
    thread_local Arena arena;
    arena.used_ = 0;
    return arena;
  }
  // An array of n elements, of any content, at a multiple of 64 bytes.
  template <class T>
  T* take(int64_t n) {
    const size_t bytes = n * sizeof(T), lines = (bytes + sizeof(Line) - 1) / sizeof(Line);
    if (used_ == arrays_.size()) arrays_.emplace_back();
    std::vector<Line>& array = arrays_[used_++];
    if (array.size() < lines) array = std::vector<Line>(lines);
    char* start = reinterpret_cast<char*>(array.data());
#if defined(__SANITIZE_ADDRESS__)  // it knows the memory, but not how much of it is the array
    ASAN_UNPOISON_MEMORY_REGION(start, bytes);
    ASAN_POISON_MEMORY_REGION(start + bytes, array.size() * sizeof(Line) - bytes);
#endif
    return reinterpret_cast<T*>(start);
  }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  std::vector<std::vector<Line>> arrays_;
  size_t used_ = 0;
};

}  // namespace egem::EGEM_ISA
