/* gaussian-blur: separable Gaussian of standard deviation `sigma` (0.1 to 10, default 1), cut off at `radius` =
 * the smallest whole number >= 3 sigma; needs that halo. Weights are whole numbers of sum 65536, so that integer
 * images are blurred in integers; floats are blurred in f64 in a fixed order. Per channel. */
#include "sgnus.h"

enum { RADIUS_MAX = 30, UNIT = 65536 };

static u32 weights(f64 sigma, u32 *w) {
  u32 radius = 0;
  f64 shape[RADIUS_MAX + 1], sum = 0.0;
  while ((f64)radius < 3.0 * sigma) radius++;
  require(radius <= RADIUS_MAX);
  for (u32 i = 0; i <= radius; i++) {
    shape[i] = exp_of_negative(-(f64)(i * i) / (2.0 * sigma * sigma));
    sum += i ? 2.0 * shape[i] : shape[i];
  }
  i32 rest = UNIT;
  for (u32 i = 1; i <= radius; i++) {
    w[radius + i] = w[radius - i] = (u32)(shape[i] / sum * UNIT + 0.5);
    rest -= 2 * (i32)w[radius + i];
  }
  w[radius] = (u32)rest;
  return radius;
}

/* Down the columns into `line`, then along the row into `sums`: two rows of scratch, whatever the height. */
#define BLUR(T, H, V, KEEP, STORE)                                                             \
  static void down_##T(const T *restrict row, H *restrict line, H weight, u32 items) {         \
    for (u32 i = 0; i < items; i++) line[i] += (H)row[i] * weight;                             \
  }                                                                                            \
  static void along_##T(const H *restrict line, V *restrict sums, V weight, u32 items) {       \
    for (u32 i = 0; i < items; i++) sums[i] += (V)line[i] * weight;                            \
  }                                                                                            \
  static void blur_##T(const image *m, const u32 *w, u32 radius, const T *in, T *out) {        \
    u32 c = m->channels, items = m->width * c, margin = radius * c, wide = items + 2 * margin; \
    H *line = take((u64)wide * sizeof(H));                                                     \
    V *sums = take((u64)items * sizeof(V));                                                    \
    for (u32 y = 0; y < m->height; y++, out += items) {                                        \
      const T *from = in + row_start(m, y) - (u64)radius * m->row - margin;                    \
      for (u32 i = 0; i < wide; i++) line[i] = 0;                                              \
      for (u32 i = 0; i < items; i++) sums[i] = 0;                                             \
      for (u32 k = 0; k <= 2 * radius; k++) down_##T(from + (u64)k * m->row, line, (H)w[k], wide); \
      for (u32 i = 0; i < wide; i++) line[i] = KEEP(line[i]);                                  \
      for (u32 k = 0; k <= 2 * radius; k++) along_##T(line + k * c, sums, (V)w[k], items);     \
      for (u32 i = 0; i < items; i++) out[i] = STORE(sums[i]);                                 \
    }                                                                                          \
  }

/* 8-bit images keep 8 bits of fraction between the two passes, so that 32 bits hold every sum; the others lose nothing. */
#define EIGHT_BITS(x) (((x) + 128) >> 8)
#define ALL_BITS(x) (x)
#define STORE_u8(sum) (u8)(((sum) + (1u << 23)) >> 24)
#define STORE_u16(sum) (u16)(((sum) + (1ull << 31)) >> 32)
#define STORE_f32(sum) (f32)((sum) * (1.0 / 4294967296.0))
#define STORE_f64(sum) ((sum) * (1.0 / 4294967296.0))
BLUR(u8, u32, u32, EIGHT_BITS, STORE_u8)
BLUR(u16, u32, u64, ALL_BITS, STORE_u16)
BLUR(f32, f64, f64, ALL_BITS, STORE_f32)
BLUR(f64, f64, f64, ALL_BITS, STORE_f64)

static u32 process(const request *r, u8 *out) {
  u32 w[2 * RADIUS_MAX + 1];
  f64 sigma = real_parameter(r, "sigma", 1.0);
  require(sigma >= 0.1 && sigma <= 10.0);
  u32 radius = weights(sigma, w);
  image m = image_of(r, radius);
  u64 size = r->dtype == UINT8 ? 1 : r->dtype == UINT16 ? 2 : r->dtype == FLOAT32 ? 4 : 8;
  require((u64)m.width * m.height * m.channels * size == r->out_bytes);
  const u8 *in = input_of(r);
  if (r->dtype == UINT8) blur_u8(&m, w, radius, in, out);
  else if (r->dtype == UINT16) blur_u16(&m, w, radius, (const u16 *)in, (u16 *)out);
  else if (r->dtype == FLOAT32) blur_f32(&m, w, radius, (const f32 *)in, (f32 *)out);
  else if (r->dtype == FLOAT64) blur_f64(&m, w, radius, (const f64 *)in, (f64 *)out);
  else __builtin_trap();
  return r->out_bytes;
}
