// Regions of arrays in C order: the halo comes off on the way in, tiles find their place on the way out.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "node.hpp"

using Numbers = google::protobuf::RepeatedField<std::int64_t>;

inline std::int64_t items(const Numbers& shape) {
  std::int64_t product = 1;
  for (const auto length : shape) {
    if (length < 0 || __builtin_mul_overflow(product, length, &product)) {
      throw Failure(kFailed, "The node sent the shape of an array that cannot be.");
    }
  }
  return product;
}

// Calls line(place in the array, place in the region, length) for each line along the last axis of the region of `size`
// items that begins at `start` in an array of `shape`; places and lengths are in items.
template <class Line>
void each_line(const Numbers& shape, const std::vector<std::int64_t>& start, const Numbers& size, Line line) {
  const int axes = shape.size();
  bool fits = axes > 0 && static_cast<int>(start.size()) == axes && size.size() == axes;
  for (int axis = 0; fits && axis < axes; ++axis) {
    fits = start[axis] >= 0 && size[axis] >= 0 && start[axis] <= shape[axis] && size[axis] <= shape[axis] - start[axis];
  }
  if (!fits) throw Failure(kFailed, "A tile's region does not lie in its array; this app takes jobs cut into tiles only.");
  const std::int64_t length = size[axes - 1];
  const std::int64_t lines = length > 0 ? items(size) / length : 0;
  for (std::int64_t number = 0; number < lines; ++number) {
    std::int64_t rest = number, stride = shape[axes - 1], place = start[axes - 1];
    for (int axis = axes - 2; axis >= 0; --axis) {
      place += (start[axis] + rest % size[axis]) * stride;
      rest /= size[axis];
      stride *= shape[axis];
    }
    line(place, number * length, length);
  }
}

// The work of this app: 255 - x for each byte of the tile's input that is not halo.
inline std::string invert(const pb::Tile& tile, const char* input) {
  if (items(tile.input_shape()) != tile.input_bytes() || items(tile.output_shape()) != tile.output_bytes() ||
      tile.input_start_size() != tile.output_start_size()) {
    throw Failure(kFailed, "A tile's bytes do not fit its shape; this app inverts uint8 alone.");
  }
  std::vector<std::int64_t> inner;
  for (int axis = 0; axis < tile.input_start_size(); ++axis) {
    inner.push_back(tile.output_start(axis) - tile.input_start(axis));
  }
  std::string output(static_cast<std::size_t>(tile.output_bytes()), '\0');
  each_line(tile.input_shape(), inner, tile.output_shape(), [&](auto from, auto to, auto length) {
    for (decltype(length) item = 0; item < length; ++item) {
      output[to + item] = static_cast<char>(255 - static_cast<unsigned char>(input[from + item]));
    }
  });
  return output;
}

// Puts the output of a tile, of items of `item_bytes`, where it belongs in the whole array.
inline void place(const pb::Tile& tile, const char* output, const Numbers& shape, std::int64_t item_bytes,
                  std::string& whole) {
  if (items(tile.output_shape()) * item_bytes != tile.output_bytes()) {
    throw Failure(kFailed, "A tile of the results has another size than its shape says.");
  }
  const std::vector<std::int64_t> start(tile.output_start().begin(), tile.output_start().end());
  each_line(shape, start, tile.output_shape(), [&](auto to, auto from, auto length) {
    std::memcpy(&whole[to * item_bytes], output + from * item_bytes, static_cast<std::size_t>(length * item_bytes));
  });
}
