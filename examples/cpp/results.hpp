// Follows the results of a job that this node published, and writes the whole array to a file.
#pragma once

#include <cstdio>

#include "patience.hpp"
#include "rooms.hpp"

class Results {
 public:
  Results(Node& node, std::string job, std::string path)
      : node_(node), job_(std::move(job)), path_(std::move(path)) {}

  // Returns when the job has ended and the file is there.
  void follow() {
    const auto status = get_job(node_, job_);
    if (!status.own()) {
      throw Failure(kWrongUse, "The results of job " + job_ + " come to the node that published it, " + status.author() +
                                   "; ask there, or leave out --results.");
    }
    shape_ = status.output().shape();
    item_bytes_ = status.output_bytes() / std::max<std::int64_t>(1, items(shape_));
    if (item_bytes_ < 1 || item_bytes_ * items(shape_) != status.output_bytes()) {
      throw Failure(kFailed, "The output of job " + job_ + " is no array of tiles; this app writes such arrays alone.");
    }
    whole_.resize(static_cast<std::size_t>(status.output_bytes()));
    Patience patience(node_.stop());
    while (!is_complete(patience)) read(patience);
    write();
  }

 private:
  // One stream, from the cursor on. It ends with the job, or when the node goes away.
  void read(Patience& patience) {
    try {
      pb::StreamResultsRequest request;
      request.set_job(job_);
      request.set_after(cursor_);
      Call call(node_);
      const auto stream = node_.stub().StreamResults(&call.context, request);
      pb::StreamResultsReply piece;
      std::vector<pb::Tile> tiles;
      std::string data;
      while (stream->Read(&piece)) {
        patience.renew();
        tiles.insert(tiles.end(), piece.tiles().begin(), piece.tiles().end());
        data += piece.data();
        if (!piece.last()) continue;
        take(tiles, data);
        cursor_ = piece.cursor();
        tiles.clear();
        data.clear();
      }
      call.check(stream->Finish());
    } catch (const Unreachable& unreachable) {
      patience.wait(unreachable);
    }
  }

  void take(const std::vector<pb::Tile>& tiles, const std::string& data) {
    std::size_t start = 0;
    for (const auto& tile : tiles) {
      const auto bytes = static_cast<std::size_t>(tile.output_bytes());
      if (bytes > data.size() - start) throw Failure(kFailed, "A sub-block of the results came with too few bytes.");
      place(tile, data.data() + start, shape_, item_bytes_, whole_);
      start += bytes;
    }
    have_ += static_cast<std::int64_t>(start);
    say("results: " + std::to_string(have_) + " of " + std::to_string(whole_.size()) + " bytes");
  }

  bool is_complete(Patience& patience) {
    pb::JobStatus status;
    try {
      status = get_job(node_, job_);
    } catch (const Unreachable& unreachable) {
      patience.wait(unreachable);
      return false;
    }
    if (status.state() == pb::JOB_STATE_FAILED || status.state() == pb::JOB_STATE_CANCELLED) {
      throw Failure(kFailed, ended_without_result(status));
    }
    return is_over(status) && have_ == static_cast<std::int64_t>(whole_.size());
  }

  // Whole or not at all: the file appears under its name when all bytes are in it.
  void write() const {
    const std::string part = path_ + ".part";
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file.write(whole_.data(), static_cast<std::streamsize>(whole_.size()));
    file.close();
    if (!file || std::rename(part.c_str(), path_.c_str()) != 0) {
      std::remove(part.c_str());
      throw Failure(kFailed, "Cannot write " + path_ + "; name a file in a folder that you may write to.");
    }
    say("wrote " + std::to_string(whole_.size()) + " bytes to " + path_);
  }

  Node& node_;
  std::string job_;
  std::string path_;
  Numbers shape_;
  std::int64_t item_bytes_ = 0;
  std::string whole_;
  std::uint64_t cursor_ = 0;
  std::int64_t have_ = 0;
};
