// How long to go on asking a node that went away, as when it starts again.
#pragma once

#include "node.hpp"

class Patience {
 public:
  explicit Patience(Stop& stop) : stop_(stop) { renew(); }

  // The node answered.
  void renew() { deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(60); }

  // Pauses before the next try; throws `unreachable` when a minute has passed without a sign of life.
  void wait(const Unreachable& unreachable) {
    if (std::chrono::steady_clock::now() > deadline_) throw unreachable;
    stop_.sleep(std::chrono::milliseconds(300));
  }

 private:
  Stop& stop_;
  std::chrono::steady_clock::time_point deadline_;
};
