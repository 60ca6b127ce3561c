/* sobel: length of the 3x3 Sobel gradient, per channel. Integers: floor, then capped at the dtype's largest value.
 * No parameters; needs a halo of 1. */
#include "sgnus.h"

/* S holds a gradient; W computes its length without loss: an f32 holds the squares of 8-bit gradients exactly, an f64
 * those of 16-bit ones. Each of the eight neighbours has a pointer of its own, so that the compiler vectorises. */
#define SOBEL(T, S, W, ROOT, STORE)                                                             \
  static void line_##T(const T *b, u32 row, u32 c, u32 items, T *restrict out) {                \
    const T *al = b - row - c, *am = al + c, *ar = am + c, *bl = b - c, *br = b + c;            \
    const T *dl = b + row - c, *dm = dl + c, *dr = dm + c;                                      \
    for (u32 i = 0; i < items; i++) {                                                           \
      S right = (S)((S)ar[i] + 2 * (S)br[i] + (S)dr[i]), left = (S)((S)al[i] + 2 * (S)bl[i] + (S)dl[i]); \
      S below = (S)((S)dl[i] + 2 * (S)dm[i] + (S)dr[i]), above = (S)((S)al[i] + 2 * (S)am[i] + (S)ar[i]); \
      W gx = (W)(right - left), gy = (W)(below - above);                                        \
      W length = ROOT(gx * gx + gy * gy);                                                       \
      out[i] = STORE;                                                                           \
    }                                                                                           \
  }                                                                                             \
  static void sobel_##T(const image *m, const T *in, T *out) {                                  \
    u32 items = m->width * m->channels;                                                         \
    for (u32 y = 0; y < m->height; y++)                                                         \
      line_##T(in + row_start(m, y), m->row, m->channels, items, out + (u64)y * items);         \
  }

/* Whole numbers saturate in one SIMD step; comparing floats would not. */
static i32 capped(i32 length, i32 most) { return length < most ? length : most; }

SOBEL(u8, i16, f32, __builtin_sqrtf, (u8)capped((i32)length, 255))
SOBEL(u16, i32, f64, __builtin_sqrt, (u16)capped((i32)length, 65535))
SOBEL(f32, f64, f64, __builtin_sqrt, (f32)length)
SOBEL(f64, f64, f64, __builtin_sqrt, length)

static u32 process(const request *r, u8 *out) {
  image m = image_of(r, 1);
  u64 size = r->dtype == UINT8 ? 1 : r->dtype == UINT16 ? 2 : r->dtype == FLOAT32 ? 4 : 8;
  require((u64)m.width * m.height * m.channels * size == r->out_bytes);
  const u8 *in = input_of(r);
  if (r->dtype == UINT8) sobel_u8(&m, in, out);
  else if (r->dtype == UINT16) sobel_u16(&m, (const u16 *)in, (u16 *)out);
  else if (r->dtype == FLOAT32) sobel_f32(&m, (const f32 *)in, (f32 *)out);
  else if (r->dtype == FLOAT64) sobel_f64(&m, (const f64 *)in, (f64 *)out);
  else __builtin_trap();
  return r->out_bytes;
}
