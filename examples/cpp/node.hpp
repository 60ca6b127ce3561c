// The local node: where it is found, how it is called, and how calls are broken off.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <sgnus/v1/sgnus.grpc.pb.h>

namespace pb = sgnus::v1;

constexpr int kFailed = 1;
constexpr int kWrongUse = 2;
// The longest that the node waits for others before it answers is a minute.
constexpr std::chrono::seconds kCallLimit{90};

// A sentence for the user, and the exit status that it means.
struct Failure : std::runtime_error {
  Failure(int exit_status, const std::string& text) : std::runtime_error(text), status(exit_status) {}
  int status;
};

// The node does not answer; it may be starting again.
struct Unreachable : Failure {
  explicit Unreachable(const std::string& text) : Failure(kFailed, "The node does not answer: " + text) {}
};

// The node answered with an error.
struct Refused : Failure {
  Refused(const std::string& text, grpc::StatusCode why) : Failure(kFailed, text), code(why) {}
  grpc::StatusCode code;
};

// Ctrl-C was pressed: the call under way was broken off.
struct Stopped : std::exception {};

// Set once, by Ctrl-C. It wakes whoever sleeps here and breaks off the calls under way.
class Stop {
 public:
  void set() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_set_ = true;
    for (auto* call : calls_) call->TryCancel();
    changed_.notify_all();
  }

  void sleep(std::chrono::milliseconds time) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (changed_.wait_for(lock, time, [this] { return is_set_; })) throw Stopped();
  }

  bool is_set() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return is_set_;
  }

  void add(grpc::ClientContext* call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (is_set_) throw Stopped();
    calls_.insert(call);
  }

  void remove(grpc::ClientContext* call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    calls_.erase(call);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<grpc::ClientContext*> calls_;
  bool is_set_ = false;
};

inline std::string read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) return "";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What a gRPC channel wants to know of a node.
struct Place {
  std::string target;
  std::string token;  // Empty on the socket, which its folder protects.
};

// Reads DIR/service.json, and DIR/token where there is no socket to use.
inline Place find_node(const std::string& home) {
  const std::string path = home + "/service.json";
  const std::string text = read_text(path);
  if (text.empty()) {
    throw Failure(kFailed, "No node runs in " + home + ": there is no " + path +
                               ". Start one: sgnus node start --home " + home);
  }
  google::protobuf::Struct service;
  if (!google::protobuf::util::JsonStringToMessage(text, &service).ok()) {
    throw Failure(kFailed, path + " is no JSON object; start the node again.");
  }
  const auto& fields = service.fields();
  const auto socket = fields.find("socket");
  if (socket != fields.end() && access(socket->second.string_value().c_str(), R_OK | W_OK) == 0) {
    return {"unix:" + socket->second.string_value(), ""};
  }
  const auto port = fields.find("grpc");
  std::string token = read_text(home + "/token");
  token.erase(token.find_last_not_of(" \r\n") + 1);
  if (port == fields.end() || token.empty()) {
    throw Failure(kFailed, "The node of " + home + " has no socket and no token that this user may use; start the node, "
                           "or run the app, as the same user.");
  }
  return {"127.0.0.1:" + std::to_string(static_cast<int>(port->second.number_value())), token};
}

// A connection to the node.
class Node {
 public:
  Node(const std::string& home, Stop& stop) : stop_(stop), place_(find_node(home)) {
    grpc::ChannelArguments arguments;
    // Loopback never goes through a proxy, whatever the environment says.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    // A node that starts again is met soon.
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    stub_ = pb::Processing::NewStub(
        grpc::CreateCustomChannel(place_.target, grpc::InsecureChannelCredentials(), arguments));
  }

  pb::Processing::Stub& stub() { return *stub_; }
  Stop& stop() { return stop_; }

  // A call with one request and one reply.
  template <class Request, class Reply>
  Reply ask(grpc::Status (pb::Processing::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
            const Request& request);

  // The seat is given back even when Ctrl-C was pressed, so this call heeds no Stop.
  bool leave(const pb::RoomLeaveRequest& request) {
    grpc::ClientContext context;
    authorize(context);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    pb::RoomLeaveReply reply;
    return stub_->RoomLeave(&context, request, &reply).ok() && reply.left();
  }

  void authorize(grpc::ClientContext& context) const {
    if (!place_.token.empty()) context.AddMetadata("authorization", "Bearer " + place_.token);
  }

 private:
  Stop& stop_;
  Place place_;
  std::unique_ptr<pb::Processing::Stub> stub_;
};

// One call under way: authorized, ended by Ctrl-C, and by its deadline if it has one.
class Call {
 public:
  explicit Call(Node& node, std::chrono::seconds limit = std::chrono::seconds::zero()) : stop_(node.stop()) {
    node.authorize(context);
    if (limit.count() > 0) context.set_deadline(std::chrono::system_clock::now() + limit);
    stop_.add(&context);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { stop_.remove(&context); }

  // Nothing when the call went well, else what went wrong.
  void check(const grpc::Status& status) {
    if (status.ok()) return;
    if (stop_.is_set()) throw Stopped();
    // A node that stops cancels the calls that it still has; ours are cancelled by stop_ alone.
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::CANCELLED ||
        status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      throw Unreachable(status.error_message());
    }
    throw Refused(status.error_message(), status.error_code());
  }

  grpc::ClientContext context;

 private:
  Stop& stop_;
};

template <class Request, class Reply>
Reply Node::ask(grpc::Status (pb::Processing::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                const Request& request) {
  Call call(*this, kCallLimit);
  Reply reply;
  call.check((stub_.get()->*method)(&call.context, request, &reply));
  return reply;
}

// The job as the node knows it. NOT_FOUND is thrown until the job's entry has come to this node.
inline pb::JobStatus get_job(Node& node, const std::string& job) {
  pb::GetJobRequest request;
  request.set_job(job);
  return node.ask(&pb::Processing::Stub::GetJob, request).status();
}

inline bool is_over(const pb::JobStatus& status) {
  return status.state() == pb::JOB_STATE_COMPLETED || status.state() == pb::JOB_STATE_FAILED ||
         status.state() == pb::JOB_STATE_CANCELLED;
}

inline std::string ended_without_result(const pb::JobStatus& status) {
  const std::string how = status.state() == pb::JOB_STATE_CANCELLED ? " was cancelled" : " failed";
  return "Job " + status.job() + how + (status.reason().empty() ? "." : ": " + status.reason());
}
