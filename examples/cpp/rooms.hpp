// The loop of an app that processes: a seat in a room, sub-block after sub-block, and on to the next room.
#pragma once

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include "region.hpp"

constexpr std::uint32_t kWaitMs = 5000;
constexpr std::size_t kPieceBytes = 512 * 1024;

struct Seat {
  std::string job;
  std::uint32_t microjob;
};

// A sub-block that was leased to this app.
struct SubBlock {
  std::uint32_t number;
  std::vector<pb::Tile> tiles;
  std::string input;
};

inline void say(const std::string& line) { std::cout << line + "\n" << std::flush; }

inline std::string room_name(const Seat& seat) {
  return "room " + std::to_string(seat.microjob) + " of job " + seat.job;
}

class Rooms {
 public:
  // `processor` is app:NAME; `job` names one job alone, or is empty for any.
  Rooms(Node& node, std::string processor, std::string job)
      : node_(node), processor_(std::move(processor)), job_(std::move(job)) {}

  const std::optional<Seat>& seat() const { return seat_; }
  int processed() const { return processed_; }
  const std::string& job() const { return job_; }

  // From now on this job alone.
  void stay_with(const std::string& job) { job_ = job; }

  // GetRoomList, then RoomJoin in turn; where no room can be joined, PublishDataToProcess. True when this app has a seat.
  bool find_seat() {
    pb::GetRoomListRequest request;
    request.set_processor(processor_);
    if (!job_.empty()) request.set_job(job_);
    const auto reply = node_.ask(&pb::Processing::Stub::GetRoomList, request);
    std::vector<pb::RoomSummary> rooms(reply.rooms().begin(), reply.rooms().end());
    // A seat that this node has already, as after a room moved on to its next microjob, comes first.
    std::stable_partition(rooms.begin(), rooms.end(), [](const auto& room) { return room.joined(); });
    for (const auto& room : rooms) {
      const bool is_open = room.hosted() && (room.joined() || room.seats() > 0);
      if (is_open && is_suitable(room.job()) && join({room.job(), room.microjob()})) return true;
    }
    for (const auto& room : rooms) {
      if (!room.hosted() && is_suitable(room.job()) && host(room.job())) return true;
    }
    return false;
  }

  // One round in the room: a sub-block, or a wait for one. False when there is none left here.
  bool work() {
    SubBlock sub_block;
    switch (request_data(sub_block)) {
      case pb::DATA_STATUS_DATA:
        publish(sub_block, compute(sub_block));
        return true;
      case pb::DATA_STATUS_WAIT:
        return true;
      case pb::DATA_STATUS_HOST_GONE:
        claim();
        return true;
      case pb::DATA_STATUS_NOT_JOINED:
        say("lost the seat in " + room_name(*seat_));
        seat_.reset();
        return false;
      default:
        say("nothing left in " + room_name(*seat_));
        seat_.reset();
        return false;
    }
  }

  // Gives the seat back, if there is one.
  void leave() {
    if (!seat_) return;
    pb::RoomLeaveRequest request;
    request.set_job(seat_->job);
    request.set_microjob(seat_->microjob);
    if (node_.leave(request)) say("left " + room_name(*seat_));
    seat_.reset();
  }

 private:
  // This app inverts uint8 into uint8 of the same shape; jobs that want another thing are passed over.
  bool is_suitable(const std::string& job) {
    const auto known = suitable_.find(job);
    if (known != suitable_.end()) return known->second;
    const auto status = get_job(node_, job);
    const bool same_shape = std::equal(status.array().shape().begin(), status.array().shape().end(),
                                       status.output().shape().begin(), status.output().shape().end());
    const bool fits = same_shape && status.array().dtype() == "uint8" && status.output().dtype() == "uint8";
    if (!fits && !job_.empty()) {
      throw Failure(kWrongUse, "Job " + job + " makes " + status.output().dtype() + " of " + status.array().dtype() +
                                   "; this app makes an array of uint8 of one like it.");
    }
    return suitable_[job] = fits;
  }

