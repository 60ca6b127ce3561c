/* non-local-means: each pixel becomes the mean of the pixels around it, weighted by how alike their surroundings are
 * (Buades, Coll, Morel 2005). `patch` (1 to 3, default 2) and `search` (1 to 15, default 9) are window radii, `h`
 * (1 to 100, default 12) the strength in grey levels; needs a halo of patch + search. uint8, gray or up to 4 channels,
 * which share their weights. All sums are whole numbers: a tile's edge cannot be seen in the result. */
#include "sgnus.h"

enum { STRIP = 32, LEVELS = 1024, WEIGHT = 16384, SEARCH_MAX = 15, PATCH_MAX = 3 };
/* 31 x 31 offsets x 255 x WEIGHT, and half a divisor for rounding, stay below 2^32. */

typedef struct {
  image m;
  const u8 *in;
  i32 patch, search;
  u32 cutoff;        /* distances from here on weigh nothing */
  u64 factor;        /* distance * factor >> 32 = index into the table */
  u16 *table;
  u32 *restrict column, *restrict gap; /* per column: sum of squared differences over 2 patch + 1 rows; one such row's differences */
  u32 *restrict index, *restrict total, *restrict sum;
} filter;

static void prepare(filter *f, f64 h) {
  f64 side = 2.0 * f->patch + 1.0, unit = side * side * f->m.channels * h * h;
  f->cutoff = (u32)(8.0 * unit);
  f->factor = (u64)(LEVELS / (8.0 * unit) * 4294967296.0);
  for (u32 i = 0; i < LEVELS; i++) f->table[i] = (u16)(exp_of_negative(-8.0 * i / LEVELS) * WEIGHT + 0.5);
}

/* Add (sign 1) or take away (sign -1) one row's squared differences between a row and the same row moved by `by`. */
static void differ(filter *f, const u8 *row, i64 by, u32 columns, i32 sign) {
  const u8 *a = row, *b = row + by;
  u32 c = f->m.channels;
  if (c == 1) {
    for (u32 x = 0; x < columns; x++) {
      i32 d = (i32)a[x] - (i32)b[x];
      f->column[x] += (u32)(sign * d * d);
    }
    return;
  }
  for (u32 i = 0; i < columns * c; i++) {
    i32 d = (i32)a[i] - (i32)b[i];
    f->gap[i] = (u32)(sign * d * d);
  }
  if (c == 3) {
    for (u32 x = 0; x < columns; x++) f->column[x] += f->gap[3 * x] + f->gap[3 * x + 1] + f->gap[3 * x + 2];
    return;
  }
  for (u32 x = 0; x < columns; x++)
    for (u32 k = 0; k < c; k++) f->column[x] += f->gap[x * c + k];
}

/* Weigh one output row's pixels against the row moved by `by`, once its column sums stand. */
static void weigh(filter *f, const u8 *moved, u32 *total, u32 *sum) {
  u32 width = f->m.width, c = f->m.channels, last = f->cutoff;
  for (u32 x = 0; x < width; x++) f->index[x] = f->column[x];
  for (i32 k = 1; k <= 2 * f->patch; k++)
    for (u32 x = 0; x < width; x++) f->index[x] += f->column[x + (u32)k];
  for (u32 x = 0; x < width; x++) {
    u32 distance = f->index[x];
    f->index[x] = distance < last ? f->table[(u32)(distance * f->factor >> 32)] : 0;
  }
  for (u32 x = 0; x < width; x++) total[x] += f->index[x];
  if (c == 1) {
    for (u32 x = 0; x < width; x++) sum[x] += f->index[x] * moved[x];
    return;
  }
  for (u32 x = 0; x < width; x++)
    for (u32 k = 0; k < c; k++) sum[x * c + k] += f->index[x] * moved[x * c + k];
}

static void offset_over_strip(filter *f, u32 top, u32 rows, i32 dy, i32 dx) {
  u32 c = f->m.channels, columns = f->m.width + 2 * (u32)f->patch;
  i64 row = f->m.row, by = dy * row + (i64)dx * c;
  const u8 *first = f->in + row_start(&f->m, top) - f->patch * row - (i64)f->patch * c;
  for (u32 x = 0; x < columns; x++) f->column[x] = 0;
  for (i32 k = 0; k < 2 * f->patch; k++) differ(f, first + k * row, by, columns, 1);
  for (u32 y = 0; y < rows; y++, first += row) {
    differ(f, first + 2 * f->patch * row, by, columns, 1);
    weigh(f, f->in + row_start(&f->m, top + y) + by, f->total + (u64)y * f->m.width,
          f->sum + (u64)y * f->m.width * c);
    differ(f, first, by, columns, -1);
  }
}

static void strip(filter *f, u32 top, u32 rows, u8 *out) {
  u32 c = f->m.channels;
  u64 pixels = (u64)rows * f->m.width;
  for (u64 i = 0; i < pixels; i++) f->total[i] = 0;
  for (u64 i = 0; i < pixels * c; i++) f->sum[i] = 0;
  for (i32 dy = -f->search; dy <= f->search; dy++)
    for (i32 dx = -f->search; dx <= f->search; dx++) offset_over_strip(f, top, rows, dy, dx);
  for (u64 i = 0; i < pixels; i++)
    for (u32 k = 0; k < c; k++) out[i * c + k] = (u8)((f->sum[i * c + k] + f->total[i] / 2) / f->total[i]);
}

static u32 process(const request *r, u8 *out) {
  filter f;
  f.patch = whole_parameter(r, "patch", 2, 1, PATCH_MAX);
  f.search = whole_parameter(r, "search", 9, 1, SEARCH_MAX);
  f64 h = real_parameter(r, "h", 12.0);
  require(r->dtype == UINT8 && h >= 1.0 && h <= 100.0);
  f.m = image_of(r, (u32)(f.patch + f.search));
  require(f.m.channels >= 1 && f.m.channels <= 4);
  require((u64)f.m.width * f.m.height * f.m.channels == r->out_bytes);
  f.in = input_of(r);
  u64 width = f.m.width, columns = width + 2 * PATCH_MAX;
  f.table = take(LEVELS * sizeof(u16));
  f.column = take(columns * 4);
  f.gap = take(columns * f.m.channels * 4);
  f.index = take(width * 4);
  f.total = take(width * STRIP * 4);
  f.sum = take(width * f.m.channels * STRIP * 4);
  prepare(&f, h);
  for (u32 top = 0; top < f.m.height; top += STRIP) {
    u32 rows = f.m.height - top < STRIP ? f.m.height - top : STRIP;
    strip(&f, top, rows, out + (u64)top * width * f.m.channels);
  }
  return r->out_bytes;
}
