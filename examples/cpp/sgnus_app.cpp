// An app on a sgnus node, in C++: it processes jobs of `app:invert`, and can fetch the results of a job.
// Exit status: 0 done, 1 the job or the node failed, 2 wrong use. Ctrl-C gives the seat back.

#include <csignal>
#include <cstdlib>
#include <exception>
#include <thread>

#include <getopt.h>
#include <pthread.h>

#include "results.hpp"

namespace {

constexpr char kUsage[] =
    "usage: sgnus_app --home DIR [--job ID] [--results FILE] [--once] [--timeout S] [--app NAME]\n"
    "  --home DIR      folder of the local node\n"
    "  --job ID        process this job alone, and end with it (else jobs of app:NAME, one after another)\n"
    "  --results FILE  also write the job's result there, as raw bytes; this node must have published the job\n"
    "  --once          end with the first job that this app processed for\n"
    "  --timeout S     give up, with status 1, after S seconds without work\n"
    "  --app NAME      whose jobs: app:NAME, invert if left out\n";

struct Options {
  std::string home, job, results, app = "invert";
  bool once = false;
  long timeout_s = 0;
};

[[noreturn]] void wrong_use(const std::string& text) { throw Failure(kWrongUse, text + "\n" + kUsage); }

long seconds(const std::string& text) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 1 || value > 1'000'000) {
    wrong_use("--timeout takes whole seconds from 1 on, but not '" + text + "'.");
  }
  return value;
}

Options parse(int count, char** words) {
  static const option kOptions[] = {
      {"home", required_argument, nullptr, 'h'},    {"job", required_argument, nullptr, 'j'},
      {"results", required_argument, nullptr, 'r'}, {"once", no_argument, nullptr, 'o'},
      {"timeout", required_argument, nullptr, 't'}, {"app", required_argument, nullptr, 'a'},
      {"help", no_argument, nullptr, '?' + 1},      {nullptr, 0, nullptr, 0}};
  Options options;
  for (int found = 0; (found = getopt_long(count, words, "", kOptions, nullptr)) != -1;) {
    switch (found) {
      case 'h': options.home = optarg; break;
      case 'j': options.job = optarg; break;
      case 'r': options.results = optarg; break;
      case 'o': options.once = true; break;
      case 't': options.timeout_s = seconds(optarg); break;
      case 'a': options.app = optarg; break;
      case '?' + 1: std::cout << kUsage; std::exit(0);
      default: wrong_use("Unknown or incomplete option.");
    }
  }
  if (optind < count) wrong_use("Unexpected argument '" + std::string(words[optind]) + "'.");
  if (options.home.empty()) wrong_use("--home is missing.");
  if (!options.results.empty() && options.job.empty()) wrong_use("--results needs --job.");
  return options;
}

// Whether there is nothing more to do for this job. A job that has not yet come to this node is not over.
bool is_job_over(Node& node, const Options& options, const std::string& job) {
  pb::JobStatus status;
  try {
    status = get_job(node, job);
  } catch (const Refused& refused) {
    if (refused.code != grpc::StatusCode::NOT_FOUND) throw;
    return false;
  }
  if (status.processor() != "app:" + options.app) {
    throw Failure(kWrongUse, "Job " + job + " is processed by " + status.processor() + ", not by app:" + options.app + ".");
  }
  if (!is_over(status)) return false;
  if (status.state() != pb::JOB_STATE_COMPLETED) throw Failure(kFailed, ended_without_result(status));
  say("job " + job + " is completed");
  return true;
}

// One step: a sub-block or a wait for one, or a seat. False when there is neither seat nor work.
bool step(Rooms& rooms) {
  try {
    if (!rooms.seat()) return rooms.find_seat();
    rooms.work();
    return true;
  } catch (const Refused& refused) {
    // The job ended or the seat went meanwhile; anything else is a fault.
    if (refused.code != grpc::StatusCode::NOT_FOUND && refused.code != grpc::StatusCode::FAILED_PRECONDITION) throw;
    say(refused.what());
    rooms.leave();
    return false;
  }
}

// Room after room, until the job is over or there is nothing to do for too long.
void process(Node& node, Rooms& rooms, const Options& options) {
  Patience patience(node.stop());
  auto idle_since = std::chrono::steady_clock::now();
  int processed = 0;
  for (;;) {
    try {
      if (!step(rooms)) {
        if (!rooms.job().empty() && is_job_over(node, options, rooms.job())) return;
        node.stop().sleep(std::chrono::milliseconds(200));
      }
      patience.renew();
    } catch (const Unreachable& unreachable) {
      patience.wait(unreachable);
    }
    const auto now = std::chrono::steady_clock::now();
    if (rooms.processed() > processed) {
      processed = rooms.processed();
      idle_since = now;
      if (options.once && rooms.seat()) rooms.stay_with(rooms.seat()->job);
    }
    if (options.timeout_s > 0 && now - idle_since > std::chrono::seconds(options.timeout_s)) {
      throw Failure(kFailed, "There was no work for " + std::to_string(options.timeout_s) + " s.");
    }
  }
}

// Waits for Ctrl-C in a thread of its own, where it may lock and call; all other threads have these signals blocked.
class Interrupt {
 public:
  explicit Interrupt(Stop& stop) {
    sigset_t waited;
    sigemptyset(&waited);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&waited, signal);
    pthread_sigmask(SIG_BLOCK, &waited, nullptr);
    thread_ = std::thread([waited, &stop] {
      int signal = 0;
      sigwait(&waited, &signal);
      if (signal == SIGUSR1) return;
      // From here on a second Ctrl-C ends the process at once.
      sigset_t deadly;
      sigemptyset(&deadly);
      sigaddset(&deadly, SIGINT);
      sigaddset(&deadly, SIGTERM);
      pthread_sigmask(SIG_UNBLOCK, &deadly, nullptr);
      stop.set();
      sigset_t farewell;
      sigemptyset(&farewell);
      sigaddset(&farewell, SIGUSR1);
      sigwait(&farewell, &signal);
    });
  }
  ~Interrupt() {
    pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }

 private:
  std::thread thread_;
};

// The results, in a thread beside the work. `wait` throws what went wrong there.
class Follower {
 public:
  Follower(Node& node, const Options& options) {
    if (options.results.empty()) return;
    thread_ = std::thread([this, &node, options] {
      try {
        Results(node, options.job, options.results).follow();
      } catch (...) {
        fault_ = std::current_exception();
        // Who asked for results does not want to work on without them.
        node.stop().set();
      }
    });
  }
  ~Follower() { join(); }

  void wait() {
    join();
    if (fault_) std::rethrow_exception(fault_);
  }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
  std::exception_ptr fault_;
};

int run(const Options& options) {
  Stop stop;
  const Interrupt interrupt(stop);
  Node node(options.home, stop);
  Rooms rooms(node, "app:" + options.app, options.job);
  Follower follower(node, options);
  try {
    process(node, rooms, options);
  } catch (const Stopped&) {
    rooms.leave();
    follower.wait();
    return 0;
  } catch (...) {
    stop.set();
    rooms.leave();
    throw;
  }
  follower.wait();
  say("done: " + std::to_string(rooms.processed()) + " sub-blocks");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(parse(count, words));
  } catch (const Stopped&) {
    std::cerr << "sgnus_app: stopped before the results were there\n";
    return kFailed;
  } catch (const Failure& failure) {
    std::cerr << "sgnus_app: " << failure.what() << "\n";
    return failure.status;
  } catch (const std::exception& fault) {
    std::cerr << "sgnus_app: " << fault.what() << "\n";
    return kFailed;
  }
}