  bool join(const Seat& seat) {
    pb::RoomJoinRequest request;
    request.set_job(seat.job);
    request.set_microjob(seat.microjob);
    const auto reply = node_.ask(&pb::Processing::Stub::RoomJoin, request);
    if (reply.status() == pb::ROOM_JOIN_STATUS_OK) {
      seat_ = seat;
      say("joined " + room_name(seat));
      return true;
    }
    // FULL, ROOM_DOES_NOT_EXIST and the like: the next room may do.
    const std::string why = reply.detail().empty() ? "" : ": " + reply.detail();
    say("no seat in " + room_name(seat) + " (" + pb::RoomJoinStatus_Name(reply.status()) + why + ")");
    return false;
  }

  bool host(const std::string& job) {
    pb::PublishDataToProcessRequest request;
    request.set_job(job);
    const auto reply = node_.ask(&pb::Processing::Stub::PublishDataToProcess, request);
    if (reply.hosting()) {
      seat_ = Seat{job, reply.microjob()};
      say("hosting " + room_name(*seat_));
      return true;
    }
    return !reply.host().empty() && join({job, reply.microjob()});
  }

  // The host is gone: this node offers itself, and answers once the room has a host again, or that it has none.
  void claim() {
    pb::PublishDataToProcessRequest request;
    request.set_job(seat_->job);
    request.set_microjob(seat_->microjob);
    const auto reply = node_.ask(&pb::Processing::Stub::PublishDataToProcess, request);
    const std::string other = reply.host().empty() ? reply.detail() : "the host is now " + reply.host();
    say("the host of " + room_name(*seat_) + " is gone; " + (reply.hosting() ? "this node hosts now" : other));
    node_.stop().sleep(std::chrono::milliseconds(200));
  }

  pb::DataStatus request_data(SubBlock& sub_block) {
    pb::RequestProcessingDataRequest request;
    request.set_job(seat_->job);
    request.set_microjob(seat_->microjob);
    request.set_wait_ms(kWaitMs);
    Call call(node_, kCallLimit);
    const auto stream = node_.stub().RequestProcessingData(&call.context, request);
    pb::RequestProcessingDataReply reply;
    const bool has_first = stream->Read(&reply);
    const auto status = reply.status();
    if (has_first) {
      sub_block.number = reply.sub_block();
      sub_block.tiles.assign(reply.tiles().begin(), reply.tiles().end());
      do {
        sub_block.input += reply.data();
      } while (stream->Read(&reply));
    }
    call.check(stream->Finish());
    return status;
  }

  static std::string compute(const SubBlock& sub_block) {
    std::string output;
    std::size_t start = 0;
    for (const auto& tile : sub_block.tiles) {
      const auto bytes = static_cast<std::size_t>(tile.input_bytes());
      if (bytes > sub_block.input.size() - start) {
        throw Failure(kFailed, "The node sent fewer bytes than the tiles of the sub-block have.");
      }
      output += invert(tile, sub_block.input.data() + start);
      start += bytes;
    }
    return output;
  }

  void publish(const SubBlock& sub_block, const std::string& output) {
    Call call(node_, kCallLimit);
    pb::PublishProcessingResultReply reply;
    const auto stream = node_.stub().PublishProcessingResult(&call.context, &reply);
    std::size_t start = 0;
    bool is_open = true;
    do {
      pb::PublishProcessingResultRequest request;
      request.set_job(seat_->job);
      request.set_microjob(seat_->microjob);
      request.set_sub_block(sub_block.number);
      request.set_data(output.substr(start, kPieceBytes));
      is_open = stream->Write(request);
      start += kPieceBytes;
    } while (is_open && start < output.size());
    stream->WritesDone();
    const std::string what = "sub-block " + std::to_string(sub_block.number) + " of " + room_name(*seat_);
    try {
      call.check(stream->Finish());
    } catch (const Refused& refused) {
      // The lease went to another member meanwhile; the grid takes the first result, so nothing is lost.
      if (refused.code != grpc::StatusCode::FAILED_PRECONDITION) throw;
      say(what + " was not taken: " + refused.what());
      return;
    }
    ++processed_;
    say(what + (reply.held() ? " is held by the publisher" : " is not held yet: " + reply.detail()));
  }

  Node& node_;
  std::string processor_;
  std::string job_;
  std::optional<Seat> seat_;
  std::map<std::string, bool> suitable_;
  int processed_ = 0;
};
