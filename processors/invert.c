/* invert: the largest value minus the item (1 minus the item for floats). Any shape, no parameters, no halo needed. */
#include "sgnus.h"

/* Axes behind the last one with a halo lie in one piece with it: `split` is the axis whose lines are copied whole. */
static u32 split_of(const request *r) {
  u32 axis = r->ndim ? r->ndim - 1 : 0;
  while (axis > 0 && r->halo[axis] == 0) axis--;
  return axis;
}

/* First input item of output line `l`, halo skipped on every axis. */
static u64 line_start(const request *r, u32 split, u64 l) {
  u64 at = 0, stride = 1;
  for (i32 a = (i32)r->ndim - 1; a >= 0; a--) {
    u64 index = 0;
    if (a < (i32)split) {
      index = l % r->out_shape[a];
      l /= r->out_shape[a];
    }
    at += (index + r->halo[a]) * stride;
    stride *= r->in_shape[a];
  }
  return at;
}

#define INVERT(T, TOP)                                                  \
  static void invert_##T(const request *r, T *restrict out) {           \
    const T *in = (const T *)input_of(r);                               \
    u32 split = split_of(r);                                            \
    u64 line = 1, lines = 1;                                            \
    for (u32 a = 0; a < split; a++) lines *= r->out_shape[a];           \
    for (u32 a = split; a < r->ndim; a++) line *= r->out_shape[a];      \
    for (u64 l = 0; l < lines; l++) {                                   \
      const T *from = in + line_start(r, split, l);                     \
      T *to = out + l * line;                                           \
      for (u32 i = 0; i < (u32)line; i++) to[i] = (T)(TOP - from[i]);   \
    }                                                                   \
  }

INVERT(u8, 255)
INVERT(u16, 65535)
INVERT(f32, 1.0f)
INVERT(f64, 1.0)

static u32 process(const request *r, u8 *out) {
  u64 items = 1;
  for (u32 a = 0; a < r->ndim; a++) items *= r->out_shape[a];
  for (u32 a = 0; a < r->ndim; a++) require(r->in_shape[a] == r->out_shape[a] + 2 * r->halo[a]);
  u64 size = r->dtype == UINT8 ? 1 : r->dtype == UINT16 ? 2 : r->dtype == FLOAT32 ? 4 : 8;
  require(items * size == r->out_bytes);
  if (items == 0) return 0;
  if (r->dtype == UINT8) invert_u8(r, out);
  else if (r->dtype == UINT16) invert_u16(r, (u16 *)out);
  else if (r->dtype == FLOAT32) invert_f32(r, (f32 *)out);
  else if (r->dtype == FLOAT64) invert_f64(r, (f64 *)out);
  else __builtin_trap();
  return r->out_bytes;
}
