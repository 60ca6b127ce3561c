/* mandelbrot: draws the set; the input only gives the shape. `center_x` (-0.5), `center_y` (0), `scale` = width of
 * the whole picture in the plane (3), `iterations` (200, at most 100000). uint8, (H, W) gray or (H, W, C) in colour. */
#include "sgnus.h"

typedef f64 pair __attribute__((vector_size(16)));
typedef i64 mask __attribute__((vector_size(16)));

/* Steps until |z| > 2, for two points at once; -1 in both only when neither has left. */
static mask steps(pair x0, f64 y, i32 iterations) {
  pair x = {0, 0}, im = {0, 0}, y0 = {y, y};
  mask count = {0, 0};
  for (i32 i = 0; i < iterations; i++) {
    pair xx = x * x, yy = im * im;
    mask inside = (mask)(xx + yy <= (pair){4.0, 4.0});
    if ((inside[0] | inside[1]) == 0) break;
    count -= inside;
    im = (x + x) * im + y0;
    x = xx - yy + x0;
  }
  return count;
}

/* Triangle waves of 1, 2 and 4 periods for red, green and blue; inside the set black; further channels opaque. */
static u8 shade(i64 count, i32 iterations, u32 channel, u32 channels) {
  if (channel >= 3) return 255;
  if (count >= iterations) return 0;
  u32 level = (u32)(count * 255 / iterations);
  if (channels < 3) return (u8)level;
  level = (level << channel) * 2 % 511;
  return (u8)(level < 256 ? level : 510 - level);
}

static u32 process(const request *r, u8 *out) {
  require(r->dtype == UINT8);
  image m = image_of(r, 0);
  require((u64)m.width * m.height * m.channels == r->out_bytes);
  i32 iterations = whole_parameter(r, "iterations", 200, 1, 100000);
  f64 step = real_parameter(r, "scale", 3.0) / (f64)r->array_shape[1];
  f64 left = real_parameter(r, "center_x", -0.5), top = real_parameter(r, "center_y", 0.0);
  f64 half_width = (f64)r->array_shape[1] * 0.5, half_height = (f64)r->array_shape[0] * 0.5;
  for (u32 y = 0; y < m.height; y++) {
    f64 im = top + ((f64)(r->out_start[0] + y) + 0.5 - half_height) * step;
    for (u32 x = 0; x < m.width; x += 2) {
      f64 re = (f64)(r->out_start[1] + x) + 0.5 - half_width;
      mask count = steps((pair){left + re * step, left + (re + 1.0) * step}, im, iterations);
      for (u32 lane = 0; lane < 2 && x + lane < m.width; lane++)
        for (u32 c = 0; c < m.channels; c++) *out++ = shade(count[lane], iterations, c, m.channels);
    }
  }
  return r->out_bytes;
}
