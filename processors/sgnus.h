/* The whole SDK of a sgnus processor: ABI 1 (docs/protocol/processor.md) for freestanding wasm32, one header.
 * A processor defines `static u32 process(const request *r, u8 *out)`, which fills r->out_bytes bytes and returns
 * how many it wrote; any other number is a trap. */
#ifndef SGNUS_H
#define SGNUS_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;

enum { SGNUS_ABI = 1, SGNUS_AXES = 8 };
enum { UINT8 = 1, UINT16 = 2, UINT32 = 3, UINT64 = 4, FLOAT32 = 10, FLOAT64 = 11 };

/* The request block, little-endian, 256 bytes; then the parameters' text; then, at in_offset, the input. */
typedef struct {
  u32 abi, dtype, ndim, params_bytes;
  u32 in_shape[SGNUS_AXES];  /* the region with its whole halo, already padded */
  u32 out_shape[SGNUS_AXES];
  u32 halo[SGNUS_AXES];
  u64 out_start[SGNUS_AXES]; /* where the output begins in the whole array */
  u64 array_shape[SGNUS_AXES];
  u32 out_bytes, in_bytes, in_offset, reserved;
} request;

_Static_assert(sizeof(request) == 256, "the request block is part of the ABI");

extern u8 __heap_base;
static u32 heap_end;

/* Bump allocation, 16-byte aligned; nothing is ever freed, for an instance lives for one chunk. */
static void *take(u64 bytes) {
  if (heap_end == 0) heap_end = ((u32)(unsigned long)&__heap_base + 15u) & ~15u;
  u64 start = heap_end, end = (start + bytes + 15) & ~(u64)15;
  u64 have = (u64)__builtin_wasm_memory_size(0) << 16;
  if (end > 0xFFFF0000ull) __builtin_trap();
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (unsigned long)-1) __builtin_trap();
  heap_end = (u32)end;
  return (void *)(unsigned long)start;
}

static void require(int holds) {
  if (!holds) __builtin_trap();
}

static const u8 *input_of(const request *r) { return (const u8 *)r + r->in_offset; }

/* The value's first character of parameter `name`, or 0; *end is one past its last. */
static const char *parameter(const request *r, const char *name, const char **end) {
  const char *at = (const char *)(r + 1), *stop = at + r->params_bytes;
  while (at < stop) {
    const char *line = at, *n = name;
    while (at < stop && *at != '\n') at++;
    const char *p = line;
    while (p < at && *n && *p == *n) p++, n++;
    if (*n == 0 && p < at && *p == '=') {
      *end = at;
      return p + 1;
    }
    at++;
  }
  return 0;
}

/* [+-]digits[.digits][(e|E)[+-]digits]. Exact up to 15 digits and powers of ten to 22; the same bits everywhere
 * beyond that. Anything else is a trap. */
static f64 number(const char *at, const char *end) {
  int minus = 0, digits = 0;
  i32 power = 0;
  u64 mantissa = 0;
  if (at < end && (*at == '-' || *at == '+')) minus = *at++ == '-';
  for (int fraction = 0; at < end && ((*at >= '0' && *at <= '9') || (*at == '.' && !fraction)); at++) {
    if (*at == '.') {
      fraction = 1;
      continue;
    }
    digits++;
    if (mantissa < 100000000000000000ull) {
      mantissa = mantissa * 10 + (u64)(*at - '0');
      power -= fraction;
    } else {
      power += !fraction;
    }
  }
  require(digits > 0);
  if (at < end && (*at == 'e' || *at == 'E')) {
    i32 exponent = 0;
    int down = 0;
    at++;
    if (at < end && (*at == '-' || *at == '+')) down = *at++ == '-';
    require(at < end);
    for (; at < end && *at >= '0' && *at <= '9'; at++)
      if (exponent < 1000) exponent = exponent * 10 + (*at - '0');
    power += down ? -exponent : exponent;
  }
  require(at == end);
  f64 value = (f64)mantissa, scale = 1.0;
  i32 steps = power < 0 ? -power : power;
  if (steps > 400) steps = 400;
  for (i32 i = 0; i < steps; i++) {
    scale *= 10.0;
    if (scale == 1e22) { /* the last exact power of ten */
      value = power < 0 ? value / scale : value * scale;
      scale = 1.0;
    }
  }
  value = power < 0 ? value / scale : value * scale;
  return minus ? -value : value;
}

static f64 real_parameter(const request *r, const char *name, f64 otherwise) {
  const char *end, *at = parameter(r, name, &end);
  return at ? number(at, end) : otherwise;
}

static i32 whole_parameter(const request *r, const char *name, i32 otherwise, i32 least, i32 most) {
  f64 value = real_parameter(r, name, otherwise);
  require(value >= least && value <= most && value == (f64)(i32)value);
  return (i32)value;
}

/* exp(x) for x <= 0 out of IEEE additions and multiplications only: the same bits on every machine. */
static f64 exp_of_negative(f64 x) {
  int halvings = 0;
  if (x < -700.0) return 0.0;
  while (x < -0.5) x *= 0.5, halvings++;
  f64 sum = 1.0;
  for (int i = 20; i > 0; i--) sum = 1.0 + sum * x / (f64)i;
  while (halvings-- > 0) sum *= sum;
  return sum;
}

/* An image is (H, W), or (H, W, C) with no halo on C. */
typedef struct {
  u32 width, height, channels; /* of the output, in pixels */
  u32 row;                     /* items from one input row to the next */
  u32 halo_y, halo_x;
} image;

static image image_of(const request *r, u32 radius) {
  require(r->ndim == 2 || r->ndim == 3);
  image m = {r->out_shape[1], r->out_shape[0], r->ndim == 3 ? r->out_shape[2] : 1, 0, r->halo[0], r->halo[1]};
  require(r->ndim == 2 || (r->halo[2] == 0 && r->in_shape[2] == m.channels));
  require(r->in_shape[0] == m.height + 2 * m.halo_y && r->in_shape[1] == m.width + 2 * m.halo_x);
  require(m.halo_y >= radius && m.halo_x >= radius);
  m.row = r->in_shape[1] * m.channels;
  return m;
}

/* Index of the input item below output item (y, 0). */
static u64 row_start(const image *m, u32 y) {
  return (u64)(y + m->halo_y) * m->row + (u64)m->halo_x * m->channels;
}

static u32 process(const request *r, u8 *out);

__attribute__((export_name("alloc"))) void *sgnus_alloc(u32 bytes) { return take(bytes); }

__attribute__((export_name("run"))) u64 sgnus_run(const request *r, u32 bytes) {
  require(bytes >= sizeof(request) && r->abi == SGNUS_ABI && r->ndim <= SGNUS_AXES);
  require((u64)r->in_offset + r->in_bytes <= bytes && (u64)sizeof(request) + r->params_bytes <= r->in_offset);
  u8 *out = take(r->out_bytes);
  u64 written = process(r, out);
  return (u64)(u32)(unsigned long)out << 32 | written;
}

#endif
